"""Payment links: an order and a page that pays it. https://developer.squareup.com/docs/checkout-api.

A link does not expire. Deleting it cancels its order, if nothing was paid of it.
"""

from __future__ import annotations

from integrations.sandbox.objects import Stored
from integrations.sandbox.square import cards, errors, orders, payments
from integrations.sandbox.square.schema import Email, Field, Flag, Money, Object, Text, Url
from integrations.sandbox.square.scope import Scope, capital_id
from integrations.sandbox.wire import Json

OPTIONS: dict[str, Field] = {
    "allow_tipping": Flag(),
    "redirect_url": Url(),
    "merchant_support_email": Text(limit=256),
    "ask_for_shipping_address": Flag(),
    "enable_coupon": Flag(),
    "enable_loyalty": Flag(),
    "accepted_payment_methods": Object(
        {"apple_pay": Flag(), "google_pay": Flag(), "cash_app_pay": Flag(), "afterpay_clearpay": Flag()}
    ),
}
CREATE: dict[str, Field] = {
    "idempotency_key": Text(limit=192),
    "description": Text(limit=4096),
    "quick_pay": Object(
        {
            "name": Text(required=True, limit=255),
            "price_money": Money(required=True, low=1),
            "location_id": Text(required=True, limit=192),
        }
    ),
    "order": Object(orders.NEW),
    "checkout_options": Object(OPTIONS),
    "pre_populated_data": Object({"buyer_email": Email()}),
    "payment_note": Text(limit=500),
}


def create(scope: Scope, values: Json, _ids: tuple[str, ...]) -> Json:
    """POST /v2/online-checkout/payment-links."""
    if ("quick_pay" in values) == ("order" in values):
        raise errors.invalid("order", "Exactly one of `order` and `quick_pay` must be given.", code="BAD_REQUEST")
    order = orders.make(scope, values["order"] if "order" in values else _of_quick_pay(values), state="DRAFT")
    if order.data["total_money"]["amount"] < 1:
        raise errors.invalid("order", "The order has nothing to pay.", code="BAD_REQUEST")
    link_id = capital_id(16)
    link = scope.insert(
        "payment_link",
        {
            "id": link_id,
            "version": 1,
            **{name: values[name] for name in ("description", "checkout_options", "payment_note") if name in values},
            **({"pre_populated_data": values["pre_populated_data"]} if "pre_populated_data" in values else {}),
            "order_id": order.id,
            "url": f"{scope.base_url}/pay/{link_id}",
            "long_url": f"{scope.base_url}/pay/{link_id}?src=sheet",
            "created_at": scope.stamp,
        },
        private={"pressed": {}},
    )
    order.private["of_link"] = link.id
    scope.save(order)
    return {"payment_link": link.data, "related_resources": {"orders": [order.data]}}


def _of_quick_pay(values: Json) -> Json:
    quick = values["quick_pay"]
    line = {"name": quick["name"], "quantity": "1", "base_price_money": quick["price_money"]}
    return {"location_id": quick["location_id"], "line_items": [line]}


def retrieve(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """GET /v2/online-checkout/payment-links/{id}."""
    return {"payment_link": _there(scope, ids[0]).data}


def delete(scope: Scope, _values: Json, ids: tuple[str, ...]) -> Json:
    """DELETE /v2/online-checkout/payment-links/{id}."""
    link = _there(scope, ids[0])
    link.private["deleted"] = True
    scope.save(link)
    order = scope.get("order", link.data["order_id"])
    if order.data.get("tenders") or order.data["state"] == "CANCELED":
        return {"id": link.id}
    orders.cancel(scope, order)
    return {"id": link.id, "cancelled_order_id": order.id}


def _there(scope: Scope, link_id: str) -> Stored:
    link = scope.get("payment_link", link_id)
    if link.private.get("deleted"):
        raise errors.not_found("payment link", link_id)
    return link


def pay(
    scope: Scope,
    link: Stored,
    card: cards.Card,
    *,
    verified: bool = False,
    amount: int | None = None,
    currency: str = "",
) -> Stored:
    """One press of *Pay* on the link's page; returns the payment, which may have FAILED.

    Nobody keeps a second browser from pressing too: that is a second payment of the same order. `amount` in minor units
    and `currency` replace what the order asks for (hostile cases).
    """
    order = scope.get("order", link.data["order_id"])
    asked = order.data["total_money"]["amount"] if amount is None else amount
    told = {"note": link.data["payment_note"]} if "payment_note" in link.data else {}
    email = link.data.get("pre_populated_data", {}).get("buyer_email")
    told |= {"buyer_email_address": email} if email else {}
    return payments.charge(scope, card, asked, order=order, verified=verified, told=told, currency=currency)


def returns_to(scope: Scope, link: Stored, payment: Stored) -> str:
    """Where the browser goes after paying; Square adds its own parameters, empty where no URL was given."""
    url = str(link.data.get("checkout_options", {}).get("redirect_url", ""))
    if not url:
        return ""
    mark = "&" if "?" in url else "?"
    return f"{url}{mark}checkoutId={link.id}&orderId={link.data['order_id']}&transactionId={payment.id}"
