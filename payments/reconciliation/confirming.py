"""A difference that a list hinted at: asked about by a numbered look, and what is left of it told to a person.

Nothing moves here: what a look can settle, settle() has settled. Threats: a list that is wrong, stale or of another
account opens no case by itself; what comes from the provider is told shortened, and never run or followed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction

from integrations import providers
from integrations.contract import (
    CaptureSnapshot,
    ListedCapture,
    ListedStatus,
    PaymentSnapshot,
    ProviderError,
    UnknownObject,
    WrongMode,
)
from payments.clock import Clock
from payments.models import PaymentAttempt, ReconciliationRun
from payments.models.capture import Disposition
from payments.models.case import CaseKind
from payments.models.reconciliation import Difference, Upshot
from payments.reconciliation import findings, runs, telling
from payments.reconciliation.comparing import classify_missing, compare
from payments.reconciliation.ours import Ours, attempt_of, by_ids
from payments.retrying import made_again
from payments.settlement import LookResult, Outcome, look


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a list hinted at: a payment of theirs, one of ours, or both, and the attempt of ours it is about."""

    object_id: str
    differences: tuple[Difference, ...]
    theirs: ListedCapture | None
    ours: Ours | None
    attempt_id: int | None
    order_id: int | None


def suspect_listed(run: ReconciliationRun, theirs: ListedCapture, ours: Ours | None) -> Suspicion | None:
    """Judge one line of their list beside our row; None where both sides agree."""
    if ours is not None:
        found = compare(theirs, ours)
        return Suspicion(theirs.capture_id, found, theirs, ours, ours.attempt_id, ours.order_id) if found else None
    if theirs.status is not ListedStatus.CAPTURED:
        return None
    attempt = attempt_of(run.provider, theirs)
    difference = classify_missing(theirs, attempt, mode=providers.get(run.provider).mode)
    if difference is None:
        return None
    pk, order_id = (attempt.pk, attempt.order_id) if attempt is not None else (None, None)
    return Suspicion(theirs.capture_id, (difference,), theirs, None, pk, order_id)


def suspect_unlisted(run: ReconciliationRun, ours: Ours) -> Suspicion | None:
    """Judge one of our captures that their list does not have: it is asked for by its id first, since lists lag.

    Raises ProviderError where it cannot be asked now.
    """
    provider = providers.get(run.provider)
    try:
        theirs = provider.find_capture(ours.capture_id)
    except ProviderError as error:
        if not error.permanent:
            raise
        foreign = ours.account != provider.account()
        found = (Difference.WRONG_ACCOUNT if foreign else Difference.MISSING_THERE,)
        return Suspicion(ours.capture_id, found, None, ours, ours.attempt_id, ours.order_id)
    return suspect_listed(run, theirs, ours)


def confirm(run: ReconciliationRun, suspicion: Suspicion, *, clock: Clock) -> None:
    """Ask about one suspicion and write what came of it. Opens its own transactions; never inside one."""
    if run.dry_run:
        _write(run, suspicion, suspicion.differences, Upshot.SUSPECTED, at=clock())
        return
    fresh = _as_it_is_now(run, suspicion)
    if fresh is None:  # a worker has settled it since the page was read
        return
    newest = telling.newest_case()
    runs.keep(run, at=clock(), confirming=_note(fresh, newest=newest))
    if fresh.attempt_id is None:
        _tell(run, fresh, fresh.differences, newest=newest, at=clock())
        return
    ids = fresh.theirs.ids if fresh.theirs is not None else None
    result = look(fresh.attempt_id, clock=clock, actor=run.actor, ids=ids)
    left = _left_of(run, fresh, result, newest=newest)
    if left is None:
        _write(run, fresh, fresh.differences, Upshot.UNCONFIRMED, at=clock())
        return
    suspicion, differences = left
    _tell(run, suspicion, differences, newest=newest, at=clock())
    if not differences:
        _write(run, suspicion, suspicion.differences, Upshot.SETTLED, at=clock())


def tell_of_interrupted(run: ReconciliationRun, *, clock: Clock) -> None:
    """Write what came of the look in which this run was stopped, if that look has put everything right.

    What still differs is judged anew, as its page is read again.
    """
    note = run.confirming
    if not note or run.findings.filter(object_id=note["object_id"]).exists():
        return
    ours = by_ids(run.provider, [note["object_id"]]).get(note["object_id"])
    try:
        theirs = providers.get(run.provider).find_capture(note["object_id"])
    except UnknownObject:
        return
    if ours is None or compare(theirs, ours):
        return
    differences = tuple(Difference(name) for name in note["differences"])
    suspicion = Suspicion(note["object_id"], differences, theirs, ours, ours.attempt_id, ours.order_id)
    if not note["here"]:
        attempt = PaymentAttempt.objects.get(pk=ours.attempt_id)
        came = _how_it_came(ours, attempt, (), newest=note["newest"])
        _tell(run, suspicion, came, newest=note["newest"], at=clock())
        differences = () if came else (Difference.MISSING_HERE,)
    _write(run, suspicion, differences, Upshot.SETTLED, at=clock())


def _note(suspicion: Suspicion, *, newest: int) -> dict[str, object]:
    return {
        "object_id": suspicion.object_id,
        "differences": [str(each) for each in suspicion.differences],
        "here": suspicion.ours is not None,
        "newest": newest,
    }


def _as_it_is_now(run: ReconciliationRun, suspicion: Suspicion) -> Suspicion | None:
    """Judge again by what their payment is by its id, where we know none of it, and by our rows of this moment."""
    theirs = suspicion.theirs
    if theirs is None:
        return suspicion
    if suspicion.attempt_id is None:
        try:
            theirs = providers.get(run.provider).find_capture(theirs.capture_id)
        except UnknownObject:  # it was listed and is not there
            return None
    return suspect_listed(run, theirs, by_ids(run.provider, [theirs.capture_id]).get(theirs.capture_id))


def _left_of(
    run: ReconciliationRun, suspicion: Suspicion, result: LookResult, *, newest: int
) -> tuple[Suspicion, tuple[Difference, ...]] | None:
    """Return what still differs after the look; None where it got no answer that tells."""
    if result.outcome is Outcome.UNREACHABLE:
        return _refused(suspicion, result.error)
    if result.outcome is not Outcome.SETTLED or result.snapshot is None:
        return None
    ours = by_ids(run.provider, [suspicion.object_id]).get(suspicion.object_id)
    now = replace(suspicion, ours=ours)
    told = _told(result.snapshot, suspicion)
    foreign = _foreign(result.attempt, result.snapshot)
    if foreign is not None or told is None or ours is None:
        return now, (foreign or _not_shown(suspicion, ours),)
    now = replace(now, theirs=told)
    differences = compare(told, ours)
    if suspicion.ours is not None:
        return now, differences
    # What was missing has been recorded by this look.
    return replace(now, differences=(Difference.MISSING_HERE,)), _how_it_came(
        ours, result.attempt, differences, newest=newest
    )


def _refused(suspicion: Suspicion, error: ProviderError | None) -> tuple[Suspicion, tuple[Difference, ...]] | None:
    if isinstance(error, WrongMode):
        return suspicion, (Difference.WRONG_MODE,)
    if isinstance(error, UnknownObject):
        return suspicion, suspicion.differences
    return None


def _foreign(attempt: PaymentAttempt, snapshot: PaymentSnapshot) -> Difference | None:
    """Return how settle() found the payment not to be ours, if it did; it has opened the case."""
    if snapshot.mode != attempt.mode:
        return Difference.WRONG_MODE
    if attempt.account and snapshot.account != attempt.account:
        return Difference.WRONG_ACCOUNT
    return Difference.STATE if snapshot.reference != attempt.reference else None


def _told(snapshot: PaymentSnapshot, suspicion: Suspicion) -> ListedCapture | None:
    """Return the payment as the look told it, in the shape of a list's line; None where it shows no such money."""
    found = next((each for each in snapshot.captures if each.capture_id == suspicion.object_id), None)
    return None if found is None else _line_of(snapshot, found)


def _line_of(snapshot: PaymentSnapshot, capture: CaptureSnapshot) -> ListedCapture:
    return ListedCapture(
        capture_id=capture.capture_id,
        reference=snapshot.reference,
        ids=snapshot.ids,
        account=snapshot.account,
        mode=snapshot.mode,
        status=ListedStatus.CAPTURED,
        amount_minor=capture.amount_minor,
        currency=capture.currency,
        listed_at=capture.captured_at,
        captured_at=capture.captured_at,
        disputed=any(dispute.capture_id == capture.capture_id for dispute in snapshot.disputes),
        fee_minor=capture.fee_minor,
        status_words=snapshot.status,
    )


def _not_shown(suspicion: Suspicion, ours: Ours | None) -> Difference:
    """Return what it means that the look shows no such money."""
    if ours is None:
        return Difference.MISSING_HERE
    return Difference.MISSING_THERE if suspicion.theirs is None else Difference.STATE


def _how_it_came(
    ours: Ours, attempt: PaymentAttempt, differences: tuple[Difference, ...], *, newest: int
) -> tuple[Difference, ...]:
    """Return as what money was recorded that was missing here: settle() has put it where it belongs, with its case."""
    if ours.disposition == Disposition.SUSPENSE:
        return (Difference.CURRENCY if ours.currency != attempt.currency else Difference.AMOUNT,)
    if telling.has_case(CaseKind.DOUBLE_PAYMENT, "capture", ours.pk):
        return (Difference.DUPLICATE,)
    if telling.has_case(CaseKind.LATE_MONEY, "attempt", attempt.pk, newer_than=newest):
        return (Difference.LATE,)
    return differences


def _tell(
    run: ReconciliationRun, suspicion: Suspicion, differences: tuple[Difference, ...], *, newest: int, at: datetime
) -> None:
    for difference in differences:
        _tell_one(run, suspicion, difference, newest=newest, at=at)


@made_again
def _tell_one(
    run: ReconciliationRun, suspicion: Suspicion, difference: Difference, *, newest: int, at: datetime
) -> None:
    """Open or see again the case of a difference, and write the finding, in one transaction."""
    told = telling.tell(run.provider, suspicion.theirs, suspicion.ours, difference)
    with transaction.atomic(durable=True):
        case = telling.case_of(told, attempt_id=suspicion.attempt_id, order_id=suspicion.order_id, newest=newest, at=at)
        upshot = Upshot.CASE if case.pk > newest else Upshot.KNOWN
        findings.insert(run, suspicion, told, difference=difference, upshot=upshot, case_id=case.pk, at=at)


def _write(
    run: ReconciliationRun,
    suspicion: Suspicion,
    differences: tuple[Difference, ...],
    upshot: Upshot,
    *,
    at: datetime,
) -> None:
    """Write findings that have no case."""
    for difference in differences:
        told = telling.tell(run.provider, suspicion.theirs, suspicion.ours, difference)
        findings.insert(run, suspicion, told, difference=difference, upshot=upshot, at=at)
