"""What PayPal says of one payment, as one PaymentSnapshot (PROVIDERS.md, section 4). Pure: no call, no clock."""

from __future__ import annotations

import re
from collections.abc import Sequence

from integrations.contract import (
    CaptureSnapshot,
    Decline,
    Declined,
    Mode,
    NextStep,
    PaymentSnapshot,
    PaymentStatus,
    ProviderIds,
    RefundSnapshot,
    TrySnapshot,
)
from integrations.providers.answer_reading import Answer
from integrations.providers.paypal import disputes
from integrations.providers.paypal.answers import answers, mode_of
from integrations.providers.paypal.errors import decline_of

UNIT = "default"
"""The name of our one purchase unit, by which a change addresses it."""
CLOSED = "Closed by the shop: nothing will be taken"
"""The description of an order that we have closed."""

MOVED = frozenset({"COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED"})
_REFUSED = frozenset({"DECLINED", "FAILED"})
_OPEN = frozenset({"CREATED", "SAVED", "PAYER_ACTION_REQUIRED", "APPROVED"})
_KNOWN = _OPEN | {"COMPLETED", "VOIDED"}
_CAPTURE_STATES = MOVED | _REFUSED | {"PENDING"}
# Somebody at PayPal looks at the payment before the money moves.
_REVIEWS = frozenset({"PENDING_REVIEW", "VERIFICATION_REQUIRED"})
_REFUND_STATUS = {"PENDING": "pending", "COMPLETED": "succeeded", "FAILED": "failed", "CANCELLED": "failed"}
_CAPTURE_IN_PATH = re.compile(r"/v2/payments/captures/([A-Za-z0-9_-]{1,60})$")
_LONGEST_METHOD = 40


def snapshot(order: Answer, *, disputed: Sequence[Answer], account: str, ours: Mode) -> PaymentSnapshot:
    """Reduce PayPal's objects to our words. Raises Unavailable where one is not what the API documents."""
    unit = unit_of(order)
    payments = answers.inner(unit, "payments")
    made = answers.items(payments, "captures")
    reference = answers.text_or_empty(unit, "custom_id")
    amount_minor, currency = answers.money(unit, "amount")
    status, next_step = _status(order, made, answers.items(payments, "authorizations"))
    waits_for_payer = status in (PaymentStatus.PENDING, PaymentStatus.REQUIRES_ACTION) and not next_step
    page_open = waits_for_payer and not made and answers.text(order, "status") in _OPEN
    refused = [one for one in made if answers.text(one, "status") in _REFUSED]
    captures = tuple(capture(one) for one in made if answers.text(one, "status") in MOVED)
    only = captures[0].capture_id if len(made) == 1 and captures else ""
    given_back = answers.items(payments, "refunds")
    return PaymentSnapshot(
        provider="paypal",
        account=account,
        mode=mode_of(order, ours=ours),
        reference=reference,
        ids=ProviderIds(page_id=answers.text(order, "id")),
        status=status,
        amount_minor=amount_minor,
        currency=currency,
        page_open=page_open,
        page_url=answers.link(order, "payer-action") if page_open else "",
        decline=decline_of(refused[-1]) if refused else None,
        captures=captures,
        refunds=tuple(refund(one, of=only, unless=reference) for one in given_back),
        disputes=tuple(disputes.snapshot(one) for one in disputed),
        in_review=status is PaymentStatus.PENDING and any(_in_review(one) for one in made),
        next_step=next_step,
        tries=tuple(_try(one, _method(order)) for one in made if answers.text(one, "status") != "PENDING"),
        raw={"order": order, "disputes": list(disputed)},
    )


def unit_of(order: Answer) -> Answer:
    """Return our one purchase unit. Raises Unavailable where there is another number of them."""
    units = answers.items(order, "purchase_units")
    if len(units) != 1:
        raise answers.unreadable(order, "purchase_units")
    return units[0]


def account_of(order: Answer) -> str:
    """Return the account that is paid, empty where the answer does not tell it."""
    return answers.text_or_empty(answers.inner(unit_of(order), "payee"), "merchant_id")


def is_closed(order: Answer) -> bool:
    """Return whether we have closed this order."""
    return unit_of(order).get("description") == CLOSED


def raise_if_declined(order: Answer) -> None:
    """Raise Declined where every capture of the order was refused: PayPal answers 201 to that, too."""
    made = answers.items(answers.inner(unit_of(order), "payments"), "captures")
    if made and all(answers.text(one, "status") in _REFUSED for one in made):
        decline: Decline = decline_of(made[-1])
        raise Declined(f"declined: {decline.provider_code or 'no code'}", decline=decline, http_status=201)


def _status(order: Answer, made: Sequence[Answer], reserved: Sequence[Answer]) -> tuple[PaymentStatus, NextStep]:
    """Return the canonical status, and what is ours to do. A capture says more than its order."""
    status = answers.text(order, "status")
    if status not in _KNOWN:
        raise answers.unreadable(order, "status")
    states = [answers.text(one, "status") for one in made]
    if unknown := set(states) - _CAPTURE_STATES:
        raise answers.unreadable(order, f"capture status ({len(unknown)} unknown)")
    if MOVED & set(states):
        return PaymentStatus.PAID, NextStep.NONE
    if "PENDING" in states:
        return PaymentStatus.PENDING, NextStep.NONE
    if states:
        return PaymentStatus.FAILED, NextStep.NONE
    held = {answers.text(one, "status") for one in reserved}
    if "CREATED" in held:
        return PaymentStatus.AUTHORIZED, NextStep.NONE
    if held == {"VOIDED"}:
        return PaymentStatus.CANCELLED, NextStep.NONE
    return _status_of_order(order, status)


def _status_of_order(order: Answer, status: str) -> tuple[PaymentStatus, NextStep]:
    if status == "VOIDED" or (status in _OPEN and is_closed(order)):
        return PaymentStatus.CANCELLED, NextStep.NONE
    if status == "APPROVED":
        return PaymentStatus.PENDING, NextStep.CAPTURE
    # Before the payer has come, the same status only says where to send them.
    if status == "PAYER_ACTION_REQUIRED" and order.get("payer"):
        return PaymentStatus.REQUIRES_ACTION, NextStep.NONE
    return PaymentStatus.PENDING, NextStep.NONE


def _in_review(capture: Answer) -> bool:
    reason = answers.text_or_empty(answers.inner(capture, "status_details"), "reason")
    return capture.get("status") == "PENDING" and reason in _REVIEWS


def capture(told: Answer) -> CaptureSnapshot:
    """Read one capture that moved money. Raises Unavailable where it is not what the API documents."""
    amount_minor, currency = answers.money(told, "amount")
    breakdown = answers.inner(told, "seller_receivable_breakdown")
    fee_minor = None
    if breakdown.get("paypal_fee") is not None:
        fee, fee_currency = answers.money(breakdown, "paypal_fee")
        # Where PayPal converts what we receive, the fee may be in another currency: then it is none of this capture's.
        fee_minor = fee if fee_currency == currency else None
    return CaptureSnapshot(
        capture_id=answers.text(told, "id"),
        amount_minor=amount_minor,
        currency=currency,
        captured_at=answers.moment(told, "create_time"),
        fee_minor=fee_minor,
    )


def refund(told: Answer, *, of: str = "", unless: str = "") -> RefundSnapshot:
    """Read one refund. `of`: its capture where the refund's own link does not tell. `unless`: the payment's reference,
    which PayPal copies onto a refund that was made on its pages; that is no reference of a refund of ours.
    """
    amount_minor, currency = answers.money(told, "amount")
    status = _REFUND_STATUS.get(answers.text(told, "status"))
    if status is None:
        raise answers.unreadable(told, "status")
    capture_id = capture_of(told) or of
    if not capture_id:
        raise answers.unreadable(told, "links")
    reference = answers.text_or_empty(told, "custom_id")
    reason = answers.text_or_empty(answers.inner(told, "status_details"), "reason")
    return RefundSnapshot(
        refund_id=answers.text(told, "id"),
        capture_id=capture_id,
        amount_minor=amount_minor,
        currency=currency,
        status=status,
        reference="" if reference == unless else reference,
        created_at=answers.moment_or_none(told, "create_time"),
        failure_reason=(reason or answers.text(told, "status")) if status == "failed" else "",
    )


def capture_of(refund: Answer) -> str:
    """Return the capture that a refund's link `up` names, empty where it names none."""
    match = _CAPTURE_IN_PATH.search(answers.link(refund, "up"))
    return match[1] if match else ""


def _try(capture: Answer, method: str) -> TrySnapshot:
    refused = capture.get("status") in _REFUSED
    return TrySnapshot(
        try_id=answers.text(capture, "id"),
        at=answers.moment(capture, "create_time"),
        succeeded=not refused,
        decline=decline_of(capture) if refused else None,
        method=method,
    )


def _method(order: Answer) -> str:
    return next(iter(answers.inner(order, "payment_source")), "")[:_LONGEST_METHOD]
