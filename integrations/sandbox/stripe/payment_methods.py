"""PaymentMethod objects made from what a shopper typed, or from Stripe's `pm_card_…` test tokens. No full number is
kept.
"""

from __future__ import annotations

from dataclasses import dataclass

from integrations.sandbox.objects import Stored
from integrations.sandbox.stripe import cards, errors
from integrations.sandbox.stripe.schema import Field, Items, Text
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.wire import Json

_TOKEN_ALIASES = {"pm_card_chargeDeclinedCvc": "chargeDeclinedIncorrectCvc"}
#: Which bank debit settles later, by currency.
DEBIT_BY_CURRENCY = {"eur": "sepa_debit", "gbp": "bacs_debit", "usd": "us_bank_account"}


#: The two ways to narrow what is offered; `payment_method_types` can no longer be sent since 2026-09-30.endive.
FILTERS: dict[str, Field] = {
    "allowed_payment_method_types": Items(Text(limit=50)),
    "excluded_payment_method_types": Items(Text(limit=50)),
}


@dataclass(frozen=True)
class CardDetails:
    """A card as typed. The number lives only as long as the request."""

    number: str
    exp_month: int
    exp_year: int


def billing_details(*, email: str | None, name: str | None = None) -> Json:
    """Stripe's billing hash with what we know."""
    address = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
    return {"address": address, "email": email, "name": name, "phone": None, "tax_id": None}


def offered(currency: str, params: Json) -> list[str]:
    """The types of payment method that a payment in this currency may use: cards and one bank debit, filtered.

    Names in the filters that do not apply are passed over, as at Stripe. Raises ApiError when nothing is left.
    """
    allowed, excluded = (params.get(name) for name in FILTERS)
    if allowed is not None and excluded is not None:
        raise errors.invalid(
            "allowed_payment_method_types", f"You may only specify one of these parameters: {', '.join(FILTERS)}."
        )
    dynamic = ["card", DEBIT_BY_CURRENCY.get(currency, "us_bank_account")]
    left = [kind for kind in dynamic if (allowed is None or kind in allowed) and kind not in (excluded or [])]
    if not left:
        raise errors.invalid(
            "allowed_payment_method_types" if allowed is not None else "excluded_payment_method_types",
            "No valid payment method types are left for this payment.",
        )
    return left


def filters_of(params: Json) -> Json:
    """The filters as objects show them."""
    return {name: params.get(name) for name in FILTERS}


def _insert(scope: Scope, *, kind: str, details: Json, email: str | None, private: Json) -> Stored:
    data: Json = {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "limited",
        "billing_details": billing_details(email=email),
        "created": scope.now,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": kind,
        kind: details,
    }
    return scope.insert(data, private=private)


def from_card(scope: Scope, card: CardDetails, behaviour: cards.Behaviour, *, email: str | None) -> Stored:
    """A card payment method that will do what its test card does."""
    details: Json = {
        "brand": behaviour.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": behaviour.brand,
        "exp_month": card.exp_month,
        "exp_year": card.exp_year,
        "fingerprint": cards.fingerprint(card.number, salt=scope.account),
        "funding": "debit" if behaviour.name == "visa_debit" else "credit",
        "generated_from": None,
        "last4": card.number[-4:],
        "networks": {"available": [behaviour.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }
    return _insert(scope, kind="card", details=details, email=email, private={"behaviour": behaviour.name})


def from_token(scope: Scope, token: str) -> Stored:
    """The payment method behind an id or one of Stripe's test tokens. Raises ApiError resource_missing."""
    name = _TOKEN_ALIASES.get(token, token.removeprefix("pm_card_"))
    if token.startswith("pm_card_") and name in cards.BY_NAME:
        card = CardDetails(cards.NUMBER_BY_NAME[name], 12, 2034)
        return from_card(scope, card, cards.BY_NAME[name], email=None)
    stored = scope.find(token)
    if stored is None or stored.data["object"] != "payment_method":
        raise errors.ApiError(
            f"No such PaymentMethod: '{token}'", status=400, code="resource_missing", param="payment_method"
        )
    return stored


def from_debit(scope: Scope, *, currency: str, email: str | None) -> Stored:
    """A bank debit that stays `processing` until the control API settles it."""
    kind = DEBIT_BY_CURRENCY.get(currency, "us_bank_account")
    return _insert(scope, kind=kind, details=debit_details(kind), email=email, private={"behaviour": "debit"})


def debit_details(kind: str) -> Json:
    """The fields of a test bank account, by type of debit."""
    shared: Json = {"fingerprint": "sandboxdebit0001", "last4": "6789"}
    if kind == "sepa_debit":
        return {
            "bank_code": "37040044",
            "branch_code": None,
            "country": "DE",
            "generated_from": None,
            **shared,
        }
    if kind == "bacs_debit":
        return {"sort_code": "108800", **shared}
    return {
        "account_holder_type": "individual",
        "account_type": "checking",
        "bank_name": "STRIPE TEST BANK",
        "financial_connections_account": None,
        "networks": {"preferred": "ach", "supported": ["ach"]},
        "routing_number": "110000000",
        "status_details": {},
        **shared,
    }


def behaviour_of(method: Stored) -> cards.Behaviour:
    """What this payment method does."""
    name = method.private.get("behaviour", "visa")
    return cards.BY_NAME.get(name, cards.SUCCESS)


def is_debit(method: Stored) -> bool:
    """Whether its money comes later."""
    return method.private.get("behaviour") == "debit"


def charge_details(method: Stored, *, authenticated: bool, amount: int) -> Json:
    """`payment_method_details` of a charge made with it."""
    kind = method.data["type"]
    if kind != "card":
        shown = {k: v for k, v in method.data[kind].items() if k in _DEBIT_CHARGE_FIELDS[kind]}
        return {kind: {**shown, "mandate": None, "expected_debit_date": None}, "type": kind}
    card = method.data["card"]
    details: Json = {
        "amount_authorized": amount,
        "authorization_code": None,
        "brand": card["brand"],
        "checks": card["checks"],
        "country": card["country"],
        "exp_month": card["exp_month"],
        "exp_year": card["exp_year"],
        "extended_authorization": {"status": "disabled"},
        "fingerprint": card["fingerprint"],
        "funding": card["funding"],
        "incremental_authorization": {"status": "unavailable"},
        "installments": None,
        "last4": card["last4"],
        "mandate": None,
        "multicapture": {"status": "unavailable"},
        "network": card["brand"],
        "network_token": {"used": False},
        "network_transaction_id": None,
        "overcapture": {"maximum_amount_capturable": amount, "status": "unavailable"},
        "regulated_status": "unregulated",
        "three_d_secure": _THREE_D_SECURE if authenticated else None,
        "wallet": None,
    }
    return {"card": details, "type": "card"}


_DEBIT_CHARGE_FIELDS = {
    "sepa_debit": ("bank_code", "branch_code", "country", "fingerprint", "last4"),
    "bacs_debit": ("fingerprint", "last4", "sort_code"),
    "us_bank_account": (
        "account_holder_type",
        "account_type",
        "bank_name",
        "fingerprint",
        "last4",
        "routing_number",
    ),
}
_THREE_D_SECURE: Json = {
    "authentication_flow": "challenge",
    "electronic_commerce_indicator": "05",
    "exemption_indicator": None,
    "exemption_indicator_applied": None,
    "result": "authenticated",
    "result_reason": None,
    "transaction_id": "00000000-0000-0000-0000-000000000000",
    "version": "2.2.0",
}
