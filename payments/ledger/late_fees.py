"""Fees of captures that the look did not tell and the balance does: learnt once, never posted twice."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from payments.ledger import posting as ledger
from payments.models import Capture
from payments.payouts.sources import Checked
from payments.settlement import lock


def learn(entries: Iterable[Checked], *, at: datetime) -> int:
    """Write the fee of each capture that has none yet, and post it; return how many. Opens its own transactions.

    A converted payment's fee is in another currency than its capture: it stays with the entry.
    """
    count = 0
    for each in entries:
        source = each.source
        if source is None or not isinstance(source.row, Capture) or source.fee_minor is not None:
            continue
        if source.amount.currency == each.entry.currency and source.amount.amount_minor == each.entry.amount_minor:
            count += _learn(source.row, each.entry.fee_minor, at=at)
    return count


def _learn(known: Capture, fee_minor: int, *, at: datetime) -> bool:
    with transaction.atomic(durable=True):
        lock(known.attempt_id)
        capture = Capture.objects.select_for_update(no_key=True).get(pk=known.pk)
        if capture.fee_minor is not None:  # a look was quicker
            return False
        capture.fee_minor = fee_minor
        capture.save(update_fields=["fee_minor"])
        ledger.post_fee(capture, at=at)
    return True
