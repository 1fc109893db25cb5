"""Checkout Sessions: created by the shop, paid on the hosted page, completed or expired here."""

from __future__ import annotations

from integrations.sandbox.objects import Stored
from integrations.sandbox.stripe import cards, currencies, embedded, errors, events, payment_methods, payments
from integrations.sandbox.stripe.cards import Decline
from integrations.sandbox.stripe.payment_methods import CardDetails
from integrations.sandbox.stripe.schema import (
    EXPAND,
    Currency,
    Email,
    Field,
    Flag,
    Hash,
    Integer,
    Items,
    Metadata,
    Text,
    Url,
)  # fmt: skip
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.wire import Json

SHORTEST_LIFE_SECONDS = 30 * 60
LONGEST_LIFE_SECONDS = 24 * 3600
EXPIRY_TIMER = "session_expiry"
#: The clock moves between the shop's computation and our check, so the shortest life has a little room.
EXPIRY_SLACK_SECONDS = 60

_PRODUCT_DATA: dict[str, Field] = {
    "name": Text(required=True, limit=250), "description": Text(limit=5000), "images": Items(Url(), most=8),
    "metadata": Metadata(), "tax_code": Text(), "unit_label": Text(limit=12),
}  # fmt: skip
_PRICE_DATA: dict[str, Field] = {
    "currency": Currency(required=True), "unit_amount": Integer(required=True, low=0,
    high=currencies.MAXIMUM),
    "product_data": Hash(_PRODUCT_DATA, required=True),
    "tax_behavior": Text(choices=("exclusive", "inclusive", "unspecified")),
}  # fmt: skip
_LINE_ITEM: dict[str, Field] = {
    "price_data": Hash(_PRICE_DATA), "price": Text(), "quantity": Integer(low=1, high=999_999),
    "metadata": Metadata(),
}  # fmt: skip
_INTENT_DATA: dict[str, Field] = {
    "capture_method": Text(choices=("automatic", "automatic_async", "manual")),
    "description": Text(limit=1000),
    "metadata": Metadata(), "receipt_email": Email(), "statement_descriptor": Text(limit=22),
    "statement_descriptor_suffix": Text(limit=22),
    "setup_future_usage": Text(choices=("off_session", "on_session")),
}  # fmt: skip
_SWITCH: dict[str, Field] = {"enabled": Flag(required=True)}
CREATE: dict[str, Field] = {
    "mode": Text(required=True, choices=("payment", "setup", "subscription")),
    "line_items": Items(Hash(_LINE_ITEM), required=True),
    "success_url": Url(), "cancel_url": Url(), "return_url": Url(), "client_reference_id": Text(limit=200),
    "customer_email": Email(), "customer_creation": Text(choices=("always", "if_required")),
    "currency": Currency(), "expires_at": Integer(), "metadata": Metadata(),
    "payment_intent_data": Hash(_INTENT_DATA),
    "payment_method_options": Hash({"card": Hash({
        "request_three_d_secure": Text(choices=("any", "automatic", "challenge"))})}),
    "locale": Text(limit=10), "submit_type": Text(choices=("auto", "book", "donate", "pay", "subscribe")),
    "ui_mode": Text(choices=("elements", "embedded_page", "form", "hosted_page")),
    "billing_address_collection": Text(choices=("auto", "required")), "allow_promotion_codes": Flag(),
    "adaptive_pricing": Hash(_SWITCH), "automatic_tax": Hash(_SWITCH),
    "phone_number_collection": Hash(_SWITCH),
    "origin_context": Text(choices=("mobile_app", "web")), **payment_methods.FILTERS, **EXPAND,
}  # fmt: skip


def create(scope: Scope, params: Json) -> Stored:
    """POST /v1/checkout/sessions. Raises ApiError for what Stripe refuses, and says what the sandbox does not model."""
    _refuse_unmodelled(params)
    embedded.mode_of(params)
    session_id = new_id("cs_test", 58)
    items, currency, total = _line_items(scope, params)
    currencies.check_charge(total, currency, param="line_items")
    expires_at = _expires_at(scope, params)
    data = _fields(scope, session_id, params) | embedded.fields(session_id, params) | {
        "amount_subtotal": total, "amount_total": total, "currency": currency, "expires_at": expires_at,
        "payment_method_types": payment_methods.offered(currency, params), **payment_methods.filters_of(params),
    }  # fmt: skip
    options = dict(params.get("payment_intent_data", {}))
    card_options = params.get("payment_method_options", {}).get("card", {})
    data["payment_method_options"] = {"card": card_options} if card_options else {}
    session = scope.insert(data, private={"line_items": items, "intent_options": options | card_options, "pressed": {}})
    scope.tx.add_timer(at=expires_at, name=EXPIRY_TIMER, object_id=session_id)
    return session


def _refuse_unmodelled(params: Json) -> None:
    if params["mode"] != "payment":
        raise errors.invalid("mode", f"The sandbox models `payment` sessions only, not `{params['mode']}`.")


def _line_items(scope: Scope, params: Json) -> tuple[list[Json], str, int]:
    items: list[Json] = []
    wanted = params.get("currency")
    for index, line in enumerate(params["line_items"]):
        name = f"line_items[{index}]"
        if "price" in line:
            raise errors.no_such("price", line["price"], param=f"{name}[price]")
        if "price_data" not in line:
            raise errors.missing(f"{name}[price_data]")
        if "quantity" not in line:
            raise errors.missing(f"{name}[quantity]")
        price = line["price_data"]
        wanted = wanted or price["currency"]
        if price["currency"] != wanted:
            raise errors.invalid("line_items", "You can not combine line items that have different currencies.")
        currencies.check_granularity(price["unit_amount"], wanted, param=f"{name}[price_data][unit_amount]")
        items.append(_line_item(scope, line))
    if not items or wanted is None:
        raise errors.missing("line_items")
    return items, wanted, sum(item["amount_total"] for item in items)


def _line_item(scope: Scope, line: Json) -> Json:
    price, product = line["price_data"], line["price_data"]["product_data"]
    total = price["unit_amount"] * line["quantity"]
    return {
        "id": new_id("li"),
        "object": "item",
        "amount_discount": 0,
        "amount_subtotal": total,
        "amount_tax": 0,
        "amount_total": total,
        "currency": price["currency"],
        "description": product["name"],
        "metadata": line.get("metadata", {}),
        "price": {
            "id": new_id("price"),
            "object": "price",
            "active": False,
            "billing_scheme": "per_unit",
            "created": scope.now,
            "currency": price["currency"],
            "custom_unit_amount": None,
            "livemode": False,
            "lookup_key": None,
            "metadata": {},
            "nickname": None,
            "product": new_id("prod", 14),
            "recurring": None,
            "tax_behavior": price.get("tax_behavior", "unspecified"),
            "tiers_mode": None,
            "transform_quantity": None,
            "type": "one_time",
            "unit_amount": price["unit_amount"],
            "unit_amount_decimal": str(price["unit_amount"]),
        },
        "quantity": line["quantity"],
    }


def _expires_at(scope: Scope, params: Json) -> int:
    expires_at: int = params.get("expires_at", scope.now + LONGEST_LIFE_SECONDS)
    life = expires_at - scope.now
    if life < SHORTEST_LIFE_SECONDS - EXPIRY_SLACK_SECONDS:
        raise errors.invalid(
            "expires_at",
            "The `expires_at` timestamp must be at least 30 minutes from Checkout Session creation.",
        )
    if life > LONGEST_LIFE_SECONDS + EXPIRY_SLACK_SECONDS:
        raise errors.invalid(
            "expires_at",
            "The `expires_at` timestamp must be less than 24 hours from Checkout Session creation.",
        )
    return expires_at


def _fields(scope: Scope, session_id: str, params: Json) -> Json:
    email = params.get("customer_email")
    return {
        "id": session_id,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": params.get("adaptive_pricing", {}).get("enabled", False)},
        "after_expiration": None,
        "allow_promotion_codes": params.get("allow_promotion_codes"),
        "amount_subtotal": None,
        "amount_total": None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": params.get("billing_address_collection"),
        "cancel_url": params.get("cancel_url"),
        "client_reference_id": params.get("client_reference_id"),
        "client_secret": None,  # nosec B105
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": scope.now,
        "currency": None,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": {
            "after_submit": None,
            "shipping_address": None,
            "submit": None,
            "terms_of_service_acceptance": None,
        },
        "customer": None,
        "customer_creation": params.get("customer_creation", "if_required"),
        "customer_details": _customer_details(email) if email else None,
        "customer_email": email,
        "discounts": [],
        "expires_at": None,
        "invoice": None,
        "invoice_creation": None,
        "livemode": False,
        "locale": params.get("locale"),
        "metadata": params.get("metadata", {}),
        "mode": "payment",
        "origin_context": params.get("origin_context"),
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": [],
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": params.get("submit_type"),
        "subscription": None,
        "success_url": params.get("success_url"),
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": None,
        "wallet_options": None,
    }


def _customer_details(email: str | None) -> Json:
    return {
        "address": None,
        "business_name": None,
        "email": email,
        "individual_name": None,
        "name": None,
        "phone": None,
        "tax_exempt": "none",
        "tax_ids": None,
    }


def require_open(session: Stored) -> None:
    """Raises ApiError when the session can no longer be paid."""
    if session.data["status"] != "open":
        raise errors.unexpected_state(f"This Checkout Session is {session.data['status']} and cannot be paid.")


def intent_of(scope: Scope, session: Stored) -> Stored:
    """The session's intent; made now if this is the first press of the pay button, as Stripe does."""
    intent = scope.find(session.data["payment_intent"])
    if intent is not None:
        return intent
    options = session.private["intent_options"]
    intent = payments.create(
        scope,
        amount=session.data["amount_total"],
        currency=session.data["currency"],
        metadata=options.get("metadata", {}),
        payment_method_types=session.data["payment_method_types"],
        options=options,
    )
    intent.private["session"] = session.id
    scope.save(intent)
    session.data["payment_intent"] = intent.id
    scope.save(session)
    return intent


def pay_by_card(
    scope: Scope, session: Stored, *, card: CardDetails, behaviour: cards.Behaviour, email: str
) -> Decline | None:
    """One press of *Pay* with a card. Returns why it was declined; a decline leaves the session open."""
    method = payment_methods.from_card(scope, card, behaviour, email=email)
    return _pay(scope, session, method, email=email)


def pay_by_debit(scope: Scope, session: Stored, *, email: str) -> None:
    """One press of *Pay by bank debit*: the session completes unpaid, the money comes or fails later."""
    method = payment_methods.from_debit(scope, currency=session.data["currency"], email=email)
    _pay(scope, session, method, email=email)


def _pay(scope: Scope, session: Stored, method: Stored, *, email: str) -> Decline | None:
    require_open(session)
    intent = intent_of(scope, session)
    session.data["customer_details"] = _customer_details(email)
    scope.save(session)
    decline = payments.confirm(scope, intent, method, return_url=f"{scope.base_url}/c/pay/{session.id}")
    after_step(scope, session, intent)
    return decline


def authenticate(scope: Scope, session: Stored, *, success: bool) -> Decline | None:
    """Ends the 3-D Secure challenge of an open session's intent."""
    require_open(session)
    intent = intent_of(scope, session)
    decline = payments.authenticate(scope, intent, success=success)
    after_step(scope, session, intent)
    return decline


def after_step(scope: Scope, session: Stored, intent: Stored) -> None:
    """Completes the session when its intent has got somewhere: paid, authorised, or a debit under way."""
    status = intent.data["status"]
    if status not in ("succeeded", "processing", "requires_capture"):
        return
    session.data |= {"status": "complete", "payment_status": "paid" if status == "succeeded" else "unpaid"}
    scope.save(session)
    events.emit(scope, "checkout.session.completed", session)


def settle_debit(scope: Scope, session: Stored, *, success: bool) -> None:
    """The bank's answer to the session's debit, with the session's own event after the intent's."""
    payments.settle_debit(scope, intent_of(scope, session), success=success)
    if success:
        session.data["payment_status"] = "paid"
        scope.save(session)
        events.emit(scope, "checkout.session.async_payment_succeeded", session)
    else:
        events.emit(scope, "checkout.session.async_payment_failed", session)


def expire(scope: Scope, session: Stored) -> Stored:
    """POST /v1/checkout/sessions/{id}/expire, and what the clock does. Raises ApiError unless the session is open."""
    status = session.data["status"]
    if status != "open":
        raise errors.unexpected_state(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a'
            " status of"
            f" {status}."
        )
    session.data["status"] = "expired"
    scope.save(session)
    events.emit(scope, "checkout.session.expired", session)
    intent = scope.find(session.data["payment_intent"])
    if intent is not None and intent.data["status"] in payments.CONFIRMABLE:
        payments.cancel(scope, intent, reason="expired")
    return session


def expire_by_clock(scope: Scope, session_id: str) -> None:
    """Called when a session's time is up; does nothing to one that was paid or expired before."""
    session = scope.find(session_id)
    if session is not None and session.data["status"] == "open":
        expire(scope, session)
