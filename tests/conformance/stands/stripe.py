"""Stripe for the conformance kit: our sandbox."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from integrations.contract import DeclineReason, Provider, ProviderIds
from integrations.providers.stripe.adapter import StripeProvider
from integrations.providers.stripe.credentials import OFFICIAL_API_BASE
from integrations.sandbox.stripe.events import signature
from tests.conformance.features import Feature
from tests.conformance.stand import Amount, Means, Moved, Payment, Stand
from tests.conformance.stands.sandbox import SandboxStand
from tests.sandbox.process import API_KEY, WEBHOOK_SECRET

# https://docs.stripe.com/testing
CARDS = {
    DeclineReason.DO_NOT_HONOR: "4000000000000002",
    DeclineReason.INSUFFICIENT_FUNDS: "4000000000009995",
    DeclineReason.FRAUD: "4100000000000019",
    DeclineReason.EXPIRED_CARD: "4000000000000069",
    DeclineReason.INCORRECT_CVC: "4000000000000127",
    DeclineReason.RETRY_LATER: "4000000000000119",
    DeclineReason.LIMIT: "4000000000006975",
}
ASKS_FOR_ACTION = "4000002760003184"
# Codes of https://docs.stripe.com/declines/codes that no test card brings about.
CODES = {
    DeclineReason.INCORRECT_ADDRESS: "incorrect_zip",
    DeclineReason.CALL_ISSUER: "call_issuer",
    DeclineReason.INVALID_CARD: "invalid_account",
    DeclineReason.UNKNOWN: "a_code_of_tomorrow",
}


class StripeBase(Stand):
    """What holds of Stripe wherever it answers."""

    lacks: ClassVar[Mapping[Feature, str]] = {
        Feature.TOKENS: "the shopper pays on its own page",
        Feature.CAPTURE: "money moves when the shopper pays",
        Feature.ACCOUNT_OF_PAYMENTS: "an object of another account is unknown under our key",
    }
    amounts: ClassVar[Sequence[Amount]] = (
        Amount(amount_minor=4990, currency="EUR", told="4990 eur"),
        Amount(amount_minor=4990, currency="USD", told="4990 usd"),
        Amount(amount_minor=700, currency="JPY", told="700 jpy"),
        Amount(amount_minor=700, currency="ISK", told="70000 isk"),
        Amount(amount_minor=12340, currency="KWD", told="12340 kwd"),
        Amount(amount_minor=700_000, currency="MGA", told="7000 mga"),
        Amount(amount_minor=99_999_999, currency="EUR", told="99999999 eur"),
    )
    refused_amounts: ClassVar[Sequence[tuple[int, str]]] = (
        (700_001, "MGA"), (12345, "KWD"), (100_000_000, "EUR"), (4990, "UGX"), (4990, "BTC"), (4990, "eur"),
    )  # fmt: skip
    unknown_ids: ClassVar[ProviderIds] = ProviderIds(page_id="cs_test_nobody")
    hostile_ids: ClassVar[Sequence[ProviderIds]] = (
        ProviderIds(page_id="../accounts"), ProviderIds(page_id="cs_test_x?expand=all"), ProviderIds(page_id="c\n"),
        ProviderIds(intent_id="../charges"), ProviderIds(),
    )  # fmt: skip
    secrets: ClassVar[tuple[str, str]] = (WEBHOOK_SECRET, "whsec_the_other")
    wrong_key: ClassVar[str] = "sk_test_revoked"
    never_shown: ClassVar[tuple[str, ...]] = (API_KEY,)
    api_key: str = API_KEY
    api_base: str = OFFICIAL_API_BASE

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> StripeProvider:
        return _adapter(
            api_key=key or self.api_key,
            api_base=base or self.api_base,
            webhook_secrets=secrets or self.secrets[:1],
        )

    def misconfigured(self) -> Mapping[str, Callable[[], Provider]]:
        production = partial(_adapter, environment="production", api_base=OFFICIAL_API_BASE, publishable_key="")
        return {
            "stripe.key_missing": lambda: _adapter(api_key=""),
            "stripe.key_shape": lambda: _adapter(api_key="pk_test_publishable"),
            "stripe.test_key_in_production": production,
            "stripe.live_key_outside_production": lambda: _adapter(api_key=_live_key()),
            "stripe.live_key_unofficial_host": lambda: _adapter(api_key=_live_key(), api_base="http://127.0.0.1:9"),
            "stripe.unofficial_host_in_production": lambda: production(api_base="https://api.stripe.example"),
            "stripe.publishable_key_shape": lambda: _adapter(publishable_key=API_KEY),
            "stripe.publishable_key_mode": lambda: _adapter(publishable_key="pk_" + "live_" + "made_up"),
            "stripe.host_shape": lambda: _adapter(api_base="http://stripe.example/v1"),
            "stripe.webhook_secret_missing": lambda: _adapter(webhook_secrets=()),
            "stripe.webhook_secret_shape": lambda: _adapter(webhook_secrets=("",)),
            "stripe.webhook_secret_weak": lambda: production(webhook_secrets=("whsec_short",)),
        }


class StripeStand(SandboxStand, StripeBase):
    """Our sandbox."""

    name: ClassVar[str] = "stripe"
    paths: ClassVar[Mapping[str, tuple[str | None, str]]] = {
        "account": (None, "/v1/account"),
        "start": ("POST", "/v1/checkout/sessions"),
        "close": ("POST", "/v1/checkout/sessions/"),
        "release": ("POST", "/v1/payment_intents/"),
        "refund": ("POST", "/v1/refunds"),
        "fetch": ("GET", "/v1/checkout/sessions/"),
        "list_captures": ("GET", "/v1/charges"),
    }
    signed_headers: ClassVar[tuple[str, ...]] = ("stripe-signature",)
    signed_seconds: ClassVar[int] = 300

    def open(self) -> None:
        super().open()
        self.api_base = self.process.url

    # --- the shopper and the banks

    def pay(self, payment: Payment, means: Means) -> None:
        page = payment.ids.page_id
        if means.later:
            self.control.pay(page, method="debit")
        elif means.action or means.decline is DeclineReason.AUTHENTICATION_REQUIRED:
            self.control.pay(page, card=ASKS_FOR_ACTION)
            if not means.action:
                self.control.authenticate(page, success=False)
        elif means.decline is None:
            self.control.pay(page)
        elif means.decline in CARDS:
            self.control.pay(page, card=CARDS[means.decline])
        else:
            self._decline(page, code=CODES[means.decline])

    def _decline(self, page: str, *, code: str) -> None:
        intent = self.control.pay(page, card=CARDS[DeclineReason.DO_NOT_HONOR]).payment_intent
        said = self.control.get(intent)["last_payment_error"]
        self.control.patch(intent, last_payment_error={**said, "decline_code": code})

    def authenticate(self, payment: Payment, *, success: bool) -> None:
        self.control.authenticate(payment.ids.page_id, success=success)

    def decide(self, payment: Payment, *, success: bool) -> None:
        self.control.settle(payment.ids.page_id, success=success)

    def authorize(self) -> ProviderIds:
        intent = self.process.client().v1.payment_intents.create(
            {
                "amount": 2500,
                "currency": "eur",
                "confirm": True,
                "capture_method": "manual",
                "payment_method": "pm_card_visa",
                "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            }
        )
        return ProviderIds(intent_id=intent.id)

    def expire(self, payment: Payment) -> None:
        self.control.advance_clock(seconds=25 * 3600)

    def pay_closed(self, payment: Payment) -> None:
        self.control.pay(payment.ids.page_id, force=True)

    def pay_again(self, payment: Payment) -> None:
        self.control.pay_again(payment.ids.page_id)

    def pay_other(self, payment: Payment, *, amount_minor: int, currency: str) -> None:
        self.control.pay(payment.ids.page_id, amount=amount_minor, currency=currency.lower())

    # --- at Stripe

    def asked(self, payment: Payment) -> str:
        session = self.control.get(payment.ids.page_id)
        return f"{session['amount_total']} {session['currency']}"

    def moved(self, payment: Payment) -> Moved:
        effects = [
            effect for effect in self.control.effects() if effect.metadata.get("attempt") == payment.request.reference
        ]
        return Moved(
            captures=sum(charge["amount_captured"] > 0 for effect in effects for charge in effect.charges),
            captured_minor=sum(effect.captured_minor for effect in effects),
            refunds=sum(len(effect.refunds) for effect in effects),
            refunded_minor=sum(effect.refunded_minor for effect in effects),
        )

    def turn_live(self, payment: Payment) -> None:
        self.control.patch(payment.ids.page_id, livemode=True)

    def refund(self, payment: Payment, *, amount_minor: int) -> str:
        return str(self.control.refund(payment_intent=self._intent(payment), amount=amount_minor)["id"])

    def decide_refund(self, refund_id: str, *, status: str) -> None:
        self.control.move_refund(refund_id, status=status)

    def dispute(self, payment: Payment, *, inquiry: bool = False) -> str:
        return str(self.control.dispute(payment_intent=self._intent(payment), inquiry=inquiry)["id"])

    def end_dispute(self, dispute_id: str, *, won: bool) -> None:
        self.control.move_dispute(dispute_id, status="won" if won else "lost")

    def pay_out(self, *, by_hand: bool = False) -> str:
        made = self.control.pay_out(early=True, automatic=not by_hand, amount=100 if by_hand else None)
        return str(made["id"])

    def fail_payout(self, payout_id: str) -> None:
        self.control.move_payout(payout_id, status="paid")
        self.control.move_payout(payout_id, status="failed")

    def capture_many(self, payment: Payment, *, count: int) -> None:
        for _ in range(count):
            self.control.pay_again(payment.ids.page_id)

    def _intent(self, payment: Payment) -> str:
        return str(self.control.get(payment.ids.page_id)["payment_intent"])

    # --- notifications

    def sign(self, body: bytes, *, secret: str = "", at: datetime | None = None) -> Mapping[str, str]:
        moment = int((at or datetime.now(UTC)).timestamp())
        return {"Stripe-Signature": signature(body, secrets=[secret or self.secrets[0]], at=moment)}

    def event(self, payment: Payment, *, type: str = "", other_mode: bool = False, account: str = "") -> bytes:
        event: dict[str, Any] = {
            "id": f"evt_{secrets.token_hex(12)}",
            "object": "event",
            "api_version": "2026-10-28.endive",
            "created": int(datetime.now(UTC).timestamp()),
            "data": {"object": self.control.get(payment.ids.page_id)},
            "livemode": other_mode,
            "type": type or "checkout.session.completed",
        }
        return json.dumps(event | ({"account": account} if account else {})).encode()


def _live_key() -> str:
    """Made, so that no scanner takes it for a real one."""
    return "sk_" + "live_" + "made_up_for_a_test"


def _adapter(**changes: Any) -> StripeProvider:
    wanted: dict[str, Any] = {
        "environment": "test",
        "api_key": API_KEY,
        "webhook_secrets": (WEBHOOK_SECRET,),
        "publishable_key": "pk_test_sandbox",
    }
    return StripeProvider(**(wanted | changes))
