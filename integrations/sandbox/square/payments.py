"""Payments: by token, or on a link's page. https://developer.squareup.com/docs/payments-api/take-payments.

The fee is not told with the payment: it comes as an update of its own, at the end of the step, or
`balance_delay_seconds` later.
"""

from __future__ import annotations

from integrations.sandbox.objects import Stored
from integrations.sandbox.square import cards, errors, events, orders, paging
from integrations.sandbox.square.cards import CHALLENGED, Card
from integrations.sandbox.square.errors import ApiError
from integrations.sandbox.square.schema import Email, Field, Flag, Integer, Moment, Money, Text
from integrations.sandbox.square.scope import Scope, new_id, written
from integrations.sandbox.wire import Json

FEE_TIMER = "square.fee"
FEE_PER_MILLE = 29
FEE_FIXED_MINOR = 30
HELD_SECONDS = 7 * 24 * 3600
TOKEN_LIVES_SECONDS = 24 * 3600
KEY = Text(required=True, limit=45)

CREATE: dict[str, Field] = {
    "source_id": Text(required=True, limit=255),
    "idempotency_key": KEY,
    "amount_money": Money(required=True, low=1),
    "autocomplete": Flag(),
    "delay_duration": Text(limit=20),
    "delay_action": Text(choices=("CANCEL", "COMPLETE")),
    "order_id": Text(limit=192),
    "location_id": Text(limit=50),
    "reference_id": Text(limit=40),
    "verification_token": Text(limit=255),
    "buyer_email_address": Email(limit=255),
    "note": Text(limit=500),
    "statement_description_identifier": Text(limit=20),
}
CANCEL_BY_KEY: dict[str, Field] = {"idempotency_key": KEY}
COMPLETE: dict[str, Field] = {"version_token": Text(limit=255)}
LIST: dict[str, Field] = {
    "begin_time": Moment(),
    "end_time": Moment(),
    "updated_at_begin_time": Moment(),
    "updated_at_end_time": Moment(),
    "sort_field": Text(choices=("CREATED_AT", "UPDATED_AT", "OFFLINE_CREATED_AT")),
    "sort_order": Text(choices=("ASC", "DESC")),
    "cursor": Text(),
    "location_id": Text(limit=50),
    "total": Integer(low=0),
    "limit": Integer(),
}
_SENTENCES = {
    "GENERIC_DECLINE": "Authorization error: 'GENERIC_DECLINE'",
    "INSUFFICIENT_FUNDS": "The funding source has insufficient funds to cover the payment.",
    "CARD_DECLINED_VERIFICATION_REQUIRED": "The payment card was declined with a request for additional verification.",
}


def create(scope: Scope, values: Json, _ids: tuple[str, ...]) -> Json:
    """POST /v2/payments. Raises ApiError, with the failed payment beside it, for a decline."""
    order = _payable_order(scope, values)
    if values.get("location_id", scope.account.location_id) != scope.account.location_id:
        raise errors.not_found("location", values["location_id"])
    if values["amount_money"]["currency"] != scope.account.currency:
        raise errors.refused(
            "This merchant can only process payments in " + scope.account.currency, field="amount_money.currency"
        )
    card = _card_of(scope, values["source_id"])
    payment = charge(
        scope,
        card,
        values["amount_money"]["amount"],
        order=order,
        held=values.get("autocomplete") is False,
        verified=bool(values.get("verification_token")),
        told={
            name: values[name]
            for name in ("reference_id", "buyer_email_address", "note", "delay_action")
            if name in values
        },
        key=values["idempotency_key"],
    )
    if payment.data["status"] == "FAILED":
        raise declined(payment)
    return {"payment": payment.data}


def _payable_order(scope: Scope, values: Json) -> Stored | None:
    """The order that is to be paid, if one is named. Raises ApiError where it cannot be, by this amount."""
    if "order_id" not in values:
        return None
    order = scope.get("order", values["order_id"])
    if order.data["state"] not in ("OPEN", "DRAFT"):
        raise errors.refused(f"Cannot pay an order in state {order.data['state']}.", field="order_id")
    due = order.data["net_amount_due_money"]["amount"]
    if not due:
        raise errors.refused("The order is already paid.", field="order_id")
    if values["amount_money"]["amount"] != due:
        raise errors.refused("The payment total does not match the amount due of the order.", field="amount_money")
    return order


def _card_of(scope: Scope, source_id: str) -> Card:
    """The card behind a token; one from the frame pays once. Raises ApiError."""
    published = cards.of_test_token(source_id)
    if published is not None:
        return published
    token = scope.find(source_id)
    if token is None or token.private["kind"] != "token":
        raise ApiError("Card nonce not found in this `sandbox` application environment.", status=404, code="NOT_FOUND")
    if token.private["used"]:
        raise errors.refused("The card token has already been used.", code="CARD_TOKEN_USED", field="source_id")
    if token.private["created"] + TOKEN_LIVES_SECONDS <= scope.now:
        raise errors.refused("The card token has expired.", code="CARD_TOKEN_EXPIRED", field="source_id")
    token.private["used"] = True
    scope.save(token)
    return Card.of(token.private["card"])


def charge(
    scope: Scope,
    card: Card,
    amount: int,
    *,
    order: Stored | None,
    held: bool = False,
    verified: bool = False,
    told: Json | None = None,
    key: str = "",
    currency: str = "",
) -> Stored:
    """One try to take `amount` minor units from a card: a payment that is COMPLETED, APPROVED (`held`) or FAILED.

    `verified`: the shopper has passed the bank's check; `told`: what of the request the payment shows; `key`: the
    idempotency key, by which it can be cancelled; `currency`: another than the location's (hostile cases).
    """
    outcome = "CARD_DECLINED_VERIFICATION_REQUIRED" if card.outcome == CHALLENGED and not verified else card.outcome
    refused = outcome if outcome != CHALLENGED else ""
    status = "FAILED" if refused else "APPROVED" if held else "COMPLETED"
    payment = scope.insert(
        "payment",
        _payment(scope, card, _money(scope, amount, currency), status=status, refused=refused) | (told or {}),
        private={"location": scope.account.location_id},
        order=order.id if order else None,
        key=key or None,
    )
    if order is not None:
        payment.data["order_id"] = order.id
        scope.save(payment)
    events.emit(scope, "payment.created", "payment", payment.data)
    if refused:
        return payment
    if order is not None:
        orders.add_tender(scope, order, payment)
    if status == "COMPLETED":
        events.emit(scope, "payment.updated", "payment", payment.data)
        _tell_fee_later(scope, payment)
    return payment


def _money(scope: Scope, amount: int, currency: str) -> Json:
    return orders.money(scope, amount) | ({"currency": currency} if currency else {})


def _payment(scope: Scope, card: Card, money: Json, *, status: str, refused: str) -> Json:
    states = {"COMPLETED": "CAPTURED", "APPROVED": "AUTHORIZED", "FAILED": "FAILED"}
    timeline = {} if refused else {"authorized_at": scope.stamp}
    details: Json = {
        "status": states[status],
        "card": card.shown(),
        "entry_method": "KEYED",
        "cvv_status": "CVV_REJECTED" if refused == "CVV_FAILURE" else "CVV_ACCEPTED",
        "avs_status": "AVS_REJECTED" if refused == "ADDRESS_VERIFICATION_FAILURE" else "AVS_ACCEPTED",
        "statement_description": "SQ *SANDBOX SHOP",
        "card_payment_timeline": timeline | ({"captured_at": scope.stamp} if status == "COMPLETED" else {}),
    }
    if refused:
        details["errors"] = [_refusal(refused)]
    payment_id = new_id(29)
    payment: Json = {
        "id": payment_id,
        "created_at": scope.stamp,
        "updated_at": scope.stamp,
        "amount_money": money,
        "total_money": money,
        "status": status,
        "source_type": "CARD",
        "card_details": details,
        "location_id": scope.account.location_id,
        "delay_duration": "PT168H",
        "delay_action": "CANCEL",
        "delayed_until": written(scope.now + HELD_SECONDS),
        "application_details": {
            "square_product": "ECOMMERCE_API",
            "application_id": scope.account.application_id,
        },
        "version_token": new_id(48),
    }
    if not refused:
        payment["approved_money"] = money
    if status == "COMPLETED":
        payment |= _receipt(scope, payment_id)
    return payment


def _receipt(scope: Scope, payment_id: str) -> Json:
    return {"receipt_number": payment_id[:4], "receipt_url": f"{scope.base_url}/receipt/{payment_id}"}


def _refusal(code: str) -> Json:
    return {
        "category": "PAYMENT_METHOD_ERROR",
        "code": code,
        "detail": _SENTENCES.get(code, f"Authorization error: '{code}'"),
    }


def declined(payment: Stored) -> ApiError:
    """The answer to a decline."""
    [said] = payment.data["card_details"]["errors"]
    return ApiError(
        said["detail"], status=402, category=said["category"], code=said["code"], executed=True,
        extra={"payment": payment.data},
    )  # fmt: skip


def _tell_fee_later(scope: Scope, payment: Stored) -> None:
    delay = int(scope.tx.setting("balance_delay_seconds", 0))
    if delay:
        scope.tx.add_timer(at=scope.now + delay, name=FEE_TIMER, object_id=payment.id)
    else:
        scope.deferred.append(lambda: tell_fee(scope, payment.id))


def tell_fee(scope: Scope, payment_id: str) -> None:
    """Writes the fee onto the payment, and tells of it."""
    payment = scope.get("payment", payment_id)
    fee = (payment.data["total_money"]["amount"] * FEE_PER_MILLE + 500) // 1000 + FEE_FIXED_MINOR
    payment.data["processing_fee"] = [
        {"effective_at": scope.stamp, "type": "INITIAL", "amount_money": orders.money(scope, fee)}
    ]
    updated(scope, payment)


def updated(scope: Scope, payment: Stored) -> None:
    """Stores a changed payment and tells of it."""
    payment.data["version_token"] = new_id(48)
    scope.save(payment)
    events.emit(scope, "payment.updated", "payment", payment.data)


def retrieve(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """GET /v2/payments/{id}."""
    return {"payment": scope.get("payment", ids[0]).data}


def listing(scope: Scope, values: Json, _ids: tuple[str, ...]) -> Json:
    """GET /v2/payments."""
    page, cursor = paging.page(
        scope, filtered(scope, "payment", values), values, query={**values, "cursor": None, "limit": None}
    )
    return {"payments": [stored.data for stored in page]} | ({"cursor": cursor} if cursor else {})


def filtered(scope: Scope, kind: str, values: Json) -> list[Stored]:
    """Payments or refunds as a list's query asks for them; what is younger than `list_lag_seconds` is left out."""
    lag = int(scope.tx.setting("list_lag_seconds", 0))
    by_update = values.get("sort_field") == "UPDATED_AT"
    found = []
    for stored in scope.every(kind):
        created = stored.private["created"]
        moved = _seconds(stored.data["updated_at"])
        if (
            created + lag <= scope.now
            and values.get("begin_time", scope.now - 365 * 24 * 3600) <= created <= values.get("end_time", scope.now)
            and values.get("updated_at_begin_time", 0) <= moved <= values.get("updated_at_end_time", 2**60)
            and values.get("location_id", scope.account.location_id) == stored.data["location_id"]
            and ("total" not in values or stored.data["total_money"]["amount"] == values["total"])
        ):
            found.append((moved if by_update else created, stored))
    if by_update:
        found.sort(key=lambda each: each[0], reverse=True)
    if values.get("sort_order") == "ASC":
        found.reverse()
    return [stored for _, stored in found]


def _seconds(stamp: str) -> int:
    return Moment().read(stamp, "updated_at")


def complete(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """POST /v2/payments/{id}/complete."""
    payment = scope.get("payment", ids[0])
    if payment.data["status"] != "APPROVED":
        raise errors.refused(f"Invalid operation for a payment with the state: {payment.data['status']}.")
    payment.data["status"] = "COMPLETED"
    payment.data["card_details"]["status"] = "CAPTURED"
    payment.data["card_details"]["card_payment_timeline"]["captured_at"] = scope.stamp
    payment.data |= _receipt(scope, payment.id)
    updated(scope, payment)
    if order := scope.find(payment.data.get("order_id")):
        orders.settle_tenders(scope, order)
    _tell_fee_later(scope, payment)
    return {"payment": payment.data}


def cancel(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """POST /v2/payments/{id}/cancel."""
    payment = scope.get("payment", ids[0])
    _void(scope, payment)
    return {"payment": payment.data}


def cancel_by_key(scope: Scope, values: Json, _ids: tuple[str, ...]) -> Json:
    """POST /v2/payments/cancel: after an unknown outcome; also where no such payment was made."""
    for payment in scope.linked("payment", "key", values["idempotency_key"]):
        _void(scope, payment)
    return {}


def _void(scope: Scope, payment: Stored) -> None:
    if payment.data["status"] != "APPROVED":
        raise errors.refused(f"Invalid operation for a payment with the state: {payment.data['status']}.")
    payment.data["status"] = "CANCELED"
    payment.data["card_details"]["status"] = "VOIDED"
    payment.data["card_details"]["card_payment_timeline"]["voided_at"] = scope.stamp
    updated(scope, payment)
    if order := scope.find(payment.data.get("order_id")):
        orders.drop_tender(scope, order, payment)
