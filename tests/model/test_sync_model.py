"""The short variants of creating and updating in one state space."""

from __future__ import annotations

import pytest

from importer.delivery.protocol.safeguards import UpdateSafeguards
from tests.model.explore import explore
from tests.model.sync_variants import (
    CREATED_LATE,
    FALSE_CONFLICT,
    SYNC_ABLATIONS,
    SYNC_LIMITS,
    SYNC_PROMISES,
    SyncAblation,
    SyncVariant,
    sync_named,
)
from tests.model.sync_world import OF_THE_LEDGER, without_update

SHORT = [variant for variant in SYNC_PROMISES if not variant.long]


@pytest.mark.slow
@pytest.mark.parametrize("variant", SHORT, ids=lambda variant: variant.name)
def test_updates_keep_every_promise_in_every_reachable_state(variant: SyncVariant) -> None:
    """No edit is lost, nothing false is told, no quiet night sends, and no state is a dead end."""
    report = explore(variant.scene)
    assert report.violations == {}
    assert report.stuck_trace == []
    assert report.complete
    assert report.states > 300


@pytest.mark.slow
@pytest.mark.parametrize("variant", SYNC_LIMITS, ids=lambda variant: variant.name)
def test_every_documented_limit_of_updates_is_real(variant: SyncVariant) -> None:
    """Without what it rests on, a promise breaks just as docs/syncing.md says."""
    report = explore(variant.scene, until=variant.breaks)
    assert variant.breaks in report.violations


@pytest.mark.parametrize("ablation", SYNC_ABLATIONS, ids=lambda one: one.safeguard)
def test_the_checker_notices_a_missing_safeguard_of_updates(ablation: SyncAblation) -> None:
    """Switching one safeguard off breaks a variant that is clean with it."""
    scene = without_update(sync_named(ablation.variant).scene, ablation.safeguard)
    report = explore(scene, until=ablation.breaks)
    assert ablation.breaks in report.violations


def test_the_checker_notices_when_versions_that_were_left_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their POST may have made the customer after the look that did not find it."""
    monkeypatch.setattr("tests.model.sync_world.earlier", lambda *_: ())
    report = explore(sync_named(CREATED_LATE).scene, until=FALSE_CONFLICT)
    assert FALSE_CONFLICT in report.violations


def test_every_safeguard_of_updates_is_accounted_for() -> None:
    """A new safeguard must be ablated here; each variant that is broken is a short one."""
    assert {one.safeguard for one in SYNC_ABLATIONS} == {
        *UpdateSafeguards.__dataclass_fields__,
        *OF_THE_LEDGER,
    }
    assert not any(sync_named(one.variant).long for one in SYNC_ABLATIONS)


def test_a_lost_edit_is_told_in_plain_words() -> None:
    """The shortest way to an edit that is overwritten ends with the PATCH that does it."""
    variant = sync_named("an edit between GET and PATCH")
    report = explore(variant.scene, until=variant.breaks)
    assert report.violations[variant.breaks][-1] == (
        "PATCH name=2 arrives: Moment writes it and answers 200"
    )
