"""Tells of payouts that the bank should have shown by now: one that never arrived, or one that failed after its arrival
and was never taken back. A watch job (payments/monitoring/watch.py).

A case closes itself once a bank line says what was missing, or nothing is missing any more.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from django.db import transaction
from django.db.models import Exists, Max, Min, OuterRef, Q, QuerySet

from orders.models import Transition
from payments import rounds
from payments.bank.matching import EARLY, LATE, seen_at_the_bank
from payments.cases.opening import close_case, open_case
from payments.models import BankLine, Case, Payout
from payments.models.case import CaseKind, Resolution
from payments.situation import provider_label
from payments.states import PayoutState

ROUND = "payouts_at_the_bank"
EVERY_SECONDS = 3600
RETURNED_WITHIN = timedelta(days=14)
"""The bank's sending it back is what lets a provider say that a payout failed, so the line stands on the next
statement; two weeks leave time to import that. A later line is still taken for the return (matching.RETURNS_WITHIN)."""
MOST_A_ROUND = 50

_ENDED = (PayoutState.FAILED, PayoutState.CANCELLED)
_DAY = timedelta(days=1)


def watch(at: datetime) -> int:
    """Close the cases of what the bank has shown since; once an hour, open those of what it has not. Return how many
    cases that were. Opens its own transactions."""
    told = Case.objects.filter(kind=CaseKind.PAYOUT_UNSEEN, subject_kind=Payout.SUBJECT_KIND, closed_at=None)
    mended = told.exclude(subject_id__in=_incomplete().values("pk")).order_by("pk")
    count = sum(_close(case_id, at=at) for case_id in mended.values_list("pk", flat=True))
    if rounds.begin(ROUND, every_seconds=EVERY_SECONDS, at=at):
        untold = overdue(at).exclude(_known(at)).order_by("arrives_at", "pk")
        count += sum(_tell(payout_id, at=at) for payout_id in untold.values_list("pk", flat=True)[:MOST_A_ROUND])
    return count


def overdue(at: datetime) -> QuerySet[Payout]:
    """Return the payouts of which the bank should have shown by now what it has not."""
    arrives = _covered() & Q(state=PayoutState.PAID, arrives_at__lte=at - LATE)
    ended = Transition.objects.filter(
        subject_kind=Payout.SUBJECT_KIND, subject_id=OuterRef("pk"), to_state__in=_ENDED, forbidden=False
    )
    long_ago = Q(state__in=_ENDED) & Q(Exists(ended.filter(at__lte=at - RETURNED_WITHIN)))
    return _incomplete().filter(arrives | long_ago)


def _incomplete() -> QuerySet[Payout]:
    """Return the payouts of which the bank has not shown all: paid and not arrived; or failed, or called off, after a
    line was taken for the arrival, and not returned."""
    arrived, returned = seen_at_the_bank(is_return=False), seen_at_the_bank(is_return=True)
    not_arrived = Q(state=PayoutState.PAID) & ~Q(arrived)
    not_returned = Q(state__in=_ENDED) & Q(arrived) & ~Q(returned)
    return Payout.objects.exclude(amount_minor=0).filter(not_arrived | not_returned)


def _covered() -> Q:
    """Return the condition that a statement in the payout's currency covers the days on which the bank may book it.

    So a shop that imports no statements is told nothing, nor any shop about the time before its first.
    """
    lines = BankLine.objects.order_by().values("account", "currency")
    covered = Q(pk__in=[])
    for span in lines.annotate(first=Min("booked_on"), last=Max("booked_on")):
        since, until = (datetime.combine(span[end], time(), tzinfo=UTC) for end in ("first", "last"))
        covered |= Q(currency=span["currency"], arrives_at__gte=since + EARLY + _DAY, arrives_at__lt=until - LATE)
    return covered


def _known(at: datetime) -> Exists:
    """Return the condition that a person has this case before them, or has accepted it."""
    accepted = Q(resolution=Resolution.ACCEPTED) & (Q(accepted_until=None) | Q(accepted_until__gt=at))
    of_payout = Q(kind=CaseKind.PAYOUT_UNSEEN, subject_kind=Payout.SUBJECT_KIND, subject_id=OuterRef("pk"))
    return Exists(Case.objects.filter(of_payout, Q(closed_at=None) | accepted))


def _close(case_id: int, *, at: datetime) -> bool:
    """Close a case of which nothing is missing any more; say whether it was open."""
    with transaction.atomic(durable=True):
        case = Case.objects.select_for_update(of=("self",)).get(pk=case_id)
        if case.closed_at is not None:
            return False
        close_case(case, resolution=Resolution.MENDED, at=at)
    return True


def _tell(payout_id: int, *, at: datetime) -> bool:
    """Open the case of a payout, unless the bank has shown it in this very moment; say whether it was opened."""
    with transaction.atomic(durable=True):
        Payout.objects.select_for_update(no_key=True).get(pk=payout_id)  # its matches are written under this lock
        payout = _incomplete().filter(pk=payout_id).first()
        if payout is None:
            return False
        ours, theirs, fix = _no_arrival(payout) if payout.state == PayoutState.PAID else _no_return(payout)
        open_case(
            CaseKind.PAYOUT_UNSEEN,
            subject_kind=Payout.SUBJECT_KIND,
            subject_id=payout.pk,
            stake=payout.amount,
            ours=ours,
            theirs=theirs,
            suggested_fix=f"{fix} The case closes itself once the bank lines agree.",
            at=at,
        )
    return True


def _no_arrival(payout: Payout) -> tuple[str, str, str]:
    """Return what we hold, what we see, and what to do."""
    name = provider_label(payout.provider)
    return (
        f"{name} says that {payout} is paid; the bank should have had it by {payout.arrives_at + LATE:%Y-%m-%d}.",
        "No line of the imported statements is it, and they cover those days.",
        (
            "Look for it on the bank's own statement. If it is there, match its line, or import it first. If not,"
            f" ask {name} and the bank where it is."
        ),
    )


def _no_return(payout: Payout) -> tuple[str, str, str]:
    """Return what we hold, what we see, and what to do."""
    name = provider_label(payout.provider)
    arrival = payout.bank_matches.standing().get(is_return=False).line
    return (
        f"The bank line of {arrival.booked_on} is the arrival of {payout}.",
        f"{name} says that it is {payout.state}, and no bank line has taken it back.",
        (
            "Import the statements until today. If another payout's line was taken for this one, undo what that line is"
            f" said to be. If not, ask the bank and {name} which of them has the money."
        ),
    )
