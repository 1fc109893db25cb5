"""Payouts that are not explained to the cent: mirrored first, then told as findings of the run with their cases.

The mirror (payments/payouts/mirror.py) explains and opens the cases; a run only makes it look now, and counts.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from django.db.models import Q

from integrations import providers
from payments.clock import Clock
from payments.models import Case, Payout, ReconciliationFinding, ReconciliationRun
from payments.models.case import CaseKind
from payments.models.reconciliation import Difference, Upshot
from payments.payouts import mirror as payout_mirror
from payments.reconciliation import telling

CHUNK = 200


def find(run: ReconciliationRun, *, clock: Clock, goes_on: Callable[[], bool]) -> None:
    """Mirror the provider's payouts, then write a finding for each of the run's time that leaves a remainder.

    Where they cannot be mirrored now (another worker does, the provider is away), what is mirrored already is told.
    """
    newest = telling.newest_case()
    if not run.dry_run and providers.get(run.provider).capabilities.payouts:
        with suppress(payout_mirror.Busy):
            payout_mirror.mirror(run.provider, clock=clock, goes_on=goes_on)
    left = Payout.objects.filter(provider=run.provider, made_at__gte=run.since, made_at__lte=run.until)
    left = left.filter(~Q(remainder_minor=0) | Q(unexplained_entries__gt=0), remainder_minor__isnull=False)
    after = 0
    while chunk := list(left.filter(pk__gt=after).order_by("pk")[:CHUNK]):
        ReconciliationFinding.objects.bulk_create(
            [_finding(run, payout, newest=newest, clock=clock) for payout in chunk], ignore_conflicts=True
        )
        after = chunk[-1].pk


def _finding(run: ReconciliationRun, payout: Payout, *, newest: int, clock: Clock) -> ReconciliationFinding:
    case = (
        Case.objects.filter(kind=CaseKind.PAYOUT_REMAINDER, subject_kind="payout", subject_id=payout.pk)
        .order_by("-pk")
        .first()
    )
    if run.dry_run:
        upshot = Upshot.SUSPECTED
    elif case is None:
        upshot = Upshot.UNCONFIRMED
    else:
        upshot = Upshot.CASE if case.pk > newest else Upshot.KNOWN
    return ReconciliationFinding(
        run=run,
        difference=Difference.PAYOUT_REMAINDER,
        upshot=upshot,
        object_id=payout.payout_id,
        case=None if run.dry_run else case,
        amount_minor=payout.remainder_minor,
        currency=payout.currency,
        ours=f"{payout} is explained but for {payout.remainder}."[:300],
        theirs=f"{payout.provider} paid out {payout.amount}."[:300],
        at=clock(),
    )
