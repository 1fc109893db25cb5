"""Orders: created by the shop, approved by the payer, captured or authorized by the shop.

https://developer.paypal.com/docs/api/orders/v2/. Approval moves no money.
"""

from __future__ import annotations

from integrations.sandbox.objects import Stored
from integrations.sandbox.paypal import captures, errors, events, money
from integrations.sandbox.paypal.schema import Group, Items, Member, Text, Url
from integrations.sandbox.paypal.schema import money as money_member
from integrations.sandbox.paypal.scope import Scope, new_id, shown, written
from integrations.sandbox.wire import Json

_PARTS = ("item_total", "shipping", "handling", "tax_total", "insurance", "shipping_discount", "discount")
_LESS = ("shipping_discount", "discount")

_AMOUNT: dict[str, Member] = {
    "currency_code": Text(required=True, low=3, high=3), "value": Text(required=True, high=32),
    "breakdown": Group({name: money_member() for name in _PARTS}),
}  # fmt: skip
_ITEM: dict[str, Member] = {
    "name": Text(required=True), "quantity": Text(required=True, high=10, shape="[0-9]{1,10}"),
    "unit_amount": money_member(required=True), "tax": money_member(), "description": Text(high=2048), "sku": Text(),
    "category": Text(high=20, choices=("DIGITAL_GOODS", "PHYSICAL_GOODS", "DONATION")),
}  # fmt: skip
_UNIT: dict[str, Member] = {
    "reference_id": Text(high=256), "amount": Group(_AMOUNT, required=True), "description": Text(),
    "custom_id": Text(), "invoice_id": Text(), "soft_descriptor": Text(high=22), "items": Items(Group(_ITEM)),
}  # fmt: skip
_CONTEXT: dict[str, Member] = {
    "brand_name": Text(), "locale": Text(low=2, high=10), "return_url": Url(), "cancel_url": Url(),
    "shipping_preference": Text(high=24, choices=("GET_FROM_FILE", "NO_SHIPPING", "SET_PROVIDED_ADDRESS")),
    "landing_page": Text(high=13, choices=("LOGIN", "GUEST_CHECKOUT", "NO_PREFERENCE")),
    "user_action": Text(high=8, choices=("CONTINUE", "PAY_NOW")),
    "payment_method_preference": Text(high=255, choices=("UNRESTRICTED", "IMMEDIATE_PAYMENT_REQUIRED")),
}  # fmt: skip
_PAYPAL: dict[str, Member] = {"experience_context": Group(_CONTEXT), "email_address": Text(high=254)}
CREATE: dict[str, Member] = {
    "intent": Text(required=True, choices=("CAPTURE", "AUTHORIZE")),
    "purchase_units": Items(Group(_UNIT), required=True, high=1),
    "payment_source": Group({"paypal": Group(_PAYPAL, required=True)}),
}  # fmt: skip
PATCH: dict[str, Member] = {
    "op": Text(required=True, choices=("add", "remove", "replace")),
    "path": Text(required=True, high=200),
    "value": Text(),
}
_PATCHABLE = ("custom_id", "description", "invoice_id", "soft_descriptor")
_PATCH_PREFIX = "/purchase_units/@reference_id=='{reference}'/"

OPEN = ("CREATED", "PAYER_ACTION_REQUIRED")
PAYER_ID = "SANDBXPAYER22"


def create(scope: Scope, body: Json) -> Stored:
    """POST /v2/checkout/orders."""
    unit = body["purchase_units"][0]
    _check_amounts(unit)
    wallet = (body.get("payment_source") or {}).get("paypal")
    return scope.insert(
        "order",
        {
            "id": new_id(),
            "intent": body["intent"],
            "status": "CREATED" if wallet is None else "PAYER_ACTION_REQUIRED",
            **({} if wallet is None else {"payment_source": {"paypal": {}}}),
            "purchase_units": [
                {
                    "reference_id": "default",
                    **unit,
                    "payee": {"email_address": "owner@shop.example", "merchant_id": scope.account},
                }
            ],
            "create_time": written(scope.now),
            "update_time": written(scope.now),
        },
        {"context": (wallet or {}).get("experience_context", {}), "outcome": {"kind": "completed"}},
    )


def _check_amounts(unit: Json) -> None:
    field = "/purchase_units/@reference_id=='default'/amount"
    amount = unit["amount"]
    total = money.minor(amount, field)
    if total <= 0:
        raise errors.unprocessable("CANNOT_BE_ZERO_OR_NEGATIVE", "Must be greater than zero.", field=f"{field}/value")
    breakdown = amount.get("breakdown")
    if breakdown is None:
        if unit.get("items"):
            raise errors.unprocessable("ITEM_TOTAL_REQUIRED", "If item details are specified, item_total is required.")
        return
    parts = {name: _in(amount["currency_code"], part, f"{field}/breakdown/{name}") for name, part in breakdown.items()}
    if total != sum(-value if name in _LESS else value for name, value in parts.items()):
        description = "Should equal item_total + tax_total + shipping + handling + insurance - discounts."
        raise errors.unprocessable("AMOUNT_MISMATCH", description, field=f"{field}/value")
    items = unit.get("items", [])
    listed = sum(_in(amount["currency_code"], item["unit_amount"], field) * int(item["quantity"]) for item in items)
    if items and listed != parts.get("item_total"):
        description = "Should equal sum of (unit_amount * quantity) across all items."
        raise errors.unprocessable("ITEM_TOTAL_MISMATCH", description, field=f"{field}/breakdown/item_total")


def _in(currency: str, part: Json, field: str) -> int:
    if part["currency_code"] != currency:
        raise errors.unprocessable("MULTI_CURRENCY_ORDER", "Multiple differing values of currency_code.", field=field)
    return money.minor(part, field)


def patch(scope: Scope, order: Stored, operations: list[Json]) -> None:
    """PATCH /v2/checkout/orders/{id}."""
    if order.data["status"] in ("COMPLETED", "VOIDED"):
        raise errors.unprocessable("ORDER_ALREADY_COMPLETED", "The order cannot be patched after it is completed.")
    unit = order.data["purchase_units"][0]
    prefix = _PATCH_PREFIX.format(reference=unit["reference_id"])
    for operation in operations:
        name = operation["path"].removeprefix(prefix)
        if not operation["path"].startswith(prefix) or name not in _PATCHABLE:
            raise errors.unprocessable("NOT_PATCHABLE", "Cannot be patched.", field=operation["path"])
        if operation["op"] == "remove":
            unit.pop(name, None)
        elif not operation.get("value"):
            raise errors.unprocessable("PATCH_VALUE_REQUIRED", "Please specify a 'value' for the patch operation.")
        else:
            unit[name] = operation["value"]
    scope.save(order)


def approve(scope: Scope, order: Stored, *, outcome: Json) -> None:
    """What the payer's press of *Pay* does: no money moves. `outcome`: what the capture will come to."""
    if order.data["status"] not in (*OPEN, "APPROVED"):
        raise errors.unprocessable("PAYMENT_ALREADY_APPROVED", "The payer cannot approve this order any more.")
    order.data["status"] = "APPROVED"
    order.data["payer"] = payer()
    order.data["payment_source"] = {
        "paypal": {
            "email_address": "payer@example.com",
            "account_id": PAYER_ID,
            "account_status": "VERIFIED",
            "name": {"given_name": "Pat", "surname": "Payer"},
            "address": {"country_code": "DE"},
        }
    }
    order.private["outcome"] = outcome
    scope.save(order)
    events.emit(scope, "CHECKOUT.ORDER.APPROVED", show(scope, order), kind="checkout-order")


def payer() -> Json:
    """Who approves here."""
    return {
        "email_address": "payer@example.com",
        "payer_id": PAYER_ID,
        "name": {"given_name": "Pat", "surname": "Payer"},
        "address": {"country_code": "DE"},
    }


def reverse_approval(scope: Scope, order: Stored) -> None:
    """PayPal takes an approval back when nobody captures it in time."""
    order.data["status"] = "VOIDED"
    scope.save(order)
    events.emit(
        scope,
        "CHECKOUT.PAYMENT-APPROVAL.REVERSED",
        {"order_id": order.id, "purchase_units": show(scope, order)["purchase_units"]},
        kind="payment-approval",
    )


def capture(scope: Scope, order: Stored) -> Stored:
    """POST /v2/checkout/orders/{id}/capture: moves the money that the payer approved."""
    _check_approved(order, intent="CAPTURE")
    unit = order.data["purchase_units"][0]
    outcome = order.private["outcome"]
    if outcome["kind"] == "refused":
        raise errors.unprocessable(outcome.get("issue") or "INSTRUMENT_DECLINED", outcome.get("description", ""))
    order.data["status"] = "COMPLETED"
    scope.save(order)
    captures.create(scope, order_id=order.id, unit=unit, outcome=outcome)
    return order


def authorize(scope: Scope, order: Stored) -> Stored:
    """POST /v2/checkout/orders/{id}/authorize: reserves the money that the payer approved."""
    _check_approved(order, intent="AUTHORIZE")
    order.data["status"] = "COMPLETED"
    scope.save(order)
    captures.authorize(scope, order_id=order.id, unit=order.data["purchase_units"][0])
    return order


def _check_approved(order: Stored, *, intent: str) -> None:
    status = order.data["status"]
    if order.data["intent"] != intent:
        raise errors.unprocessable("ACTION_DOES_NOT_MATCH_INTENT", "The action does not match the order's intent.")
    if status == "COMPLETED":
        issue = "ORDER_ALREADY_CAPTURED" if intent == "CAPTURE" else "ORDER_ALREADY_AUTHORIZED"
        raise errors.unprocessable(issue, "Order already captured. If 'intent=CAPTURE' only one capture is allowed.")
    if status == "VOIDED":
        raise errors.unprocessable("ORDER_EXPIRED", "The order has expired.")
    if status != "APPROVED":
        description = "Payer has not yet approved the Order for payment. Please redirect the payer."
        raise errors.unprocessable("ORDER_NOT_APPROVED", description)


def show(scope: Scope, order: Stored) -> Json:
    """The order with its payments, as GET /v2/checkout/orders/{id} answers."""
    data = shown(order)
    payments = {
        "authorizations": [captures.show(scope, one) for one in scope.of("authorization", "order", order.id)],
        "captures": [captures.show(scope, one) for one in scope.of("capture", "order", order.id)],
        "refunds": [captures.show(scope, one) for one in scope.of("refund", "order", order.id)],
    }
    told = {name: found for name, found in payments.items() if found}
    if told:
        data["purchase_units"] = [{**data["purchase_units"][0], "payments": told}]
    return {**data, "links": links(scope, order)}


def minimal(scope: Scope, order: Stored) -> Json:
    """What is answered without `Prefer: return=representation`."""
    return {"id": order.id, "status": order.data["status"], "links": links(scope, order)}


def links(scope: Scope, order: Stored) -> list[Json]:
    """Where to go from here."""
    own = f"{order.data.get('host', scope.base_url)}/v2/checkout/orders/{order.id}"
    found = [{"href": own, "rel": "self", "method": "GET"}]
    page = {"href": f"{scope.base_url}/checkoutnow?token={order.id}", "method": "GET"}
    match order.data["status"]:
        case "PAYER_ACTION_REQUIRED":
            found.append({**page, "rel": "payer-action"})
        case "CREATED":
            found += [{**page, "rel": "approve"}, {"href": own, "rel": "update", "method": "PATCH"}]
        case "APPROVED":
            step = "capture" if order.data["intent"] == "CAPTURE" else "authorize"
            found += [
                {"href": own, "rel": "update", "method": "PATCH"},
                {"href": f"{own}/{step}", "rel": step, "method": "POST"},
            ]
    return found
