"""The safeguards of the delivery protocol, by name.

All of them are on, always: no flag or setting reaches this. They can be named so that the tests
can switch one off and show that the checkers notice (an ablation, docs/reliability.md).
"""

from __future__ import annotations

from importer.values import value


@value
class Safeguards:
    """Each is one sentence of the protocol; False removes it."""

    write_ahead: bool = True
    """``Sent`` is durable before a request leaves."""
    write_once: bool = True
    """A later send never changes the fingerprint or the time of a generation."""
    replay_attribution: bool = True
    """A replayed refusal is never charged to the payload just sent."""
    lookup_before_resend: bool = True
    """A ``Sent`` row that is old, or whose source changed, is looked up before it is sent again."""
    advance_on_proof: bool = True
    """The generation advances only when a finished request and a 404 prove that nothing exists."""
    compare_and_set: bool = True
    """The ledger applies a change only to the state that it was decided on."""
    echo_check: bool = True
    """An id is believed only with a well-formed body that echoes our reference."""
    canary: bool = True
    """The first row is sent alone."""
    verified_read: bool = True
    """Nothing is sent before the whole input has been read."""
    confirm_absence: bool = True
    """After an earlier send, one 404 (perhaps of a stale replica) does not reject a row."""
    count_sent: bool = True
    """What a version of the row sent whose answer was lost is ours, and no edit of somebody's."""


ALL_ON = Safeguards()


@value
class UpdateSafeguards:
    """The same of updates (docs/syncing.md); each is one sentence of that page."""

    write_ahead: bool = True
    """``Updating`` is durable before a PATCH leaves."""
    base_check: bool = True
    """An ``if_untouched`` field is written only over what we wrote, or over nothing."""
    count_ours: bool = True
    """Values of PATCHes that may have landed count as what we wrote."""
    collect_ours: bool = True
    """Those values are collected from version to version until one is confirmed."""
    settle_first: bool = True
    """An open update is looked at only when its PATCH has landed and replicas have caught up."""
    confirm_surprise: bool = True
    """A value that nobody expected is read twice: a replica may lag behind."""
    look_again: bool = True
    """After an unknown outcome the customer is read before anything is sent again."""
    echo_check: bool = True
    """Each written field is believed only as the answer shows it."""
    metadata_union: bool = True
    """Metadata is sent as the union of what Moment holds and what the source wants."""
    one_currency: bool = True
    """An amount is never written under another currency than its own."""
    remember: bool = True
    """What could not be written is remembered, and not asked for again unchanged."""
    confirm_missing: bool = True
    """A customer is missing only after its id and its reference were asked for twice."""


UPDATES_ALL_ON = UpdateSafeguards()
