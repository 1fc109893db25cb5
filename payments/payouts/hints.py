"""Entries of a provider's balance as hints: one that our own row does not show yet makes us look at its payment.

A webhook may be lost, and a refund that came back or a dispute's money stands in the balance all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from integrations.contract import EntryKind
from payments import sweeping
from payments.models import BalanceEntry, Dispute, Refund
from payments.payouts import sources as payout_sources
from payments.payouts.sources import Checked

_OF_REFUNDS = frozenset({EntryKind.REFUND, EntryKind.REFUND_FAILURE})
_OF_DISPUTES = frozenset({EntryKind.DISPUTE, EntryKind.DISPUTE_REVERSAL})


def look_at_sources(entries: Sequence[BalanceEntry], *, at: datetime) -> None:
    """Let workers look at each refund and dispute of ours that these new entries tell more of than we know. Needs the
    transaction in which they are written."""
    hinting = [entry for entry in entries if entry.kind in _OF_REFUNDS | _OF_DISPUTES]
    unexplained = [each for each in payout_sources.checked(hinting) if each.why]
    if not unexplained:
        return
    of_account = {"provider": entries[0].provider, "account": entries[0].account}
    refunds = Refund.objects.filter(refund_id__in=_named(unexplained, _OF_REFUNDS), **of_account)
    disputes = Dispute.objects.filter(dispute_id__in=_named(unexplained, _OF_DISPUTES), **of_account)
    attempts = {*refunds.values_list("attempt_id", flat=True), *disputes.values_list("attempt_id", flat=True)}
    sweeping.look_now(attempts, at=at)


def _named(unexplained: Sequence[Checked], kinds: frozenset[EntryKind]) -> set[str]:
    return {each.entry.source_id for each in unexplained if each.entry.kind in kinds and each.entry.source_id}
