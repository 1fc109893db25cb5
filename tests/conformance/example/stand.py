"""The stand of Acme Pay: what the conformance kit needs done there, and what Acme Pay does not have, with reasons."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any, ClassVar

from integrations.contract import DeclineReason, Provider, ProviderIds
from tests.conformance import fault_proxy
from tests.conformance.example.adapter import AcmeProvider
from tests.conformance.example.gateway import ACCOUNT, KEY, Gateway
from tests.conformance.features import Feature
from tests.conformance.stand import Amount, Fault, Means, Moved, Payment, Stand
from tests.receivers.server import serving

FAULTS = {
    Fault.LOST: fault_proxy.CUT_AFTER,
    Fault.HTML_502: fault_proxy.Fault(after=True, status=502, body=b"<html>"),
    Fault.HALF_BODY: fault_proxy.HALF_AFTER,
    Fault.TRUNCATED: fault_proxy.Fault(after=True, status=200, body=b'{"id": '),
    Fault.BROKEN: fault_proxy.Fault(after=False, status=500, body=b"{}"),
    Fault.BUSY: fault_proxy.Fault(after=False, status=429, body=b"{}"),
    Fault.SLOW: fault_proxy.SILENT_AFTER,
}


class AcmeStand(Stand):
    """The gateway in this process, with a proxy before it that spoils requests."""

    name: ClassVar[str] = "acme"
    lacks: ClassVar[Mapping[Feature, str]] = {
        Feature.TOKENS: "the shopper pays on its page",
        Feature.CAPTURE: "money moves when the shopper pays",
        Feature.PAGE_LIFETIME: "its pages stay open until they are closed",
        Feature.EXPIRY: "its pages stay open until they are closed",
        Feature.ACTION: "its banks ask nobody",
        Feature.DECIDED_LATER: "it decides at once",
        Feature.AUTHORIZATION: "it never holds money without taking it",
        Feature.REFUND_DECIDED_LATER: "its refunds succeed at once",
        Feature.DISPUTES: "it tells of them by letter",
        Feature.INQUIRIES: "it tells of them by letter",
        Feature.SIGNED_TIME: "its signatures carry no time",
        Feature.RUNNING_REQUESTS: "the second request waits for the first",
    }
    beyond: ClassVar[Mapping[Feature, str]] = {Feature.NOTIFICATIONS: "the gateway of the example sends none"}
    amounts: ClassVar[Sequence[Amount]] = (Amount(amount_minor=4990, currency="USD", told="4990 USD"),)
    refused_amounts: ClassVar[Sequence[tuple[int, str]]] = ((700, "JPY"), (0, "EUR"))
    never_declined: ClassVar[Mapping[DeclineReason, str]] = {
        reason: "it says no_funds or nothing"
        for reason in DeclineReason
        if reason not in (DeclineReason.INSUFFICIENT_FUNDS, DeclineReason.UNKNOWN)
    }
    secrets: ClassVar[tuple[str, str]] = ("old_secret", "new_secret")
    signed_headers: ClassVar[tuple[str, ...]] = ("acme-signature",)
    unknown_ids: ClassVar[ProviderIds] = ProviderIds(page_id="pay_nobody")
    hostile_ids: ClassVar[Sequence[ProviderIds]] = (ProviderIds(page_id="../account"), ProviderIds(page_id="pay_1?x"))
    wrong_key: ClassVar[str] = "test_of_nobody"
    page_size: ClassVar[int] = 5

    def open(self) -> None:
        self._running = ExitStack()
        self.gateway = Gateway()
        self._proxy = self._running.enter_context(
            fault_proxy.before(self._running.enter_context(serving(self.gateway)))
        )

    def close(self) -> None:
        self._running.close()

    def calm(self) -> None:
        self._proxy.heal()

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> Provider:
        return AcmeProvider(
            environment="test",
            key=key or KEY,
            secrets=secrets or self.secrets[:1],
            base=base or self._proxy.url,
        )

    def misconfigured(self) -> Mapping[str, Callable[[], Provider]]:
        return {"acme.settings": lambda: AcmeProvider(environment="production", key=KEY, secrets=("s",))}

    def pay(self, payment: Payment, means: Means) -> None:
        if means.decline is None:
            self.gateway.take(self._at_acme(payment))
        else:
            said = "no_funds" if means.decline is DeclineReason.INSUFFICIENT_FUNDS else "a_word_of_tomorrow"
            self._at_acme(payment)["declined"] = said

    def pay_closed(self, payment: Payment) -> None:
        self.gateway.take(self._at_acme(payment))

    pay_again = pay_closed

    def pay_other(self, payment: Payment, *, amount_minor: int, currency: str) -> None:
        self.gateway.take(self._at_acme(payment), amount=amount_minor, currency=currency)

    def asked(self, payment: Payment) -> str:
        at_acme = self._at_acme(payment)
        return f"{at_acme['amount']} {at_acme['currency']}"

    def moved(self, payment: Payment) -> Moved:
        at_acme = self._at_acme(payment)
        return Moved(
            captures=len(at_acme["captures"]),
            captured_minor=sum(one["amount"] for one in at_acme["captures"]),
            refunds=len(at_acme["refunds"]),
            refunded_minor=sum(one["amount"] for one in at_acme["refunds"]),
        )

    def turn_live(self, payment: Payment) -> None:
        self._at_acme(payment)["live"] = True

    def move_away(self, payment: Payment) -> None:
        self._at_acme(payment)["account"] = "acct_other"

    def refund(self, payment: Payment, *, amount_minor: int) -> str:
        return str(self.gateway.give_back(self._at_acme(payment), amount=amount_minor)["id"])

    def spoil(self, verb: str, fault: Fault, *, seconds: float = 0.0) -> None:
        self._proxy.spoil(FAULTS[fault], which=1)

    def requests(self) -> int:
        return len(self._proxy.lines)

    def sign(self, body: bytes, *, secret: str = "", at: datetime | None = None) -> Mapping[str, str]:
        key = (secret or self.secrets[0]).encode()
        return {"Acme-Signature": hmac.new(key, body, hashlib.sha256).hexdigest()}

    def event(self, payment: Payment, *, type: str = "", other_mode: bool = False, account: str = "") -> bytes:
        return json.dumps(
            {
                "id": f"evt_{payment.key}",
                "type": type or "payment.changed",
                "live": other_mode,
                "account": account or ACCOUNT,
                "created": datetime.now(UTC).isoformat(),
                "payment": payment.ids.page_id,
                "reference": payment.request.reference,
            }
        ).encode()

    def _at_acme(self, payment: Payment) -> dict[str, Any]:
        return self.gateway.payments[payment.ids.page_id]
