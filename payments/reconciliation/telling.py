"""The words and the case of each difference: ours, theirs, the money at stake and what to do."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q

from integrations.contract import ListedCapture
from orders.models import Order
from orders.money import Money
from payments.cases.opening import open_case
from payments.models import Case
from payments.models.case import CaseKind, Resolution
from payments.models.reconciliation import Difference
from payments.reconciliation.findings import Words
from payments.reconciliation.ours import Ours

KIND_OF: Mapping[Difference, CaseKind] = {
    Difference.MISSING_HERE: CaseKind.RECONCILE_MISSING_HERE,
    Difference.MISSING_THERE: CaseKind.RECONCILE_MISSING_THERE,
    Difference.AMOUNT: CaseKind.AMOUNT_MISMATCH,
    Difference.CURRENCY: CaseKind.CURRENCY_MISMATCH,
    Difference.STATE: CaseKind.RECONCILE_STATE,
    Difference.DUPLICATE: CaseKind.DOUBLE_PAYMENT,
    Difference.UNKNOWN_CAPTURE: CaseKind.RECONCILE_UNKNOWN,
    Difference.FEE: CaseKind.RECONCILE_FEE,
    Difference.WRONG_MODE: CaseKind.WRONG_MODE,
    Difference.WRONG_ACCOUNT: CaseKind.WRONG_ACCOUNT,
    Difference.LATE: CaseKind.LATE_MONEY,
}
"""The case of each difference. Where a look tells of the same thing, it is the same case: one thing, one case."""

_BY_LOOKS = frozenset(KIND_OF.values()) - {
    CaseKind.RECONCILE_MISSING_HERE,
    CaseKind.RECONCILE_MISSING_THERE,
    CaseKind.RECONCILE_STATE,
    CaseKind.RECONCILE_UNKNOWN,
    CaseKind.RECONCILE_FEE,
}
"""Kinds that looks open and see again by themselves."""
_OF_CAPTURE = (
    CaseKind.RECONCILE_MISSING_THERE,
    CaseKind.RECONCILE_STATE,
    CaseKind.RECONCILE_FEE,
    CaseKind.DOUBLE_PAYMENT,
)

FIX: Mapping[Difference, str] = {
    Difference.MISSING_HERE: "Open the payment at the provider: its page or intent is not the one we asked about. "
    "Ask the provider again from the order; if it stays, refund it there or have it recorded by a correction.",
    Difference.MISSING_THERE: "Search the provider's dashboard for the payment. If it never was, the order is not "
    "paid: refund nothing, and tell Finance before anything is shipped or reversed.",
    Difference.AMOUNT: "Find out who made this payment; return it, or accept it for this order by a correction.",
    Difference.CURRENCY: "Find out who made this payment; return it, or accept it for this order by a correction.",
    Difference.STATE: "Compare the order's timeline with the provider's; ask the provider now. A state is put "
    "right by a named correction only.",
    Difference.DUPLICATE: "Refund the duplicate; what was paid first stays as it is.",
    Difference.UNKNOWN_CAPTURE: "If another shop or system uses this account, accept it with an end date. Else find "
    "out who took the money, and return it at the provider.",
    Difference.FEE: "Compare with the provider's balance report. If it corrected its fee, accept it; the payout "
    "shows it.",
    Difference.PAYOUT_REMAINDER: "Open the payout: the entries that no row of ours explains are marked.",
    Difference.WRONG_MODE: "Find out which key was in use; never mix test and live. Nothing was moved.",
    Difference.WRONG_ACCOUNT: "Put back the key of the first account until its payments have ended. Nothing was moved.",
    Difference.LATE: "Reopen the order and apply the money, or refund it.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told(Words):
    """A difference in words. `listed_key`, of what has no row of ours, is made from its id at the provider."""

    difference: Difference
    capture_pk: int | None
    listed_key: int


def tell(provider: str, theirs: ListedCapture | None, ours: Ours | None, difference: Difference) -> Told:
    """Put a difference into words, without personal data."""
    return Told(
        difference=difference,
        ours=_ours(ours, difference),
        theirs=_theirs(provider, theirs),
        stake=_stake(theirs, ours, difference),
        capture_pk=ours.pk if ours is not None else None,
        listed_key=key_of(provider, theirs.capture_id if theirs is not None else ours.capture_id if ours else ""),
    )


def key_of(provider: str, object_id: str) -> int:
    """Return the same number for the same object of a provider: the subject of a case about what has no row here."""
    return int.from_bytes(hashlib.sha256(f"{provider}:{object_id}".encode()).digest()[:8], "big") >> 1


def newest_case() -> int:
    """Return the key of the newest case; those above it were opened since."""
    return Case.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def has_case(kind: CaseKind, subject_kind: str, subject_id: int, *, newer_than: int = 0) -> bool:
    """Say whether such a case is open, or was opened since `newer_than`."""
    return Case.objects.filter(
        kind=kind, subject_kind=subject_kind, subject_id=subject_id, closed_at=None, pk__gt=newer_than
    ).exists()


def case_of(told: Told, *, attempt_id: int | None, order_id: int | None, newest: int, at: datetime) -> Case:
    """Return the open (or accepted) case of a difference; open it where no look has. Needs a transaction."""
    kind = KIND_OF[told.difference]
    subject_kind, subject_id = _subject(kind, told, attempt_id)
    if attempt_id is not None and told.difference in (Difference.MISSING_THERE, Difference.WRONG_ACCOUNT):
        gone = _known(CaseKind.UNKNOWN_OBJECT, "attempt", attempt_id, at=at)
        if gone is not None:  # the look found that the whole payment is not there, and has told so
            return gone
    if kind in _BY_LOOKS:
        known = _known(kind, subject_kind, subject_id, at=at)
        if known is not None:
            return known
    return open_case(
        kind,
        subject_kind=subject_kind,
        subject_id=subject_id,
        order=Order.objects.get(pk=order_id) if order_id is not None else None,
        stake=told.stake,
        ours=told.ours,
        theirs=told.theirs,
        suggested_fix=FIX[told.difference],
        at=at,
    )


def _subject(kind: CaseKind, told: Told, attempt_id: int | None) -> tuple[str, int]:
    if kind in _OF_CAPTURE and told.capture_pk is not None:
        return "capture", told.capture_pk
    if attempt_id is not None and kind in _BY_LOOKS:
        return "attempt", attempt_id
    return "listed", told.listed_key


def _known(kind: CaseKind, subject_kind: str, subject_id: int, *, at: datetime) -> Case | None:
    accepted = Q(resolution=Resolution.ACCEPTED) & (Q(accepted_until=None) | Q(accepted_until__gt=at))
    return (
        Case.objects.filter(Q(closed_at=None) | accepted, kind=kind, subject_kind=subject_kind, subject_id=subject_id)
        .order_by("-pk")
        .first()
    )


def _ours(ours: Ours | None, difference: Difference) -> str:
    if ours is None:
        return "No such payment is recorded here."
    if difference is Difference.FEE:
        return f"Fee {Money(ours.fee_minor, ours.currency)}." if ours.fee_minor is not None else "No fee is known."
    if difference is Difference.WRONG_ACCOUNT:
        return f"Account {ours.account}."
    if difference is Difference.WRONG_MODE:
        return f"Mode {ours.mode}."
    taken = Money(ours.amount_minor, ours.currency)
    disputed = ", disputed" if ours.disputed else ""
    what = f"Capture {ours.capture_id[:80]} of {taken} ({ours.disposition}{disputed})"
    return f"{what}; the attempt is {ours.attempt_state}."


def _theirs(provider: str, theirs: ListedCapture | None) -> str:
    if theirs is None:
        return f"{provider} lists no such payment and does not find it by its id."
    taken = Money(theirs.amount_minor, theirs.currency)
    fee = f", fee {Money(theirs.fee_minor, theirs.currency)}" if theirs.fee_minor is not None else ""
    disputed = ", disputed" if theirs.disputed else ""
    reference = f", reference {theirs.reference[:64]}" if theirs.reference else ", without a reference of ours"
    return (
        f"{provider}: {theirs.capture_id[:80]} of {taken}{fee}, {theirs.status_words[:40] or theirs.status}{disputed}, "
        f"{theirs.mode} mode, account {theirs.account[:40]}{reference}."
    )


def _stake(theirs: ListedCapture | None, ours: Ours | None, difference: Difference) -> Money | None:
    if difference is Difference.FEE and theirs is not None and ours is not None:
        if theirs.fee_minor is None or ours.fee_minor is None:
            return None
        return Money(abs(theirs.fee_minor - ours.fee_minor), theirs.currency)
    if theirs is not None:
        return Money(theirs.amount_minor, theirs.currency)
    return Money(ours.amount_minor, ours.currency) if ours is not None else None
