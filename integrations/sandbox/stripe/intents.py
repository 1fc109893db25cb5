"""PaymentIntents by API: create, confirm, capture, cancel. The hosted page works below this, in `payments`."""

from __future__ import annotations

from collections.abc import Sequence

from integrations.sandbox.objects import Stored
from integrations.sandbox.stripe import currencies, errors, payment_methods, payments, present
from integrations.sandbox.stripe.errors import ApiError
from integrations.sandbox.stripe.schema import (
    EXPAND,
    Currency,
    Email,
    Field,
    Flag,
    Hash,
    Integer,
    Metadata,
    Text,
    Url,
)  # fmt: skip
from integrations.sandbox.stripe.scope import Scope
from integrations.sandbox.wire import Json

_CARD_OPTIONS: dict[str, Field] = {
    "card": Hash({"request_three_d_secure": Text(choices=("any", "automatic", "challenge"))})
}
_SHARED: dict[str, Field] = {
    "payment_method": Text(), "return_url": Url(), "off_session": Flag(), "receipt_email": Email(),
    "capture_method": Text(choices=("automatic", "automatic_async", "manual")),
    "setup_future_usage": Text(choices=("off_session", "on_session")),
    "payment_method_options": Hash(_CARD_OPTIONS), **EXPAND,
}  # fmt: skip
CREATE: dict[str, Field] = {
    "amount": Integer(required=True, low=1), "currency": Currency(required=True), "confirm": Flag(),
    "automatic_payment_methods": Hash({
        "enabled": Flag(required=True), "allow_redirects": Text(choices=("always", "never"))}),
    "metadata": Metadata(), "description": Text(limit=1000), **payment_methods.FILTERS,
    "statement_descriptor": Text(limit=22), "statement_descriptor_suffix": Text(limit=22), **_SHARED,
}  # fmt: skip
CONFIRM = _SHARED
CANCEL: dict[str, Field] = {
    "cancellation_reason": Text(choices=("abandoned", "duplicate", "fraudulent", "requested_by_customer")),
    **EXPAND,
}  # fmt: skip
CAPTURE: dict[str, Field] = {"amount_to_capture": Integer(low=1), "metadata": Metadata(), **EXPAND}


def create(scope: Scope, params: Json, _ids: Sequence[str]) -> Stored | ApiError:
    """POST /v1/payment_intents, with `confirm` also the first try to pay. A decline is returned, its effects stay."""
    amount, currency = params["amount"], params["currency"]
    currencies.check_charge(amount, currency, param="amount")
    intent = payments.create(
        scope,
        amount=amount,
        currency=currency,
        metadata=params.get("metadata", {}),
        automatic=_automatic(params),
        payment_method_types=payment_methods.offered(currency, params),
        options=params | params.get("payment_method_options", {}).get("card", {}),
    )
    if params.get("confirm"):
        return _confirm(scope, intent, params)
    if "payment_method" in params:
        method = payment_methods.from_token(scope, params["payment_method"])
        intent.data |= {"payment_method": method.id, "status": "requires_confirmation"}
        scope.save(intent)
    return intent


def _automatic(params: Json) -> Json | None:
    asked = params.get("automatic_payment_methods")
    if "allowed_payment_method_types" in params:
        if asked is not None:
            raise errors.invalid(
                "allowed_payment_method_types",
                "You may only specify one of allowed_payment_method_types and automatic_payment_methods.",
            )
        return None
    return {"allow_redirects": (asked or {}).get("allow_redirects", "always"), "enabled": True}


def confirm(scope: Scope, params: Json, ids: Sequence[str]) -> Stored | ApiError:
    """POST /v1/payment_intents/{id}/confirm."""
    intent = scope.get("payment_intent", ids[0], param="intent")
    status = intent.data["status"]
    if status not in payments.CONFIRMABLE:
        raise errors.unexpected_state(
            f"You cannot confirm this PaymentIntent because it has a status of {status}.",
            code="payment_intent_unexpected_state",
        )
    if "capture_method" in params:
        intent.data["capture_method"] = params["capture_method"]
    return _confirm(scope, intent, params)


def _confirm(scope: Scope, intent: Stored, params: Json) -> Stored | ApiError:
    token = params.get("payment_method") or intent.data["payment_method"]
    if token is None:
        raise errors.ApiError(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
        )
    method = payment_methods.from_token(scope, token)
    automatic = intent.data["automatic_payment_methods"] or {}
    redirects = automatic.get("allow_redirects") == "always" and not params.get("off_session")
    if redirects and "return_url" not in params:
        raise errors.ApiError(
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because"
            " some of these"
            " payment methods might redirect your customer off of your page, you must provide a"
            " `return_url`.",
            param="return_url",
        )
    if "card" in params.get("payment_method_options", {}):
        intent.data["payment_method_options"].setdefault("card", {}).update(params["payment_method_options"]["card"])
    decline = payments.confirm(scope, intent, method, return_url=params.get("return_url"))
    if decline is None:
        return intent
    error = dict(intent.data["last_payment_error"])
    message, kind = error.pop("message"), error.pop("type")
    return ApiError(
        message,
        status=402,
        kind=kind,
        executed=True,
        extra=error | {"payment_intent": present.show(scope, intent)},
    )


def capture(scope: Scope, params: Json, ids: Sequence[str]) -> Stored:
    """POST /v1/payment_intents/{id}/capture."""
    intent = scope.get("payment_intent", ids[0], param="intent")
    intent.data["metadata"] |= params.get("metadata", {})
    payments.capture(scope, intent, amount=params.get("amount_to_capture"))
    session = scope.find(intent.private.get("session"))
    if session is not None:
        session.data["payment_status"] = "paid"
        scope.save(session)
    return intent


def cancel(scope: Scope, params: Json, ids: Sequence[str]) -> Stored:
    """POST /v1/payment_intents/{id}/cancel. An intent of an open Checkout Session ends with its session only."""
    intent = scope.get("payment_intent", ids[0], param="intent")
    session = scope.find(intent.private.get("session"))
    if session is not None and session.data["status"] == "open":
        raise errors.unexpected_state(
            "You cannot cancel a PaymentIntent that belongs to an open Checkout Session. Expire the"
            " Checkout Session instead.",
            code="payment_intent_unexpected_state",
        )
    payments.cancel(scope, intent, reason=params.get("cancellation_reason"))
    return intent
