"""Refunds. https://developer.squareup.com/docs/refunds-api/overview. PENDING until the bank has decided.

At the end of its step a refund completes by itself, unless `hold` was asked for through the control API.
"""

from __future__ import annotations

from integrations.sandbox.objects import Stored
from integrations.sandbox.square import errors, events, orders, paging, payments
from integrations.sandbox.square.errors import ApiError
from integrations.sandbox.square.schema import Field, Money, Text
from integrations.sandbox.square.scope import Scope, new_id
from integrations.sandbox.wire import Json

HOLD_SETTING = "square_hold_refunds"
STATUSES = ("PENDING", "COMPLETED", "REJECTED", "FAILED")
MOVES = {"PENDING": ("COMPLETED", "REJECTED", "FAILED"), "COMPLETED": ("FAILED",)}
CREATE: dict[str, Field] = {
    "idempotency_key": payments.KEY,
    "amount_money": Money(required=True, low=1),
    "payment_id": Text(required=True, limit=192),
    "reason": Text(limit=192),
    "payment_version_token": Text(limit=255),
}
LIST: dict[str, Field] = {
    **{name: field for name, field in payments.LIST.items() if name != "total"},
    "status": Text(choices=STATUSES),
    "source_type": Text(),
    "sort_field": Text(choices=("CREATED_AT", "UPDATED_AT")),
}


def create(scope: Scope, values: Json, _ids: tuple[str, ...]) -> Json:
    """POST /v2/refunds. Raises ApiError for more than is left of the payment."""
    payment = scope.get("payment", values["payment_id"])
    return {"refund": make(scope, payment, values["amount_money"], reason=values.get("reason", "")).data}


def make(scope: Scope, payment: Stored, money: Json, *, reason: str) -> Stored:
    """A refund of a completed payment."""
    if payment.data["status"] != "COMPLETED":
        raise _refused(f"The payment is {payment.data['status']}: it cannot be refunded.", "PAYMENT_NOT_REFUNDABLE")
    if money["currency"] != payment.data["total_money"]["currency"]:
        raise errors.refused("The currency is not the payment's.", field="amount_money.currency")
    if any(dispute.data["state"] != "WON" for dispute in scope.linked("dispute", "payment", payment.id)):
        raise _refused("The payment is disputed.", "PAYMENT_NOT_REFUNDABLE_DUE_TO_DISPUTE")
    if money["amount"] > left_of(scope, payment):
        raise _refused("The requested refund amount exceeds the amount available to refund.", "REFUND_AMOUNT_INVALID")
    refund = scope.insert(
        "refund",
        {
            "id": f"{payment.id}_{new_id(29)}",
            "status": "PENDING",
            "location_id": payment.data["location_id"],
            "amount_money": money,
            "payment_id": payment.id,
            # The refund's own order, of the return; never the one that was paid.
            "order_id": new_id(29),
            "created_at": scope.stamp,
            "updated_at": scope.stamp,
            **({"reason": reason} if reason else {}),
        },
        payment=payment.id,
    )
    payment.data["refund_ids"] = [*payment.data.get("refund_ids", []), refund.id]
    _sum_up(scope, payment)
    events.emit(scope, "refund.created", "refund", refund.data)
    payments.updated(scope, payment)
    if not scope.tx.setting(HOLD_SETTING, False):
        scope.deferred.append(lambda: _complete(scope, refund.id))
    return refund


def _refused(detail: str, code: str) -> ApiError:
    return errors.refused(detail, code=code, category="REFUND_ERROR")


def left_of(scope: Scope, payment: Stored) -> int:
    """What of a payment has not gone back, in minor units; what is on its way counts as gone."""
    made = scope.linked("refund", "payment", payment.id)
    gone = sum(r.data["amount_money"]["amount"] for r in made if r.data["status"] in ("PENDING", "COMPLETED"))
    return int(payment.data["total_money"]["amount"] - gone)


def _complete(scope: Scope, refund_id: str) -> None:
    refund = scope.get("refund", refund_id)
    if refund.data["status"] == "PENDING":
        move(scope, refund, status="COMPLETED")


def move(scope: Scope, refund: Stored, *, status: str) -> Stored:
    """What the bank, or the control API, does to a refund. Raises ApiError for a step that MOVES does not know."""
    current = refund.data["status"]
    if status not in MOVES.get(current, ()):
        raise errors.refused(f"Refund {refund.id} is {current}: it cannot become {status}.")
    refund.data["status"] = status
    if status == "COMPLETED":
        refund.data["processing_fee"] = []
    scope.save(refund)
    events.emit(scope, "refund.updated", "refund", refund.data)
    payment = scope.get("payment", refund.data["payment_id"])
    _sum_up(scope, payment)
    payments.updated(scope, payment)
    return refund


def _sum_up(scope: Scope, payment: Stored) -> None:
    payment.data["refunded_money"] = orders.money(
        scope, payment.data["total_money"]["amount"] - left_of(scope, payment)
    )


def retrieve(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """GET /v2/refunds/{id}."""
    return {"refund": scope.get("refund", ids[0]).data}


def listing(scope: Scope, values: Json, _ids: tuple[str, ...]) -> Json:
    """GET /v2/refunds."""
    found = [
        stored
        for stored in payments.filtered(scope, "refund", values)
        if values.get("status", stored.data["status"]) == stored.data["status"]
        and values.get("source_type", "CARD") == "CARD"
    ]
    page, cursor = paging.page(scope, found, values, query={**values, "cursor": None, "limit": None})
    return {"refunds": [stored.data for stored in page]} | ({"cursor": cursor} if cursor else {})
