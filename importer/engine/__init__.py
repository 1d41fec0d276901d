"""Carries rows to where they are delivered: in this process, or in workers on other machines."""

from importer.engine.local_engine import LocalEngine
from importer.engine.seam import Engine, EngineSettings

__all__ = ["Engine", "EngineSettings", "LocalEngine"]
