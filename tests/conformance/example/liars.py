"""Adapters and stands with one fault each, so that it is known that the kit finds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar

from integrations.contract import (
    InvalidRequest,
    Mode,
    Notification,
    Page,
    PaymentSnapshot,
    PayoutSnapshot,
    Provider,
    ProviderIds,
    RefundRequest,
    RefundSnapshot,
    Unavailable,
)
from tests.conformance.example.adapter import AcmeProvider
from tests.conformance.example.gateway import KEY
from tests.conformance.example.stand import AcmeStand
from tests.conformance.stand import Payment, Stand


class _Liar(AcmeStand):
    made: ClassVar[type[AcmeProvider]]

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> Provider:
        return self.made(
            environment="test", key=key or KEY, secrets=secrets or self.secrets[:1], base=base or self._proxy.url
        )


class Declares(_Liar):
    class made(AcmeProvider):  # noqa: N801
        capabilities = replace(AcmeProvider.capabilities, lists_payments=True)

    name: ClassVar[str] = "declares"


class Hides(_Liar):
    class made(AcmeProvider):  # noqa: N801
        def list_payouts(self, *, since: datetime, cursor: str = "") -> Page[PayoutSnapshot]:
            return Page()

    name: ClassVar[str] = "hides"


class LeavesOut(AcmeStand):
    name: ClassVar[str] = "leavesout"
    pay_other = Stand.pay_other


class Blind(_Liar):
    class made(AcmeProvider):  # noqa: N801
        def fetch(self, ids: ProviderIds) -> PaymentSnapshot:
            told = super().fetch(ids)
            captures = (
                replace(capture, amount_minor=told.amount_minor, currency=told.currency) for capture in told.captures
            )
            return replace(told, captures=tuple(captures))

    name: ClassVar[str] = "blind"


class Forgets(_Liar):
    class made(AcmeProvider):  # noqa: N801
        def _ask(self, method: str, path: str, *, key: str = "", body: Any = None) -> dict[str, Any]:
            return super()._ask(method, path, body=body)

    name: ClassVar[str] = "forgets"


class Believes(_Liar):
    class made(AcmeProvider):  # noqa: N801
        def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
            return Notification(
                provider=self.name, event_id="evt_1", type="payment.changed", mode=Mode.TEST, account="",
                created_at=now, object_ids=(), ids=ProviderIds(), reference="", relevant=True,
            )  # fmt: skip

    name: ClassVar[str] = "believes"


class Retries(_Liar):
    class made(AcmeProvider):  # noqa: N801
        def refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
            try:
                return super().refund(request, idempotency_key=idempotency_key)
            except Unavailable:
                return super().refund(request, idempotency_key=idempotency_key)

    name: ClassVar[str] = "retries"


class Resigned(_Liar):
    class made(AcmeProvider):  # noqa: N801
        def refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
            try:
                return super().refund(request, idempotency_key=idempotency_key)
            except Unavailable as error:
                raise InvalidRequest("no answer, so nothing happened") from error

    name: ClassVar[str] = "resigned"


class Modeless(_Liar):
    class made(AcmeProvider):  # noqa: N801
        def fetch(self, ids: ProviderIds) -> PaymentSnapshot:
            return replace(super().fetch(ids), mode=self.mode)

    name: ClassVar[str] = "modeless"

    def turn_live(self, payment: Payment) -> None:
        self.gateway.payments[payment.ids.page_id]["live"] = True
