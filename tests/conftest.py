"""What holds for every test."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No deadline: how long a case takes says something about the machine, not about the code.
settings.register_profile(
    "importer", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("importer")
