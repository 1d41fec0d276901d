"""Deterministic simulation of the whole job: one seed decides everything that happens."""
