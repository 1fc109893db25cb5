"""NMI for the conformance kit: our sandbox."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from integrations.contract import DeclineReason, PayRequest, Presentation, Provider, ProviderIds
from integrations.providers.nmi.adapter import NmiProvider
from integrations.providers.nmi.credentials import LIVE_API_BASE
from integrations.sandbox.nmi.events import signature
from integrations.sandbox.nmi_control import NmiControl
from tests.conformance.features import Feature
from tests.conformance.stand import Amount, Means, Moved, Payment
from tests.conformance.stands.sandbox import SandboxStand

SECURITY_KEY = "sandbox_security_of_tests"
TOKENIZATION_KEY = "sandbox_token_of_tests"
MERCHANT = "123456"

CARDS = {
    DeclineReason.DO_NOT_HONOR: "4000000000000002",
    DeclineReason.INSUFFICIENT_FUNDS: "4000000000009995",
    DeclineReason.EXPIRED_CARD: "4000000000000069",
    DeclineReason.INCORRECT_CVC: "4000000000000127",
    DeclineReason.INCORRECT_ADDRESS: "4000000000000036",
    DeclineReason.CALL_ISSUER: "4000000000000044",
    DeclineReason.FRAUD: "4000000000009979",
    DeclineReason.AUTHENTICATION_REQUIRED: "4000000000003063",
    DeclineReason.LIMIT: "4000000000006975",
    DeclineReason.INVALID_CARD: "4000000000000101",
    DeclineReason.RETRY_LATER: "4000000000000119",
    DeclineReason.UNKNOWN: "4000000000000341",
}


class NmiStand(SandboxStand):
    """Our sandbox; the shopper's card becomes a token as its frames make it."""

    name: ClassVar[str] = "nmi"
    lacks: ClassVar[Mapping[Feature, str]] = {
        Feature.LOOK_BEFORE_PAYING: "nothing is there before the token is posted",
        Feature.PAGE_LIFETIME: "the page is ours",
        Feature.CLOSING: "the page is ours",
        Feature.EXPIRY: "the page is ours",
        Feature.CAPTURE: "a sale takes the money at once",
        Feature.RETRY: "a declined sale ends the payment; the next try has an order id of its own",
        Feature.ACTION: "3-D Secure happens before the sale, and is not offered here",
        Feature.DECIDED_LATER: "cards are answered at once; bank accounts are not offered here",
        Feature.DISPUTES: "it tells chargebacks by batch events only",
        Feature.INQUIRIES: "it tells chargebacks by batch events only",
        Feature.MANUAL_PAYOUTS: "it tells no payouts",
        Feature.FAILED_PAYOUTS: "it tells no payouts",
        Feature.MODE_OF_PAYMENTS: "its reports carry no mode: host and account have one",
        Feature.MODE_OF_EVENTS: "outside production every event is of test mode",
        Feature.ACCOUNT_OF_PAYMENTS: "its reports name no account: another account's payments are unknown",
        Feature.RUNNING_REQUESTS: "it knows no keys",
        Feature.SIGNED_TIME: "it signs a nonce, not a time",
    }
    presentation: ClassVar[Presentation] = Presentation.EMBEDDED
    paths: ClassVar[Mapping[str, tuple[str | None, str]]] = {
        "pay_with_token": ("POST", "/api/transact.php"),
        "refund": ("POST", "/api/transact.php"),
        "fetch": ("POST", "/api/query.php"),
        "list_captures": ("POST", "/api/query.php"),
    }
    arguments: ClassVar[tuple[str, ...]] = ("--account", MERCHANT)
    amounts: ClassVar[Sequence[Amount]] = (
        Amount(amount_minor=4990, currency="EUR", told="49.90 EUR"),
        Amount(amount_minor=100, currency="USD", told="1.00 USD"),
        Amount(amount_minor=99_999_999, currency="GBP", told="999999.99 GBP"),
    )
    refused_amounts: ClassVar[Sequence[tuple[int, str]]] = (
        (700, "JPY"), (12345, "KWD"), (100_000_000, "EUR"), (4990, "HUF"), (4990, "eur"),
    )  # fmt: skip
    secrets: ClassVar[tuple[str, str]] = ("a-signing-key-of-the-tests", "another-signing-key-of-the-tests")
    signed_headers: ClassVar[tuple[str, ...]] = ("webhook-signature",)
    unknown_ids: ClassVar[ProviderIds] = ProviderIds(page_id="pa_nobody")
    hostile_ids: ClassVar[Sequence[ProviderIds]] = (
        ProviderIds(page_id="../admin"), ProviderIds(page_id="pa_x&report_type=profile"), ProviderIds(page_id="p\n"),
        ProviderIds(intent_id="1,2"), ProviderIds(intent_id="../1"),
    )  # fmt: skip
    wrong_key: ClassVar[str] = "another_security_key_than_ours"
    never_shown: ClassVar[tuple[str, ...]] = (SECURITY_KEY,)

    @property
    def control(self) -> NmiControl:
        return NmiControl(self.process.url)

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> NmiProvider:
        return adapter(
            api_base=base or self.process.url,
            security_key=key or SECURITY_KEY,
            signing_keys=secrets or self.secrets[:1],
        )

    def misconfigured(self) -> Mapping[str, Callable[[], Provider]]:
        here = partial(adapter, api_base="http://127.0.0.1:9")
        production = partial(adapter, environment="production", api_base=LIVE_API_BASE, signing_keys=("k" * 32,))
        return {
            "nmi.unofficial_host_in_production": lambda: production(api_base="https://secure.nmi.example"),
            "nmi.live_host_outside_production": lambda: here(api_base=LIVE_API_BASE),
            "nmi.host_shape": lambda: here(api_base="https://gateway.example/api"),
            "nmi.key_missing": lambda: here(security_key=""),
            "nmi.key_shape": lambda: here(security_key="short"),
            "nmi.tokenization_key_shape": lambda: here(tokenization_key="short"),
            "nmi.key_public": lambda: here(tokenization_key=SECURITY_KEY),
            "nmi.merchant_id": lambda: here(merchant_id=""),
            "nmi.signing_key_missing": lambda: here(signing_keys=()),
            "nmi.signing_key_weak": lambda: production(signing_keys=("short-signing-key",)),
        }

    # --- the shopper and the banks

    def token(self, payment: Payment, means: Means) -> tuple[str, str]:
        card = CARDS[means.decline] if means.decline else "4111111111111111"
        return self.control.token(card=card), ""

    def authorize(self) -> ProviderIds:
        made = self.control.sell(order_id=f"pa_{secrets.token_hex(20)}", amount=2500, authorize=True)
        return ProviderIds(page_id=made["order_id"])

    def pay_closed(self, payment: Payment) -> None:
        self._sell(payment)

    def pay_again(self, payment: Payment) -> None:
        self._sell(payment)

    def pay_other(self, payment: Payment, *, amount_minor: int, currency: str) -> None:
        self.control.sell(order_id=payment.request.reference, amount=amount_minor, currency=currency)

    def mature(self, payment: Payment) -> None:
        self.control.settle_day()

    def _sell(self, payment: Payment) -> None:
        wanted = payment.request
        self.control.sell(order_id=wanted.reference, amount=wanted.amount_minor, currency=wanted.currency)

    # --- at NMI

    def asked(self, payment: Payment) -> str:
        """Nothing is asked for before the shopper pays, so they pay."""
        wanted = payment.request
        self.adapter().pay_with_token(
            PayRequest(
                ids=payment.ids,
                reference=wanted.reference,
                amount_minor=wanted.amount_minor,
                currency=wanted.currency,
                order_number=wanted.order_number,
                email=wanted.email,
                token=self.control.token(),
            ),
            idempotency_key="",
        )
        [sale] = self.control.of_order(wanted.reference)
        return f"{sale['actions'][0]['amount']} {sale['currency']}"

    def moved(self, payment: Payment) -> Moved:
        sales = [each for each in self.control.sales() if each["order_id"] == payment.request.reference]
        taken = [each for each in sales if each["captured_minor"]]
        return Moved(
            captures=len(taken),
            captured_minor=sum(each["captured_minor"] for each in taken),
            refunds=sum(len(each["refunds"]) for each in sales),
            refunded_minor=sum(each["refunded_minor"] for each in sales),
        )

    def refund(self, payment: Payment, *, amount_minor: int) -> str:
        given = self.control.give_back(self._sale(payment), amount=amount_minor)
        self.control.settle_day()
        return str(given["id"])

    def decide_refund(self, refund_id: str, *, status: str) -> None:
        if status == "failed":
            self.control.fail_refund(refund_id)
        elif status == "succeeded":
            self.control.settle_day()

    def capture_many(self, payment: Payment, *, count: int) -> None:
        for _ in range(count):
            self._sell(payment)

    def _sale(self, payment: Payment) -> str:
        return str(self.control.of_order(payment.request.reference)[0]["id"])

    def requests(self) -> int:
        """Those that change something: a refund first asks whether the sale is settled."""
        return len(self.control.requests(path_prefix="/api/transact.php"))

    # --- notifications

    def sign(self, body: bytes, *, secret: str = "", at: datetime | None = None) -> Mapping[str, str]:
        nonce = secrets.token_hex(16)
        return {"Webhook-Signature": signature(body, secret=secret or self.secrets[0], nonce=nonce)}

    def event(self, payment: Payment, *, type: str = "", other_mode: bool = False, account: str = "") -> bytes:
        wanted = payment.request
        body: dict[str, Any] = {
            "merchant": {"id": account or MERCHANT, "name": "Sandbox Shop"},
            "features": {"is_test_mode": True},
            "transaction_id": "12345678901",
            "transaction_type": "cc",
            "condition": "pendingsettlement",
            "order_id": wanted.reference,
            "currency": wanted.currency,
            "action": {"action_type": "sale", "success": "1", "date": datetime.now(UTC).strftime("%Y%m%d%H%M%S")},
        }
        event = {
            "event_id": secrets.token_hex(16),
            "event_type": type or "transaction.sale.success",
            "event_body": body,
        }
        return json.dumps(event).encode()


def adapter(**changes: Any) -> NmiProvider:
    """Make one with the tests' keys."""
    wanted: dict[str, Any] = {
        "environment": "test",
        "security_key": SECURITY_KEY,
        "tokenization_key": TOKENIZATION_KEY,
        "signing_keys": NmiStand.secrets[:1],
        "merchant_id": MERCHANT,
    }
    return NmiProvider(**(wanted | changes))
