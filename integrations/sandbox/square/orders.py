"""Orders: what is to be paid, and the tenders that paid it. https://developer.squareup.com/docs/orders-api/what-it-does.

Only what the shop sends is modelled: line items with a base price, no tax, discount, tip or delivery.
"""

from __future__ import annotations

from typing import Any

from integrations.sandbox.objects import Stored
from integrations.sandbox.square import errors, events
from integrations.sandbox.square.schema import Field, Integer, Items, Metadata, Money, Object, Text
from integrations.sandbox.square.scope import Scope, new_id
from integrations.sandbox.wire import Json

KEY = Text(limit=192)

LINE: dict[str, Field] = {
    "name": Text(limit=512),
    "quantity": Text(required=True, limit=12),
    "base_price_money": Money(required=True),
    "note": Text(limit=2000),
}
NEW: dict[str, Field] = {
    "location_id": Text(required=True, limit=192),
    "reference_id": Text(limit=40),
    "line_items": Items(Object(LINE)),
    "metadata": Metadata(),
    "ticket_name": Text(limit=30),
}
CREATE: dict[str, Field] = {"idempotency_key": KEY, "order": Object(NEW, required=True)}
UPDATE: dict[str, Field] = {
    "idempotency_key": KEY,
    "order": Object(
        {
            "location_id": Text(limit=192),
            "version": Integer(required=True),
            "state": Text(choices=("OPEN", "COMPLETED", "CANCELED", "DRAFT")),
            "reference_id": Text(limit=40),
            "metadata": Metadata(),
        },
        required=True,
    ),
}


def create(scope: Scope, values: Json, _ids: tuple[str, ...]) -> Json:
    """POST /v2/orders."""
    return {"order": make(scope, values["order"], state="OPEN").data}


def make(scope: Scope, asked: Json, *, state: str) -> Stored:
    """A new order of this location; a link's is a DRAFT until it is paid."""
    if asked["location_id"] != scope.account.location_id:
        raise errors.invalid("order.location_id", "The location is not one of this merchant's.", code="NOT_FOUND")
    lines = [_line(scope, line, position) for position, line in enumerate(asked.get("line_items", []))]
    total = money(scope, sum(line["total_money"]["amount"] for line in lines))
    nothing = money(scope, 0)
    order: Json = {
        "id": new_id(29),
        "location_id": asked["location_id"],
        **{name: asked[name] for name in ("reference_id", "metadata", "ticket_name") if name in asked},
        "source": {"name": "Sandbox Shop"},
        "line_items": lines,
        "created_at": scope.stamp,
        "updated_at": scope.stamp,
        "state": state,
        "version": 1,
        "total_money": total,
        "total_tax_money": nothing,
        "total_discount_money": nothing,
        "total_tip_money": nothing,
        "total_service_charge_money": nothing,
        "net_amounts": {
            "total_money": total,
            "tax_money": nothing,
            "discount_money": nothing,
            "tip_money": nothing,
            "service_charge_money": nothing,
        },
        "net_amount_due_money": total,
    }
    stored = scope.insert("order", order)
    _emit(scope, stored, "order.created")
    return stored


def money(scope: Scope, amount: int) -> Json:
    """An amount of the location's currency."""
    return {"amount": amount, "currency": scope.account.currency}


def _line(scope: Scope, line: Json, position: int) -> Json:
    name = f"order.line_items[{position}]"
    quantity = line["quantity"]
    if not quantity.isascii() or not quantity.isdigit() or not 0 < int(quantity) <= 100_000:
        raise errors.invalid(f"{name}.quantity", "Quantity must be a whole number above 0.")
    price: Any = line["base_price_money"]
    if price["currency"] != scope.account.currency:
        raise errors.invalid(f"{name}.base_price_money.currency", "The currency is not the location's.")
    total = money(scope, price["amount"] * int(quantity))
    nothing = money(scope, 0)
    return {
        "uid": new_id(22),
        **line,
        "item_type": "ITEM",
        "variation_total_price_money": total,
        "gross_sales_money": total,
        "total_tax_money": nothing,
        "total_discount_money": nothing,
        "total_service_charge_money": nothing,
        "total_money": total,
    }


def retrieve(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """GET /v2/orders/{id}."""
    return {"order": scope.get("order", ids[0]).data}


def update(scope: Scope, values: Json, ids: tuple[str, ...]) -> Json:
    """PUT /v2/orders/{id}: a sparse order; `version` must be the present one."""
    stored = scope.get("order", ids[0])
    asked = values["order"]
    if asked["version"] != stored.data["version"]:
        raise errors.refused("Supplied version does not match the current one.", code="VERSION_MISMATCH")
    if stored.data["state"] in ("COMPLETED", "CANCELED"):
        raise errors.refused("The order is in a terminal state and can no longer be changed.")
    state = asked.get("state")
    if state == "CANCELED":
        cancel(scope, stored)
    elif state == "COMPLETED" and stored.data["net_amount_due_money"]["amount"]:
        raise errors.refused("Order cannot be completed: it is not paid in full.")
    else:
        stored.data |= {name: asked[name] for name in ("state", "reference_id", "metadata") if name in asked}
        changed(scope, stored)
    return {"order": stored.data}


def cancel(scope: Scope, order: Stored) -> None:
    """Ends an order that nothing was paid of. Raises ApiError for another."""
    if order.data.get("tenders"):
        raise errors.refused("Order cannot be canceled: it has payments.")
    order.data |= {"state": "CANCELED", "closed_at": scope.stamp}
    changed(scope, order)


def changed(scope: Scope, order: Stored) -> None:
    """Counts the version up and tells of it."""
    order.data["version"] += 1
    scope.save(order)
    _emit(scope, order, "order.updated")


def add_tender(scope: Scope, order: Stored, payment: Stored) -> None:
    """Notes a payment on its order. An order of ours completes with it; a link's goes on as OPEN, to be delivered."""
    tender = {
        "id": payment.id,
        "location_id": order.data["location_id"],
        "transaction_id": order.id,
        "created_at": scope.stamp,
        "amount_money": payment.data["total_money"],
        "type": "CARD",
        "card_details": {
            "status": payment.data["card_details"]["status"],
            "card": payment.data["card_details"]["card"],
            "entry_method": payment.data["card_details"]["entry_method"],
        },
        "payment_id": payment.id,
    }
    order.data["tenders"] = [*order.data.get("tenders", []), tender]
    settle_tenders(scope, order)


def drop_tender(scope: Scope, order: Stored, payment: Stored) -> None:
    """Takes a voided payment off its order."""
    order.data["tenders"] = [tender for tender in order.data.get("tenders", []) if tender["id"] != payment.id]
    settle_tenders(scope, order)


def settle_tenders(scope: Scope, order: Stored) -> None:
    """Brings the order's state and what is due in line with its completed payments."""
    payments = [scope.get("payment", tender["id"]) for tender in order.data.get("tenders", [])]
    taken = sum(p.data["total_money"]["amount"] for p in payments if p.data["status"] == "COMPLETED")
    due = max(0, order.data["total_money"]["amount"] - taken)
    order.data["net_amount_due_money"] = money(scope, due)
    if order.data["state"] == "DRAFT" and payments:
        order.data["state"] = "OPEN"
    elif order.data["state"] == "OPEN" and not due and not order.private.get("of_link"):
        order.data |= {"state": "COMPLETED", "closed_at": scope.stamp}
    changed(scope, order)


def _emit(scope: Scope, order: Stored, event_type: str) -> None:
    name = event_type.replace(".", "_")
    told = {"order_id": order.id, "location_id": order.data["location_id"], "state": order.data["state"],
            "version": order.data["version"], "created_at": order.data["created_at"]}  # fmt: skip
    if event_type == "order.updated":
        told["updated_at"] = order.data["updated_at"]
    events.record(scope, {"type": event_type, "data": {"type": name, "id": order.id, "object": {name: told}}})
