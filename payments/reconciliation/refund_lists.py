"""Refunds of a provider's list beside ours: the same way as payments, a look for each difference.

A refund made in the provider's dashboard, or of a payment older than the run, is found by its own date here. No refund
is asked for by its id: the look at its payment tells.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction

from integrations.contract import ListedRefund, ProviderIds, RefundSnapshot, UnknownObject
from orders.models import Order
from orders.money import Money
from payments.cases.opening import open_case
from payments.clock import Clock
from payments.models import Capture, Case, PaymentAttempt, ReconciliationRun, Refund
from payments.models.case import CaseKind
from payments.models.reconciliation import Difference, Upshot
from payments.reconciliation import findings, runs, telling
from payments.reconciliation.findings import Words
from payments.reconciliation.ours import newest_first
from payments.retrying import made_again
from payments.settlement import LookResult, Outcome, look
from payments.states import RefundState

STATUS_OF: Mapping[str, str] = {
    RefundState.REQUESTED: "pending",
    RefundState.PENDING: "pending",
    RefundState.SUCCEEDED: "succeeded",
    RefundState.FAILED: "failed",
}
"""Our states in the words of ListedRefund."""

KIND_OF: Mapping[Difference, CaseKind] = {
    Difference.MISSING_HERE: CaseKind.RECONCILE_MISSING_HERE,
    Difference.MISSING_THERE: CaseKind.RECONCILE_MISSING_THERE,
    Difference.AMOUNT: CaseKind.RECONCILE_STATE,
    Difference.CURRENCY: CaseKind.RECONCILE_STATE,
    Difference.STATE: CaseKind.RECONCILE_STATE,
    Difference.UNKNOWN_CAPTURE: CaseKind.RECONCILE_UNKNOWN,
    Difference.WRONG_ACCOUNT: CaseKind.WRONG_ACCOUNT,
}
FIX: Mapping[Difference, str] = {
    Difference.MISSING_HERE: "Open the refund at the provider: it is of a payment that we asked about, and the look "
    "does not show it. Ask the provider again from the order.",
    Difference.MISSING_THERE: "Search the provider's dashboard for the refund before the customer is told that money "
    "is on its way. Never refund again by hand.",
    Difference.AMOUNT: "Compare the refund with the provider's; tell Finance what the customer really got.",
    Difference.CURRENCY: "Compare the refund with the provider's; tell Finance what the customer really got.",
    Difference.STATE: "Compare the refund's timeline with the provider's; ask the provider now.",
    Difference.UNKNOWN_CAPTURE: "It is a refund of no payment of ours. If another shop or system uses this account, "
    "accept it with an end date; else find out who made it.",
    Difference.WRONG_ACCOUNT: "Put back the key of the first account until its payments have ended. Nothing was moved.",
}


class OurRefund(NamedTuple):
    """What is compared of one refund of ours. Amount in minor units."""

    pk: int
    refund_id: str
    account: str
    amount_minor: int
    currency: str
    state: str
    requested_at: datetime
    attempt_id: int
    order_id: int


@dataclass(frozen=True, slots=True)
class RefundSuspicion:
    """What a list hinted at: a refund of theirs, one of ours, or both, and the attempt of ours it is about."""

    object_id: str
    differences: tuple[Difference, ...]
    theirs: ListedRefund | None
    ours: OurRefund | None
    attempt_id: int | None
    order_id: int | None


def by_ids(provider: str, refund_ids: Collection[str]) -> dict[str, OurRefund]:
    """Return our refunds of these ids of the provider's."""
    rows = Refund.objects.filter(provider=provider, refund_id__in=refund_ids).order_by("pk")
    return {row[1]: OurRefund(*row) for row in rows.values_list(*OurRefund._fields)}


def between(provider: str, *, low: datetime, high: datetime) -> Iterator[list[OurRefund]]:
    """Return our refunds of [low, high) that the provider has taken, newest first, in chunks."""
    rows = Refund.objects.filter(provider=provider, requested_at__gte=low).exclude(refund_id="")
    rows = rows.exclude(state=RefundState.FAILED)
    for chunk in newest_first(rows, by="requested_at", below=high, fields=OurRefund._fields):
        yield [OurRefund(*row) for row in chunk]


def compare(theirs: ListedRefund | RefundSnapshot, ours: OurRefund) -> tuple[Difference, ...]:
    """Return how a refund that both sides know differs."""
    if isinstance(theirs, ListedRefund) and theirs.account != ours.account:
        return (Difference.WRONG_ACCOUNT,)
    if theirs.currency != ours.currency:
        return (Difference.CURRENCY,)
    if theirs.amount_minor != ours.amount_minor:
        return (Difference.AMOUNT,)
    return (Difference.STATE,) if theirs.status != STATUS_OF[ours.state] else ()


def suspect_listed(run: ReconciliationRun, theirs: ListedRefund, ours: OurRefund | None) -> RefundSuspicion | None:
    """Judge one line of their list beside our row; None where both sides agree."""
    if ours is not None:
        found = compare(theirs, ours)
        return RefundSuspicion(theirs.refund_id, found, theirs, ours, ours.attempt_id, ours.order_id) if found else None
    attempt_id, order_id = _payment_of(run.provider, theirs)
    if attempt_id is None and theirs.status == "failed":
        return None
    difference = Difference.UNKNOWN_CAPTURE if attempt_id is None else Difference.MISSING_HERE
    return RefundSuspicion(theirs.refund_id, (difference,), theirs, None, attempt_id, order_id)


def suspect_unlisted(_run: ReconciliationRun, ours: OurRefund) -> RefundSuspicion | None:
    """Judge one of our refunds that their list does not have."""
    return RefundSuspicion(ours.refund_id, (Difference.MISSING_THERE,), None, ours, ours.attempt_id, ours.order_id)


def confirm(run: ReconciliationRun, suspicion: RefundSuspicion, *, clock: Clock) -> None:
    """Look at the payment of one suspicion and write what came of it. Opens its own transactions; never inside one."""
    if run.dry_run:
        _write(run, suspicion, suspicion.differences, Upshot.SUSPECTED, at=clock())
        return
    ours = by_ids(run.provider, [suspicion.object_id]).get(suspicion.object_id)
    fresh = suspicion if suspicion.theirs is None else suspect_listed(run, suspicion.theirs, ours)
    if fresh is None:  # a worker has settled it since the page was read
        return
    runs.keep(run, at=clock(), confirming=_note(fresh))
    newest = telling.newest_case()
    if fresh.attempt_id is None:
        _tell(run, fresh, newest=newest, at=clock())
        return
    ids = fresh.theirs.ids if fresh.theirs is not None else None
    result = look(fresh.attempt_id, clock=clock, actor=run.actor, ids=ids)
    left = _left_of(run, fresh, result)
    if left is None:
        _write(run, fresh, fresh.differences, Upshot.UNCONFIRMED, at=clock())
    elif left.differences:
        _tell(run, left, newest=newest, at=clock())
    elif fresh.theirs is not None:  # else their list only lagged
        _write(run, fresh, fresh.differences, Upshot.SETTLED, at=clock())


def tell_of_interrupted(run: ReconciliationRun, *, clock: Clock) -> None:
    """Write what came of the look in which this run was stopped, if that look has put everything right.

    What still differs is judged anew, as its page is read again.
    """
    note = run.confirming
    if not note or run.findings.filter(object_id=note["object_id"]).exists():
        return
    theirs = _from_note(note["theirs"])
    ours = by_ids(run.provider, [theirs.refund_id]).get(theirs.refund_id)
    if ours is None or compare(theirs, ours):
        return
    differences = tuple(Difference(name) for name in note["differences"])
    suspicion = RefundSuspicion(theirs.refund_id, differences, theirs, ours, ours.attempt_id, ours.order_id)
    _write(run, suspicion, differences, Upshot.SETTLED, at=clock())


def _note(suspicion: RefundSuspicion) -> dict[str, object] | None:
    """Return what whoever goes on needs; None for one of ours that is not listed: a look settles nothing about it."""
    if suspicion.theirs is None:
        return None
    theirs = {**asdict(suspicion.theirs), "listed_at": suspicion.theirs.listed_at.isoformat()}
    differences = [str(each) for each in suspicion.differences]
    return {"object_id": suspicion.object_id, "differences": differences, "theirs": theirs}


def _from_note(kept: Mapping[str, Any]) -> ListedRefund:
    listed_at = datetime.fromisoformat(kept["listed_at"])
    return ListedRefund(**{**kept, "ids": ProviderIds(**kept["ids"]), "listed_at": listed_at})


def _payment_of(provider: str, theirs: ListedRefund) -> tuple[int | None, int | None]:
    captures = Capture.objects.filter(provider=provider, capture_id=theirs.capture_id)
    found = captures.values_list("attempt_id", "order_id").first()
    if found is None and theirs.ids.intent_id:
        attempts = PaymentAttempt.objects.filter(provider=provider, intent_id=theirs.ids.intent_id)
        found = attempts.values_list("pk", "order_id").first()
    return found if found is not None else (None, None)


def _left_of(run: ReconciliationRun, suspicion: RefundSuspicion, result: LookResult) -> RefundSuspicion | None:
    """Return what still differs after the look; None where it got no answer that tells."""
    if result.outcome is Outcome.UNREACHABLE and isinstance(result.error, UnknownObject):
        return suspicion
    if result.outcome is not Outcome.SETTLED or result.snapshot is None:
        return None
    ours = by_ids(run.provider, [suspicion.object_id]).get(suspicion.object_id)
    told = next((each for each in result.snapshot.refunds if each.refund_id == suspicion.object_id), None)
    if told is not None and ours is not None:
        return replace(suspicion, ours=ours, differences=compare(told, ours))
    if ours is None:
        return replace(suspicion, differences=(Difference.MISSING_HERE,))
    difference = Difference.MISSING_THERE if suspicion.theirs is None else Difference.STATE
    return replace(suspicion, ours=ours, differences=(difference,))


def _tell(run: ReconciliationRun, suspicion: RefundSuspicion, *, newest: int, at: datetime) -> None:
    for difference in suspicion.differences:
        _tell_one(run, suspicion, difference, newest=newest, at=at)


@made_again
def _tell_one(
    run: ReconciliationRun, suspicion: RefundSuspicion, difference: Difference, *, newest: int, at: datetime
) -> None:
    """Open or see again the case of a difference, and write the finding, in one transaction."""
    words = _words(run.provider, suspicion)
    with transaction.atomic(durable=True):
        case = _case(run.provider, suspicion, words, difference, at=at)
        upshot = Upshot.CASE if case.pk > newest else Upshot.KNOWN
        findings.insert(run, suspicion, words, difference=difference, upshot=upshot, case_id=case.pk, at=at)


def _case(provider: str, suspicion: RefundSuspicion, words: Words, difference: Difference, *, at: datetime) -> Case:
    ours = suspicion.ours
    return open_case(
        KIND_OF[difference],
        subject_kind="refund" if ours is not None else "listed",
        subject_id=ours.pk if ours is not None else telling.key_of(provider, suspicion.object_id),
        order=Order.objects.get(pk=suspicion.order_id) if suspicion.order_id is not None else None,
        stake=words.stake,
        ours=words.ours,
        theirs=words.theirs,
        suggested_fix=FIX[difference],
        at=at,
    )


def _write(
    run: ReconciliationRun,
    suspicion: RefundSuspicion,
    differences: tuple[Difference, ...],
    upshot: Upshot,
    *,
    at: datetime,
) -> None:
    words = _words(run.provider, suspicion)
    for difference in differences:
        findings.insert(run, suspicion, words, difference=difference, upshot=upshot, at=at)


def _words(provider: str, suspicion: RefundSuspicion) -> Words:
    row = suspicion.theirs or suspicion.ours
    return Words(
        ours=_ours(suspicion),
        theirs=_theirs(provider, suspicion),
        stake=None if row is None else Money(row.amount_minor, row.currency),
    )


def _ours(suspicion: RefundSuspicion) -> str:
    ours = suspicion.ours
    if ours is None:
        return "No such refund is recorded here."
    return f"Refund {ours.refund_id[:80]} of {Money(ours.amount_minor, ours.currency)} ({ours.state})."


def _theirs(provider: str, suspicion: RefundSuspicion) -> str:
    theirs = suspicion.theirs
    if theirs is None:
        return f"{provider} lists no such refund, and the look at its payment does not show it."
    given = Money(theirs.amount_minor, theirs.currency)
    return f"{provider}: refund {theirs.refund_id[:80]} of {given}, {theirs.status}, of {theirs.capture_id[:80]}."
