"""Each safeguard off: in which histories, and within how many seeds the checkers must notice."""

from __future__ import annotations

from dataclasses import dataclass, replace

from importer.delivery.protocol.safeguards import ALL_ON, Safeguards


@dataclass(frozen=True, slots=True)
class Ablation:
    """One safeguard off."""

    safeguard: str
    theme: str
    """Of every history (scene.THEMES)."""
    seeds: int
    """Seeds from 0 within which a violation must be found."""

    @property
    def without(self) -> Safeguards:
        """Everything but this safeguard."""
        return replace(ALL_ON, **{self.safeguard: False})


ABLATIONS = {
    one.safeguard: one
    for one in (
        Ablation("write_ahead", "anything", 10),
        Ablation("write_once", "on its way for days", 300),
        Ablation("replay_attribution", "old refusals", 200),
        Ablation("lookup_before_resend", "not unique", 100),
        Ablation("advance_on_proof", "not unique", 100),
        Ablation("compare_and_set", "two importers", 100),
        Ablation("echo_check", "mixed up answers", 20),
        Ablation("canary", "run refused", 100),
        Ablation("verified_read", "bad input", 20),
        Ablation("confirm_absence", "stale replicas", 200),
    )
}
