"""Captures, authorizations and refunds: the money of an order. https://developer.paypal.com/docs/api/payments/v2/"""

from __future__ import annotations

from integrations.sandbox.objects import Stored
from integrations.sandbox.paypal import errors, events, money
from integrations.sandbox.paypal.schema import Member, Text
from integrations.sandbox.paypal.schema import money as money_member
from integrations.sandbox.paypal.scope import Scope, new_id, shown, written
from integrations.sandbox.wire import Json

REFUND: dict[str, Member] = {
    "amount": money_member(), "custom_id": Text(), "invoice_id": Text(), "note_to_payer": Text(high=255),
}  # fmt: skip
OUTCOMES = ("completed", "pending", "declined", "refused")
#: PayPal refuses refunds this long after the capture, https://developer.paypal.com/docs/checkout/standard/customize/refund/
REFUNDABLE_SECONDS = 180 * 86_400
_FEE_PERMILLE_TENTHS = 299  # 2.99 %
_FEE_FIXED = 39
_PAYABLE = ("COMPLETED", "PARTIALLY_REFUNDED")


def create(scope: Scope, *, order_id: str, unit: Json, outcome: Json, authorization: str = "") -> Stored:
    """Money moves, or waits, or is declined, as `outcome` says."""
    status = {"completed": "COMPLETED", "pending": "PENDING", "declined": "DECLINED"}[outcome["kind"]]
    data: Json = {
        "id": new_id(),
        "status": status,
        "amount": money.money(money.minor(unit["amount"], "/amount"), unit["amount"]["currency_code"]),
        "final_capture": True,
        "seller_protection": {"status": "ELIGIBLE", "dispute_categories": ["ITEM_NOT_RECEIVED"]},
        "create_time": written(scope.now),
        "update_time": written(scope.now),
        **{name: unit[name] for name in ("custom_id", "invoice_id") if name in unit},
    }
    if status == "PENDING":
        data["status_details"] = {"reason": outcome.get("reason", "PENDING_REVIEW")}
    if status == "DECLINED":
        data["processor_response"] = {"response_code": outcome.get("code", "0500")}
    private = {"order": order_id, "authorization": authorization or None, "fee_told": True}
    capture = scope.insert("capture", data, private)
    if status == "COMPLETED":
        _tell_fee(scope, capture)
    _emit(scope, capture, {"COMPLETED": "COMPLETED", "PENDING": "PENDING", "DECLINED": "DECLINED"}[status])
    return capture


def fee_of(amount_minor: int, currency: str) -> int:
    """What PayPal keeps of a payment: 2.99 % rounded, and a fixed part."""
    fixed = _FEE_FIXED if money.exponent(currency) else 40
    return min(amount_minor, (amount_minor * _FEE_PERMILLE_TENTHS + 5_000) // 10_000 + fixed)


def _tell_fee(scope: Scope, capture: Stored) -> None:
    currency = capture.data["amount"]["currency_code"]
    gross = money.minor(capture.data["amount"], "/amount")
    fee = fee_of(gross, currency)
    capture.data["seller_receivable_breakdown"] = {
        "gross_amount": money.money(gross, currency),
        "paypal_fee": money.money(fee, currency),
        "net_amount": money.money(gross - fee, currency),
    }
    scope.save(capture)


def settle(scope: Scope, capture: Stored, *, success: bool) -> None:
    """How a pending capture ends."""
    if capture.data["status"] != "PENDING":
        raise errors.unprocessable("CAPTURE_STATUS_NOT_VALID", "The capture is not pending.")
    capture.data.pop("status_details", None)
    capture.data["status"] = "COMPLETED" if success else "DECLINED"
    scope.save(capture)
    if success:
        _tell_fee(scope, capture)
    _emit(scope, capture, "COMPLETED" if success else "DENIED")


def refund(scope: Scope, capture: Stored, body: Json, *, pending: bool = False) -> Stored:
    """POST /v2/payments/captures/{id}/refund; without an amount, all that is left."""
    if capture.data["status"] not in _PAYABLE:
        issue = "CAPTURE_FULLY_REFUNDED" if capture.data["status"] == "REFUNDED" else "INVALID_RESOURCE_STATE"
        raise errors.unprocessable(issue, "The capture is not in a state in which it can be refunded.")
    if scope.now > capture.data["created"] + REFUNDABLE_SECONDS:
        raise errors.unprocessable("REFUND_TIME_LIMIT_EXCEEDED", "You are over the time limit to refund this capture.")
    currency = capture.data["amount"]["currency_code"]
    left = left_of(scope, capture)
    amount = money.minor(body["amount"], "/amount") if "amount" in body else left
    if "amount" in body and body["amount"]["currency_code"] != currency:
        raise errors.unprocessable("REFUND_CAPTURE_CURRENCY_MISMATCH", "Use the currency of the capture.")
    if amount <= 0:
        raise errors.unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE", "Must be greater than zero.", field="/amount/value")
    if amount > left:
        description = "The refund amount must be less than or equal to the capture amount that has not been refunded."
        raise errors.unprocessable("REFUND_AMOUNT_EXCEEDED", description, field="/amount/value")
    refund = scope.insert(
        "refund",
        {
            "id": new_id(),
            "amount": money.money(amount, currency),
            "status": "PENDING" if pending else "COMPLETED",
            **({"status_details": {"reason": "ECHECK"}} if pending else {}),
            **{name: body[name] for name in ("custom_id", "invoice_id", "note_to_payer") if name in body},
            "seller_payable_breakdown": {
                "gross_amount": money.money(amount, currency),
                "paypal_fee": money.money(0, currency),
                "net_amount": money.money(amount, currency),
                "total_refunded_amount": money.money(amount + _refunded(scope, capture), currency),
            },
            "create_time": written(scope.now),
            "update_time": written(scope.now),
        },
        {"order": capture.private["order"], "capture": capture.id},
    )
    _mark_refunded(scope, capture)
    if not pending:
        events.emit(scope, "PAYMENT.CAPTURE.REFUNDED", show(scope, refund), kind="refund")
    return refund


def move_refund(scope: Scope, refund: Stored, *, status: str) -> Stored:
    """What the bank does to a refund: COMPLETED, FAILED or CANCELLED."""
    refund.data["status"] = status
    refund.data.pop("status_details", None)
    scope.save(refund)
    _mark_refunded(scope, scope.get("capture", refund.private["capture"]))
    name = "PAYMENT.CAPTURE.REFUNDED" if status == "COMPLETED" else "PAYMENT.REFUND.FAILED"
    events.emit(scope, name, show(scope, refund), kind="refund")
    return refund


def reverse(scope: Scope, capture: Stored) -> Stored:
    """PayPal takes the money back by itself: all that is left, as a refund of its own."""
    reversal = refund(scope, capture, {})
    events.emit(scope, "PAYMENT.CAPTURE.REVERSED", show(scope, reversal), kind="refund")
    return reversal


def _refunded(scope: Scope, capture: Stored) -> int:
    made = scope.of("refund", "capture", capture.id)
    return sum(
        money.minor(one.data["amount"], "/amount") for one in made if one.data["status"] in ("COMPLETED", "PENDING")
    )


def left_of(scope: Scope, capture: Stored) -> int:
    """What of a capture has not gone back, in minor units."""
    return money.minor(capture.data["amount"], "/amount") - _refunded(scope, capture)


def _mark_refunded(scope: Scope, capture: Stored) -> None:
    left, whole = left_of(scope, capture), money.minor(capture.data["amount"], "/amount")
    capture.data["status"] = "COMPLETED" if left == whole else "PARTIALLY_REFUNDED" if left else "REFUNDED"
    scope.save(capture)


def authorize(scope: Scope, *, order_id: str, unit: Json) -> Stored:
    """Reserves money for 29 days."""
    data: Json = {
        "id": new_id(),
        "status": "CREATED",
        "amount": money.money(money.minor(unit["amount"], "/amount"), unit["amount"]["currency_code"]),
        "seller_protection": {"status": "ELIGIBLE", "dispute_categories": ["ITEM_NOT_RECEIVED"]},
        "expiration_time": written(scope.now + 29 * 86_400),
        "create_time": written(scope.now),
        "update_time": written(scope.now),
        **{name: unit[name] for name in ("custom_id", "invoice_id") if name in unit},
    }
    authorization = scope.insert("authorization", data, {"order": order_id})
    events.emit(scope, "PAYMENT.AUTHORIZATION.CREATED", show(scope, authorization), kind="authorization")
    return authorization


def capture_authorized(scope: Scope, authorization: Stored) -> Stored:
    """POST /v2/payments/authorizations/{id}/capture: all of it."""
    _check_reserved(authorization, done="AUTHORIZATION_ALREADY_CAPTURED")
    authorization.data["status"] = "CAPTURED"
    scope.save(authorization)
    return create(
        scope, order_id=authorization.private["order"], unit=authorization.data, outcome={"kind": "completed"},
        authorization=authorization.id,
    )  # fmt: skip


def void(scope: Scope, authorization: Stored) -> Stored:
    """POST /v2/payments/authorizations/{id}/void."""
    _check_reserved(authorization, done="PREVIOUSLY_CAPTURED")
    authorization.data["status"] = "VOIDED"
    scope.save(authorization)
    events.emit(scope, "PAYMENT.AUTHORIZATION.VOIDED", show(scope, authorization), kind="authorization")
    return authorization


def _check_reserved(authorization: Stored, *, done: str) -> None:
    status = authorization.data["status"]
    if status == "CAPTURED":
        raise errors.unprocessable(done, "The authorization has been captured.")
    if status != "CREATED":
        raise errors.unprocessable("PREVIOUSLY_VOIDED", "The authorization has been voided.")


def show(scope: Scope, stored: Stored) -> Json:
    """A capture, authorization or refund as PayPal shows it."""
    data, kind = shown(stored), stored.data["kind"]
    own = f"{scope.base_url}/v2/payments/{kind}s/{stored.id}"
    links = [{"href": own, "rel": "self", "method": "GET"}]
    if kind == "capture":
        links.append({"href": f"{own}/refund", "rel": "refund", "method": "POST"})
    if kind == "authorization":
        links.append({"href": f"{own}/capture", "rel": "capture", "method": "POST"})
        links.append({"href": f"{own}/void", "rel": "void", "method": "POST"})
    up = f"v2/payments/captures/{stored.private['capture']}" if kind == "refund" else _order_path(stored)
    links.append({"href": f"{scope.base_url}/{up}", "rel": "up", "method": "GET"})
    return {**data, "links": links}


def alone(scope: Scope, stored: Stored) -> Json:
    """The same on its own, where PayPal adds which order it belongs to."""
    told = show(scope, stored)
    if stored.data["kind"] in ("capture", "authorization"):
        told["supplementary_data"] = {"related_ids": {"order_id": stored.private["order"]}}
    return told


def _order_path(stored: Stored) -> str:
    return f"v2/checkout/orders/{stored.private['order']}"


def _emit(scope: Scope, capture: Stored, what: str) -> None:
    events.emit(scope, f"PAYMENT.CAPTURE.{what}", alone(scope, capture), kind="capture")
