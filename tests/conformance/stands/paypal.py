"""PayPal for the conformance kit: our sandbox."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from integrations.contract import DeclineReason, Provider, ProviderIds
from integrations.providers.paypal.adapter import PayPalProvider
from integrations.providers.paypal.credentials import LIVE_API_BASE, TEST_API_BASE
from integrations.sandbox.paypal.control import PayPalControl
from tests.conformance.features import Feature
from tests.conformance.stand import Amount, Means, Moved, Payment
from tests.conformance.stands.sandbox import SandboxStand

CLIENT_ID, CLIENT_SECRET, WEBHOOK_ID = "sandbox-client-id", "sandbox-client-secret", "4WH12345678901234"
# https://developer.paypal.com/docs/api/orders/v2/#definition-processor_response
CODES = {
    DeclineReason.INSUFFICIENT_FUNDS: "5120",
    DeclineReason.EXPIRED_CARD: "5400",
    DeclineReason.INCORRECT_CVC: "5110",
    DeclineReason.INCORRECT_ADDRESS: "5170",
    DeclineReason.DO_NOT_HONOR: "0500",
    DeclineReason.CALL_ISSUER: "0100",
    DeclineReason.FRAUD: "9500",
    DeclineReason.AUTHENTICATION_REQUIRED: "5650",
    DeclineReason.LIMIT: "5710",
    DeclineReason.INVALID_CARD: "5180",
    DeclineReason.RETRY_LATER: "5920",
    DeclineReason.UNKNOWN: "ZZZZ",
}
_REFUND_STATUS = {"pending": "PENDING", "succeeded": "COMPLETED", "failed": "FAILED"}
_ORDERS = "/v2/checkout/orders"


class PayPalStand(SandboxStand):
    """Our sandbox. Its tokens and certificates are kept in this process, as the shop keeps them in its cache."""

    name: ClassVar[str] = "paypal"
    lacks: ClassVar[Mapping[Feature, str]] = {
        Feature.TOKENS: "the payer approves at PayPal, and no token comes back",
        Feature.PAGE_LIFETIME: "its orders run out at a time of PayPal's own",
        Feature.ACTION: "what a payer must confirm, PayPal asks before they approve",
        Feature.RETRY: "after a refused capture the payer begins with a new order",
        Feature.SECRETS: "a webhook is proved by PayPal's certificate and bound to us by our webhook's id",
        Feature.ACCOUNT_OF_EVENTS: "its events name no account: the webhook's id binds them to ours",
    }
    beyond: ClassVar[Mapping[Feature, str]] = {
        Feature.SIGNED_TIME: "its window is four days back and five minutes ahead, which is not one number: "
        "tests/integrations/paypal/test_notifications.py holds it",
    }
    paths: ClassVar[Mapping[str, tuple[str | None, str]]] = {
        "account": (None, "/v1/reporting/balances"),
        "start": ("POST", _ORDERS),
        "capture": ("POST", f"{_ORDERS}/"),
        "close": ("GET", f"{_ORDERS}/"),
        "refund": ("POST", "/v2/payments/captures/"),
        "fetch": ("GET", f"{_ORDERS}/"),
        "list_captures": ("GET", "/v1/reporting/transactions"),
    }
    amounts: ClassVar[Sequence[Amount]] = (
        Amount(amount_minor=4990, currency="EUR", told="49.90 EUR"),
        Amount(amount_minor=5, currency="USD", told="0.05 USD"),
        Amount(amount_minor=700, currency="JPY", told="700 JPY"),
        Amount(amount_minor=70_000, currency="HUF", told="700 HUF"),
        Amount(amount_minor=99_999_999, currency="EUR", told="999999.99 EUR"),
    )
    refused_amounts: ClassVar[Sequence[tuple[int, str]]] = (
        (70_050, "HUF"), (1, "TWD"), (4990, "KWD"), (4990, "BTC"), (4990, "eur"), (10**13, "EUR"),
    )  # fmt: skip
    unknown_ids: ClassVar[ProviderIds] = ProviderIds(page_id="0NOSUCHORDER00000")
    hostile_ids: ClassVar[Sequence[ProviderIds]] = (
        ProviderIds(page_id="../../v1/oauth2/token"), ProviderIds(page_id="5O1?fields=x"), ProviderIds(page_id="5\n"),
        ProviderIds(intent_id="5O190127TN364715T"),
    )  # fmt: skip
    secrets: ClassVar[tuple[str, str]] = (WEBHOOK_ID, "")
    signed_headers: ClassVar[tuple[str, ...]] = PayPalProvider.capabilities.proof_headers
    wrong_key: ClassVar[str] = "another-secret-of-it"
    never_shown: ClassVar[tuple[str, ...]] = (CLIENT_SECRET,)
    unknown_event_type: ClassVar[str] = "SHOP.CONFORMANCE.UNHEARD-OF"

    def open(self) -> None:
        super().open()
        self.adapter().account()  # the first client is the one that the sandbox knows

    def calm(self) -> None:
        super().calm()
        self.control.hold_refunds(pending=False)

    @property
    def control(self) -> PayPalControl:
        return PayPalControl(self.process.url)

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> PayPalProvider:
        return self._make(api_base=base or self.process.url, client_secret=key or CLIENT_SECRET)

    def _make(self, **changes: Any) -> PayPalProvider:
        wanted: dict[str, Any] = {
            "environment": "test",
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "webhook_id": WEBHOOK_ID,
            "api_base": self.process.url,
            "webhook_roots": str(self.process.state_dir / "paypal-root.pem"),
        }
        return PayPalProvider(**(wanted | changes))

    def misconfigured(self) -> Mapping[str, Callable[[], Provider]]:
        live = partial(self._make, environment="production", api_base=LIVE_API_BASE, webhook_roots="")
        return {
            "paypal.client_missing": lambda: self._make(client_id=""),
            "paypal.client_shape": lambda: self._make(client_id="two words"),
            "paypal.secret_missing": lambda: self._make(client_secret=""),
            "paypal.secret_shape": lambda: self._make(client_secret="short"),
            "paypal.webhook_id_missing": lambda: self._make(webhook_id=""),
            "paypal.webhook_id_of_simulator": lambda: self._make(webhook_id="WEBHOOK_ID"),
            "paypal.webhook_id_shape": lambda: self._make(webhook_id="has|pipes"),
            "paypal.test_host_in_production": lambda: live(api_base=TEST_API_BASE),
            "paypal.unofficial_host_in_production": lambda: live(api_base="https://api-m.paypal.example"),
            "paypal.foreign_roots": lambda: live(webhook_roots="/etc/roots.pem"),
            "paypal.live_host_outside_production": lambda: self._make(api_base=LIVE_API_BASE, webhook_roots=""),
            "paypal.host_shape": lambda: self._make(api_base="http://paypal.example/v2"),
        }

    # --- the payer and the banks

    def pay(self, payment: Payment, means: Means) -> None:
        if means.later:
            self.control.approve(payment.ids.page_id, kind="pending", reason="PENDING_REVIEW")
        elif means.decline is None:
            self.control.approve(payment.ids.page_id)
        else:
            self.control.approve(payment.ids.page_id, kind="declined", code=CODES[means.decline])

    def decide(self, payment: Payment, *, success: bool) -> None:
        self.control.settle_capture(self._capture(payment), success=success)

    def authorize(self) -> ProviderIds:
        client = self.adapter()._client
        unit = {"amount": {"currency_code": "EUR", "value": "25.00"}}
        order = client.create_order(body={"intent": "AUTHORIZE", "purchase_units": [unit]}, key=secrets.token_hex(16))
        self.control.approve(order["id"])
        client.post(f"{_ORDERS}/{order['id']}/authorize", b"{}")
        return ProviderIds(page_id=order["id"])

    def expire(self, payment: Payment) -> None:
        self.control.patch(payment.ids.page_id, status="VOIDED")

    def pay_closed(self, payment: Payment) -> None:
        self.control.force_capture(payment.ids.page_id)

    def pay_again(self, payment: Payment) -> None:
        self.control.force_capture(payment.ids.page_id)

    def pay_other(self, payment: Payment, *, amount_minor: int, currency: str) -> None:
        self.control.force_capture(payment.ids.page_id, amount=amount_minor, currency=currency)

    # --- at PayPal

    def asked(self, payment: Payment) -> str:
        amount = self.control.get(payment.ids.page_id)["purchase_units"][0]["amount"]
        return f"{amount['value']} {amount['currency_code']}"

    def moved(self, payment: Payment) -> Moved:
        [effect] = [each for each in self.control.effects() if each.session == payment.ids.page_id]
        done = ("COMPLETED", "PARTIALLY_REFUNDED", "REFUNDED")
        return Moved(
            captures=sum(capture["status"] in done for capture in effect.charges),
            captured_minor=effect.captured_minor,
            refunds=len(effect.refunds),
            refunded_minor=effect.refunded_minor,
        )

    def turn_live(self, payment: Payment) -> None:
        self.control.patch(payment.ids.page_id, host="https://api.paypal.com")

    def move_away(self, payment: Payment) -> None:
        units = self.control.get(payment.ids.page_id)["purchase_units"]
        units[0].pop("payments")
        units[0]["payee"] = {"merchant_id": "ANOTHERSHOP01"}
        self.control.patch(payment.ids.page_id, purchase_units=units)

    def refund(self, payment: Payment, *, amount_minor: int) -> str:
        return str(self.control.refund_capture(self._capture(payment), amount=amount_minor)["id"])

    def decide_refund(self, refund_id: str, *, status: str) -> None:
        self.control.move_refund(refund_id, status=_REFUND_STATUS[status])

    def dispute(self, payment: Payment, *, inquiry: bool = False) -> str:
        return str(self.control.dispute_capture(self._capture(payment), inquiry=inquiry)["dispute_id"])

    def end_dispute(self, dispute_id: str, *, won: bool) -> None:
        self.control.decide_dispute(dispute_id, "won" if won else "lost")

    def capture_many(self, payment: Payment, *, count: int) -> None:
        for _ in range(count):
            self.control.force_capture(payment.ids.page_id)

    def _capture(self, payment: Payment) -> str:
        payments = self.control.get(payment.ids.page_id)["purchase_units"][0]["payments"]
        return str(payments["captures"][0]["id"])

    # --- notifications

    def sign(self, body: bytes, *, secret: str = "", at: datetime | None = None) -> Mapping[str, str]:
        seconds = int((at or datetime.now(UTC)).timestamp())
        return self.control.signed(body, webhook_id=secret or WEBHOOK_ID, at=seconds)

    def event(self, payment: Payment, *, type: str = "", other_mode: bool = False, account: str = "") -> bytes:
        host = "https://api.paypal.com" if other_mode else self.process.url
        event = {
            "id": f"WH-{secrets.token_hex(9).upper()}-{secrets.token_hex(9).upper()}",
            "event_version": "1.0",
            "create_time": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resource_type": "checkout-order",
            "resource_version": "2.0",
            "event_type": type or "CHECKOUT.ORDER.APPROVED",
            "resource": self.control.get(payment.ids.page_id),
            "links": [{"href": f"{host}/v1/notifications/webhooks-events/WH-1", "rel": "self", "method": "GET"}],
        }
        return json.dumps(event).encode()
