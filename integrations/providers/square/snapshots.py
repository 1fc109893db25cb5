"""What Square says of one payment, as one PaymentSnapshot (PROVIDERS.md, section 4). Pure: no call, no clock.

One payment of ours is one order of Square's; each of Square's payments on it is a capture of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from integrations.contract import (
    CaptureSnapshot,
    Decline,
    DeclineReason,
    Mode,
    PaymentSnapshot,
    PaymentStatus,
    ProviderIds,
    TrySnapshot,
    Unavailable,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.square import disputes, refunds
from integrations.providers.square.answers import answers
from integrations.providers.square.errors import decline_of
from integrations.providers.square.money import from_square

STATUSES = frozenset({"APPROVED", "PENDING", "COMPLETED", "CANCELED", "FAILED"})
_ORDER_STATES = frozenset({"DRAFT", "OPEN", "COMPLETED", "CANCELED"})
_WAITING = frozenset({"DRAFT", "OPEN"})
_LONGEST_METHOD = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Payment:
    """Square's objects of one payment. `payments` are those of the order, `refused` such as it does not name.

    `link` is None where there is none (any more); `by_link`: whether it is paid by one. `ids` are ours of it:
    looking.py says what they mean.
    """

    order: Answer
    ids: ProviderIds
    by_link: bool
    link: Answer | None = None
    payments: Sequence[Answer] = ()
    refused: Sequence[Answer] = ()
    refunds: Sequence[Answer] = ()
    disputes: Sequence[Answer] = field(default=())


def snapshot(payment: Payment, *, account: str, mode: Mode) -> PaymentSnapshot:
    """Reduce Square's objects to our words. Raises Unavailable where one is not what the API documents."""
    order, link = payment.order, payment.link
    amount_minor, currency = from_square(order, "total_money")
    status, page_open = _status(payment)
    tried = [*payment.refused, *payment.payments]
    refused = [told for told in tried if answers.text(told, "status") == "FAILED"]
    return PaymentSnapshot(
        provider="square",
        account=account,
        mode=mode,
        reference=_reference(payment),
        ids=payment.ids,
        status=status,
        amount_minor=amount_minor,
        currency=currency,
        page_open=page_open,
        page_url=answers.web_address(link, "url") if link is not None else "",
        decline=decline(refused[-1]) if refused and status is not PaymentStatus.PAID else None,
        captures=tuple(
            capture(told, intent_id=payment.ids.intent_id) for told in payment.payments if is_captured(told)
        ),
        refunds=tuple(refunds.snapshot(told) for told in payment.refunds),
        disputes=tuple(disputes.snapshot(told) for told in payment.disputes),
        tries=tuple(told for each in tried if (told := _try(each)) is not None),
        raw={
            "order": order,
            "payment_link": link,
            "payments": tried,
            "refunds": list(payment.refunds),
            "disputes": list(payment.disputes),
        },
    )


def is_captured(payment: Answer) -> bool:
    """Return whether this payment moved money to us. Raises Unavailable for a status we do not know."""
    status = answers.text(payment, "status")
    if status not in STATUSES:
        raise answers.unreadable(payment, "status")
    return status == "COMPLETED"


def capture(payment: Answer, *, intent_id: str) -> CaptureSnapshot:
    """Read one payment that is_captured(): with its tip, if it has one, since that moved too."""
    amount_minor, currency = from_square(payment, "total_money")
    return CaptureSnapshot(
        capture_id=answers.text(payment, "id"),
        amount_minor=amount_minor,
        currency=currency,
        captured_at=captured_at(payment),
        fee_minor=fee_minor(payment, currency),
        intent_id=intent_id,
    )


def captured_at(payment: Answer) -> datetime:
    """Return when the money moved: of a card, when it was captured, else when the payment was made."""
    details = answers.inner(payment, "card_details") or {}
    timeline = answers.inner(details, "card_payment_timeline") or {}
    return answers.moment_or_none(timeline, "captured_at") or answers.moment(payment, "created_at")


def fee_minor(payment: Answer, currency: str) -> int | None:
    """Return the sum of Square's fees and their adjustments; None while none is told, or in another currency."""
    told = [from_square(fee, "amount_money") for fee in answers.items(payment, "processing_fee")]
    if not told or any(code != currency for _, code in told):
        return None
    return sum(amount for amount, _ in told)


def decline(payment: Answer) -> Decline:
    """Return why a payment FAILED."""
    details = answers.inner(payment, "card_details") or {}
    said = answers.items(details, "errors")
    return decline_of(said[0]) if said else Decline(reason=DeclineReason.UNKNOWN)


def _status(payment: Payment) -> tuple[PaymentStatus, bool]:
    """Return the canonical status, and whether somebody may still pay there."""
    state = answers.text(payment.order, "state")
    if state not in _ORDER_STATES:
        raise answers.unreadable(payment.order, "state")
    captured = [told for told in payment.payments if is_captured(told)]
    told = {answers.text(each, "status") for each in payment.payments}
    if captured:
        return PaymentStatus.PAID, False
    for word, status in (("APPROVED", PaymentStatus.AUTHORIZED), ("PENDING", PaymentStatus.PENDING)):
        if word in told:
            return status, False
    if state == "CANCELED":
        return PaymentStatus.CANCELLED, False
    return PaymentStatus.PENDING, state in _WAITING and (payment.link is not None or not payment.by_link)


def _reference(payment: Payment) -> str:
    """Return our reference. Where Square's objects disagree, return all of them joined, which matches no attempt."""
    found = {answers.text_or_empty(each, "reference_id") for each in (payment.order, *payment.payments)}
    return "|".join(sorted(found - {""}))


def _try(payment: Answer) -> TrySnapshot | None:
    """Read a payment as a try. Only statistics hang on it: one that cannot be read, or is not decided, is none."""
    status = payment.get("status")
    if status not in ("COMPLETED", "APPROVED", "FAILED"):
        return None
    try:
        details = answers.inner(payment, "card_details") or {}
        card = answers.inner(details, "card") or {}
        return TrySnapshot(
            try_id=answers.text(payment, "id"),
            at=answers.moment(payment, "created_at"),
            succeeded=status != "FAILED",
            decline=decline(payment) if status == "FAILED" else None,
            method=answers.text_or_empty(payment, "source_type").lower()[:_LONGEST_METHOD],
            fingerprint=answers.text_or_empty(card, "fingerprint"),
        )
    except Unavailable:
        return None
