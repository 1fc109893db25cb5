"""Square for the conformance kit: our sandbox, paid on a link's page and by a token of its frame."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar
from urllib.parse import urlsplit

from integrations.contract import DeclineReason, Presentation, Provider, ProviderIds
from integrations.providers.square.adapter import SquareProvider
from integrations.providers.square.credentials import LIVE_API_BASE
from integrations.sandbox.square_control import SquareControl
from tests.conformance import square
from tests.conformance.features import Feature
from tests.conformance.stand import Amount, Means, Moved, Payment
from tests.conformance.stands.sandbox import SandboxStand

GOOD_CARD = "4111111111111111"
CARDS = {
    DeclineReason.DO_NOT_HONOR: "4000000000000002",
    DeclineReason.INSUFFICIENT_FUNDS: "4000000000009995",
    DeclineReason.EXPIRED_CARD: "4000000000000069",
    DeclineReason.INCORRECT_CVC: "4000000000000127",
    DeclineReason.RETRY_LATER: "4000000000000119",
    DeclineReason.AUTHENTICATION_REQUIRED: "4800000000000004",
}
_NO_CARD = "no test card of the sandbox brings it about; tests/integrations/square/test_errors.py holds the codes"
_LACKS = {
    Feature.CAPTURE: "money moves when the shopper pays",
    Feature.PAGE_LIFETIME: "a link does not run out: whoever opened it closes it",
    Feature.EXPIRY: "a link does not run out",
    Feature.ACTION: "its own page and frame see to the bank's check",
    Feature.DECIDED_LATER: "cards are decided at once",
    Feature.MODE_OF_PAYMENTS: "the host says the mode, no object does",
    Feature.MODE_OF_EVENTS: "a header says it, which is not signed",
    Feature.ACCOUNT_OF_PAYMENTS: "an object of another account is unknown under our token",
    Feature.MANUAL_PAYOUTS: "it lists the entries of each payout",
    Feature.SIGNED_TIME: "no time is signed",
}


class SquareStand(SandboxStand):
    """Paid on a link's page."""

    name: ClassVar[str] = "square"
    sandbox: ClassVar[str] = "square"
    arguments: ClassVar[tuple[str, ...]] = ("--account", f"{square.LOCATION}:EUR")
    lacks: ClassVar[Mapping[Feature, str]] = _LACKS
    beyond: ClassVar[Mapping[Feature, str]] = {Feature.TOKENS: "the frame is another stand's"}
    paths: ClassVar[Mapping[str, tuple[str | None, str]]] = {
        "account": (None, "/v2/locations/"),
        "start": ("POST", "/v2/online-checkout/payment-links"),
        "close": ("DELETE", "/v2/online-checkout/payment-links/"),
        "release": ("POST", "/v2/payments/"),
        "refund": ("POST", "/v2/refunds"),
        "fetch": ("GET", "/v2/orders/"),
        "list_captures": ("GET", "/v2/payments"),
    }
    amounts: ClassVar[Sequence[Amount]] = (
        Amount(amount_minor=4990, currency="EUR", told="4990 EUR"),
        Amount(amount_minor=1, currency="EUR", told="1 EUR"),
        Amount(amount_minor=99_999_999, currency="EUR", told="99999999 EUR"),
    )
    refused_amounts: ClassVar[Sequence[tuple[int, str]]] = (
        (100_000_000, "EUR"), (0, "EUR"), (4990, "USD"), (4990, "CHF"), (4990, "eur"),
    )  # fmt: skip
    never_declined: ClassVar[Mapping[DeclineReason, str]] = {
        reason: _NO_CARD for reason in DeclineReason if reason not in CARDS
    }
    secrets: ClassVar[tuple[str, str]] = (square.SIGNATURE_KEY, "the-other-signature-key")
    signed_headers: ClassVar[tuple[str, ...]] = ("x-square-hmacsha256-signature",)
    unknown_ids: ClassVar[ProviderIds] = ProviderIds(page_id="NOBODY")
    hostile_ids: ClassVar[Sequence[ProviderIds]] = (
        ProviderIds(page_id="../locations"), ProviderIds(intent_id="../payments"), ProviderIds(page_id="L\n"),
        ProviderIds(page_id="ABCDEFGHIJKLMNOP", intent_id="x?y=1"), ProviderIds(),
    )  # fmt: skip
    wrong_key: ClassVar[str] = "sq0atp-" + "x" * 22
    never_shown: ClassVar[tuple[str, ...]] = (square.TOKEN,)

    def open(self) -> None:
        super().open()
        self.square = SquareControl(self.process.url)
        self.square.hold_refunds()
        self.square.enable_events()

    def calm(self) -> None:
        super().calm()
        self.square.hold_refunds()

    def empty(self) -> None:
        super().empty()
        self.square.hold_refunds()

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> SquareProvider:
        return square.adapter(
            base or self.process.url,
            access_token=key or square.TOKEN,
            webhook_signature_keys=secrets or self.secrets[:1],
            webhook_url=self._receiver.url,
        )

    def misconfigured(self) -> Mapping[str, Callable[[], Provider]]:
        at = partial(square.adapter, "http://127.0.0.1:9")
        production = partial(square.adapter, environment="production", application_id="sq0idp-live")
        return {
            "square.token_missing": lambda: at(access_token=""),
            "square.token_shape": lambda: at(access_token="a b"),
            "square.location": lambda: at(location_id=""),
            "square.currency": lambda: at(currency="CHF"),
            "square.application_shape": lambda: at(application_id="app"),
            "square.host_shape": lambda: square.adapter("http://square.example"),
            "square.signature_key_missing": lambda: at(webhook_signature_keys=()),
            "square.signature_key_shape": lambda: at(webhook_signature_keys=("",)),
            "square.webhook_url": lambda: at(webhook_url="shop.example"),
            "square.live_host_outside_production": lambda: square.adapter(LIVE_API_BASE),
            "square.live_application_outside_production": lambda: at(application_id="sq0idp-live"),
            "square.live_application_unofficial_host": lambda: at(application_id="sq0idp-live"),
            "square.unofficial_host_in_production": lambda: production("http://127.0.0.1:9"),
            "square.test_application_in_production": lambda: square.adapter(LIVE_API_BASE, environment="production"),
        }

    # --- the shopper and the banks

    def pay(self, payment: Payment, means: Means) -> None:
        card = CARDS[means.decline] if means.decline else GOOD_CARD
        self.square.pay_link(payment.ids.page_id, card=card, verified=False)

    def pay_closed(self, payment: Payment) -> None:
        self.square.pay_link(payment.ids.page_id)

    def pay_again(self, payment: Payment) -> None:
        self.square.pay_link(payment.ids.page_id)

    def pay_other(self, payment: Payment, *, amount_minor: int, currency: str) -> None:
        self.square.pay_link(payment.ids.page_id, amount=amount_minor, currency=currency)

    def authorize(self) -> ProviderIds:
        money = {"amount": 2500, "currency": "EUR"}
        line = {"quantity": "1", "name": "Tea", "base_price_money": money}
        order = self._post("/v2/orders", {"order": {"location_id": square.LOCATION, "line_items": [line]}})["order"]
        held = {
            "source_id": "cnon:card-nonce-ok",
            "idempotency_key": str(uuid.uuid4()),
            "amount_money": money,
            "order_id": order["id"],
            "autocomplete": False,
        }
        self._post("/v2/payments", held)
        return ProviderIds(page_id=order["id"])

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Ask the API as another program of the seller's would."""
        connection = http.client.HTTPConnection(urlsplit(self.process.url).netloc, timeout=20)
        try:
            headers = {"Authorization": f"Bearer {square.TOKEN}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(body), headers)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()

    # --- at Square

    def asked(self, payment: Payment) -> str:
        money = self.square.get(self._order_id(payment))["total_money"]
        return f"{money['amount']} {money['currency']}"

    def moved(self, payment: Payment) -> Moved:
        effects = [told for told in self.square.money() if told["reference"] == payment.request.reference]
        return Moved(
            captures=sum(each["status"] == "COMPLETED" for told in effects for each in told["payments"]),
            captured_minor=sum(told["captured_minor"] for told in effects),
            refunds=sum(len(told["refunds"]) for told in effects),
            refunded_minor=sum(told["refunded_minor"] for told in effects),
        )

    def refund(self, payment: Payment, *, amount_minor: int) -> str:
        made = str(self.square.refund_payment(self._payment_id(payment), amount=amount_minor)["id"])
        self.control.move_refund(made, status="COMPLETED")
        return made

    def decide_refund(self, refund_id: str, *, status: str) -> None:
        if status != "pending":
            self.control.move_refund(refund_id, status="COMPLETED" if status == "succeeded" else "FAILED")

    def dispute(self, payment: Payment, *, inquiry: bool = False) -> str:
        return str(self.square.dispute_payment(self._payment_id(payment), inquiry=inquiry)["id"])

    def end_dispute(self, dispute_id: str, *, won: bool) -> None:
        self.square.decide_dispute(dispute_id, state="WON" if won else "LOST")

    def pay_out(self, *, by_hand: bool = False) -> str:
        waiting = [each for told in self.square.money() for each in told["refunds"] if each["status"] == "PENDING"]
        for refund in waiting:
            self.control.move_refund(refund["id"], status="COMPLETED")
        return str(self.square.make_payout()["id"])

    def fail_payout(self, payout_id: str) -> None:
        self.control.move_payout(payout_id, status="PAID")
        self.control.move_payout(payout_id, status="FAILED")

    def capture_many(self, payment: Payment, *, count: int) -> None:
        started = self.adapter().start(square.start_request(), idempotency_key=square.new_key())
        for _ in range(count):
            self.square.pay_link(started.ids.page_id)

    def _order_id(self, payment: Payment) -> str:
        return payment.ids.intent_id

    def _payment_id(self, payment: Payment) -> str:
        found = [told for told in self.square.money() if told["reference"] == payment.request.reference]
        return str(found[0]["payments"][0]["id"])

    # --- notifications

    def sign(self, body: bytes, *, secret: str = "", at: datetime | None = None) -> Mapping[str, str]:
        signed = self._receiver.url.encode() + body
        digest = hmac.new((secret or self.secrets[0]).encode(), signed, hashlib.sha256).digest()
        return {"x-square-hmacsha256-signature": base64.b64encode(digest).decode()}

    def event(self, payment: Payment, *, type: str = "", other_mode: bool = False, account: str = "") -> bytes:
        told = {"id": "PAYMENT1", "order_id": self._order_id(payment), "reference_id": payment.request.reference}
        event = {
            "merchant_id": account or self.square.account()["merchant_id"],
            "location_id": square.LOCATION,
            "type": type or "payment.updated",
            "event_id": str(uuid.uuid4()),
            "created_at": datetime.now(UTC).isoformat(),
            "data": {"type": "payment", "id": "PAYMENT1", "object": {"payment": told}},
        }
        return json.dumps(event).encode()


class SquareFrameStand(SquareStand):
    """Paid by a token of Square's frame on a page of ours."""

    name: ClassVar[str] = "square frame"
    presentation: ClassVar[Presentation] = Presentation.EMBEDDED
    beyond: ClassVar[Mapping[Feature, str]] = {}
    lacks: ClassVar[Mapping[Feature, str]] = {
        **_LACKS,
        Feature.LATE_MONEY: "a cancelled order takes no token",
        Feature.SECOND_CAPTURE: "a paid order takes no second token",
        Feature.OTHER_AMOUNT: "an order takes no other amount than it asks for",
    }
    paths: ClassVar[Mapping[str, tuple[str | None, str]]] = {
        **SquareStand.paths,
        "start": ("POST", "/v2/orders"),
        "close": ("PUT", "/v2/orders/"),
        "pay_with_token": ("POST", "/v2/payments"),
    }

    def token(self, payment: Payment, means: Means) -> tuple[str, str]:
        return self.square.token(card=CARDS[means.decline] if means.decline else GOOD_CARD), ""

    def capture_many(self, payment: Payment, *, count: int) -> None:
        hosted = square.start_request(presentation=Presentation.HOSTED)
        started = self.adapter().start(hosted, idempotency_key=square.new_key())
        for _ in range(count):
            self.square.pay_link(started.ids.page_id)

    def _order_id(self, payment: Payment) -> str:
        return payment.ids.page_id
