"""The life of a PaymentIntent: confirm, challenge, settle, capture, cancel. Each step emits Stripe's events in its
order.
"""

from __future__ import annotations

from integrations.sandbox.objects import Stored
from integrations.sandbox.stripe import cards, charges, disputes, errors, events, payment_methods, present
from integrations.sandbox.stripe.cards import Decline
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.wire import Json

CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = (*CONFIRMABLE, "requires_capture", "processing")


def create(
    scope: Scope,
    *,
    amount: int,
    currency: str,
    metadata: Json,
    payment_method_types: list[str],
    options: Json,
    automatic: Json | None = None,
) -> Stored:
    """Stores an intent over `amount` minor units and emits `payment_intent.created`. `options` are Stripe's optional
    fields.
    """
    intent_id = new_id("pi")
    data: Json = {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": options.get("capture_method", "automatic_async"),
        "client_secret": f"{intent_id}_secret_{new_id('x')[2:]}",
        "confirmation_method": "automatic",
        "created": scope.now,
        "currency": currency,
        "customer": None,
        "description": options.get("description"),
        **payment_methods.filters_of(options),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": dict(metadata),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": _method_options(payment_method_types, options),
        "payment_method_types": payment_method_types,
        "processing": None,
        "receipt_email": options.get("receipt_email"),
        "review": None,
        "setup_future_usage": options.get("setup_future_usage"),
        "shipping": None,
        "source": None,
        "statement_descriptor": options.get("statement_descriptor"),
        "statement_descriptor_suffix": options.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    intent = scope.insert(data)
    events.emit(scope, "payment_intent.created", intent)
    return intent


def _method_options(payment_method_types: list[str], options: Json) -> Json:
    shown: Json = {kind: {} for kind in payment_method_types if kind != "card"}
    if "card" in payment_method_types:
        shown["card"] = {
            "installments": None,
            "mandate_options": None,
            "network": None,
            "request_three_d_secure": options.get("request_three_d_secure", "automatic"),
        }
    return shown


def confirm(scope: Scope, intent: Stored, method: Stored, *, return_url: str | None = None) -> Decline | None:
    """Tries to pay with a payment method: succeeds, asks for 3-D Secure, goes processing, or returns why it was
    declined.
    """
    intent.data |= {"payment_method": method.id, "next_action": None, "last_payment_error": None}
    if payment_methods.is_debit(method):
        _start_debit(scope, intent, method)
        return None
    behaviour = payment_methods.behaviour_of(method)
    asked = intent.data["payment_method_options"].get("card", {}).get("request_three_d_secure", "automatic")
    if behaviour.challenge == "required" or (behaviour.challenge == "supported" and asked in ("any", "challenge")):
        _ask_for_action(scope, intent, return_url)
        return None
    return _charge(scope, intent, method, authenticated=False)


def _ask_for_action(scope: Scope, intent: Stored, return_url: str | None) -> None:
    url = f"{scope.base_url}/3ds/{intent.id}"
    intent.data |= {
        "status": "requires_action",
        "next_action": {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}},
    }
    scope.save(intent)
    events.emit(scope, "payment_intent.requires_action", intent)


def authenticate(scope: Scope, intent: Stored, *, success: bool) -> Decline | None:
    """Ends the 3-D Secure challenge of an intent in `requires_action`. Raises ApiError when there is none."""
    if intent.data["status"] != "requires_action":
        raise errors.unexpected_state(
            f"This PaymentIntent has a status of {intent.data['status']} and waits for no authentication.",
            code="payment_intent_unexpected_state",
        )
    method = scope.get("payment_method", intent.data["payment_method"])
    intent.data["next_action"] = None
    if success:
        return _charge(scope, intent, method, authenticated=True)
    _record_decline(scope, intent, method, cards.AUTHENTICATION_FAILED, charge=None)
    return cards.AUTHENTICATION_FAILED


def _charge(scope: Scope, intent: Stored, method: Stored, *, authenticated: bool) -> Decline | None:
    behaviour = payment_methods.behaviour_of(method)
    if behaviour.decline is not None:
        charge = charges.create(
            scope,
            intent,
            method,
            status="failed",
            captured=False,
            decline=behaviour.decline,
            authenticated=authenticated,
        )
        events.emit(scope, "charge.failed", charge)
        _record_decline(scope, intent, method, behaviour.decline, charge=charge)
        return behaviour.decline
    manual = intent.data["capture_method"] == "manual"
    charge = charges.create(scope, intent, method, status="succeeded", captured=not manual, authenticated=authenticated)
    events.emit(scope, "charge.succeeded", charge)
    intent.data["latest_charge"] = charge.id
    if manual:
        intent.data |= {"status": "requires_capture", "amount_capturable": intent.data["amount"]}
        scope.save(intent)
        events.emit(scope, "payment_intent.amount_capturable_updated", intent)
    else:
        succeed(scope, intent, charge)
    return None


def succeed(scope: Scope, intent: Stored, charge: Stored) -> None:
    """Moves the intent to `succeeded` over a captured charge; its balance entry follows.

    The dispute that a test card brings is there, and told, before the intent's own event.
    """
    disputes.open_if_card_says_so(scope, charge)
    intent.data |= {
        "status": "succeeded",
        "amount_received": intent.data["amount_received"] + charge.data["amount_captured"],
        "amount_capturable": 0,
        "latest_charge": charge.id,
        "last_payment_error": None,
        "next_action": None,
        "processing": None,
    }
    scope.save(intent)
    events.emit(scope, "payment_intent.succeeded", intent)
    charges.post_to_balance_later(scope, charge)


def _record_decline(scope: Scope, intent: Stored, method: Stored, decline: Decline, *, charge: Stored | None) -> None:
    if charge is not None:
        intent.data["latest_charge"] = charge.id
    intent.data |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "next_action": None,
        "processing": None,
        "last_payment_error": decline_error(scope, decline, method, charge),
    }
    scope.save(intent)
    events.emit(scope, "payment_intent.payment_failed", intent)


def decline_error(scope: Scope, decline: Decline, method: Stored, charge: Stored | None) -> Json:
    """Stripe's error hash for a decline, as in `last_payment_error` and in a 402."""
    error: Json = {
        "code": decline.code,
        "doc_url": f"https://stripe.com/docs/error-codes/{decline.code.replace('_', '-')}",
        "message": decline.message,
        "payment_method": present.show(scope, method),
        "type": "card_error" if method.data["type"] == "card" else "invalid_request_error",
    }
    if decline.code.startswith("payment_intent_"):
        error["type"] = "invalid_request_error"
    if decline.decline_code:
        error["decline_code"] = decline.decline_code
    if decline.advice_code:
        error["advice_code"] = decline.advice_code
    if charge is not None:
        error |= {"charge": charge.id, "network_decline_code": decline.network_decline_code}
    if decline.param:
        error["param"] = decline.param
    return error


def _start_debit(scope: Scope, intent: Stored, method: Stored) -> None:
    charge = charges.create(scope, intent, method, status="pending", captured=True)
    intent.data |= {"status": "processing", "latest_charge": charge.id}
    scope.save(intent)
    events.emit(scope, "payment_intent.processing", intent)
    events.emit(scope, "charge.pending", charge)


def settle_debit(scope: Scope, intent: Stored, *, success: bool) -> None:
    """The bank's answer to a debit in `processing`. Raises ApiError when there is none."""
    if intent.data["status"] != "processing":
        raise errors.unexpected_state(
            f"This PaymentIntent has a status of {intent.data['status']}: no debit is under way.",
            code="payment_intent_unexpected_state",
        )
    charge = scope.get("charge", intent.data["latest_charge"])
    if success:
        charge.data |= {"status": "succeeded", "paid": True, "amount_captured": charge.data["amount"]}
        scope.save(charge)
        events.emit(scope, "charge.succeeded", charge)
        succeed(scope, intent, charge)
        return
    decline = cards.DEBIT_RETURNED
    charge.data |= {
        "status": "failed",
        "captured": False,
        "failure_code": decline.code,
        "failure_message": decline.message,
    }
    scope.save(charge)
    events.emit(scope, "charge.failed", charge)
    _record_decline(scope, intent, scope.get("payment_method", charge.data["payment_method"]), decline, charge=charge)


def capture(scope: Scope, intent: Stored, *, amount: int | None) -> None:
    """Takes all or part of an authorised amount (minor units); the rest is let go. Raises ApiError."""
    status = intent.data["status"]
    if status != "requires_capture":
        raise errors.unexpected_state(
            f"This PaymentIntent could not be captured because it has a status of {status}. Only a"
            " PaymentIntent with one of"
            " the following statuses may be captured: requires_capture.",
            code="payment_intent_unexpected_state",
        )
    capturable = intent.data["amount_capturable"]
    amount = capturable if amount is None else amount
    if amount > capturable:
        raise errors.unexpected_state(
            f"The amount to capture ({amount}) is greater than the capturable amount ({capturable}).",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = scope.get("charge", intent.data["latest_charge"])
    charge.data |= {"captured": True, "amount_captured": amount}
    scope.save(charge)
    events.emit(scope, "charge.captured", charge)
    succeed(scope, intent, charge)


def cancel(scope: Scope, intent: Stored, *, reason: str | None) -> None:
    """Ends an unpaid intent and lets an authorisation go. Raises ApiError when its state forbids it.

    An authorisation that is let go leaves its charge as it is and makes no Refund, since API version 2025-03-31.basil:
    https://docs.stripe.com/changelog/basil/2025-03-31/remove-refund-from-partial-capture-and-payment-cancellation-flow
    """
    status = intent.data["status"]
    if status not in CANCELABLE or (status == "processing"):
        raise errors.unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {status}. Only a"
            " PaymentIntent with one of the"
            " following statuses may be canceled: requires_payment_method, requires_capture,"
            " requires_confirmation,"
            " requires_action.",
            code="payment_intent_unexpected_state",
        )
    intent.data |= {
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": scope.now,
        "cancellation_reason": reason,
        "next_action": None,
    }
    scope.save(intent)
    events.emit(scope, "payment_intent.canceled", intent)
