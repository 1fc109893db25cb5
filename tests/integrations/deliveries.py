"""Destinations, facts and a scripted connector, for the tests of the way out."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from unittest import mock

from django.db import transaction

from integrations import outbox
from integrations.connectors import CONNECTORS
from integrations.connectors.contract import Connector, Found, Message, Receiver, Verdict
from integrations.facts import Fact
from integrations.models import Delivery, Destination, DestinationKind

SECRET = "whsec_c2lnbmluZy1zZWNyZXQtb2YtdGhlLXRlc3Rz"  # pragma: allowlist secret
OLD_SECRET = "whsec_dGhlLXNlY3JldC1iZWZvcmUtdGhhdC1vbmUtaGVyZQ"  # pragma: allowlist secret
_names = itertools.count(1)

ORDER: dict[str, Any] = {
    "number": 1042,
    "token": "t0ken",
    "state": "paid",
    "email": "shopper@example.com",
    "locale": "de_DE",
    "currency": "EUR",
    "currency_exponent": 2,
    "total_minor": 123450,
    "total_display": "1.234,50 €",
    "lines": [
        {
            "sku": "MUG",
            "name": "Mug <b>&</b> saucer",
            "quantity": 2,
            "unit_price_minor": 61725,
            "total_minor": 123450,
            "total_display": "1.234,50 €",
        }
    ],
    "placed_at": "2026-11-21T11:58:00+00:00",
    "expires_at": "2026-11-21T12:58:00+00:00",
    "paid_at": "2026-11-21T12:00:00+00:00",
    "status_url": "https://shop.example/orders/t0ken/",
    "pay_url": "https://shop.example/pay/t0ken/",
}
"""What orders/facts.py writes about an order."""


def make_destination(*, now: datetime, secrets: tuple[str, ...] = (SECRET,), **fields: Any) -> Destination:
    """Return a saved destination: a webhook that declares idempotency and wants every fact, unless told otherwise."""
    defaults: dict[str, Any] = {
        "name": f"receiver {next(_names)}",
        "kind": DestinationKind.WEBHOOK,
        "address": "http://127.0.0.1:9/",
        "idempotent": True,
        "allow_loopback": True,
        "facts": [fact.value for fact in Fact],
        "created_at": now,
    }
    destination = Destination(**(defaults | fields))
    if secrets:
        destination.set_signing_secrets(secrets)
    destination.save()
    return destination


def make_mailbox(*, now: datetime, **fields: Any) -> Destination:
    """Return a saved destination of kind mail."""
    fields = {"kind": DestinationKind.MAIL, "address": "", "facts": [Fact.ORDER_PAID.value], **fields}
    return make_destination(now=now, secrets=(), **fields)


def tell(*, now: datetime, fact: Fact = Fact.ORDER_PAID, **payload: Any) -> list[Delivery]:
    """Record one fact about order 1042; return its deliveries."""
    with transaction.atomic():
        event = outbox.record(fact, subject_kind="order", subject_id=1042, payload={**ORDER, **payload}, now=now)
    return list(event.deliveries.select_related("event", "destination").order_by("pk"))


class ScriptedConnector(Connector):
    """Gives the verdicts it was told, then delivers; notes what was asked of it.

    `verdicts` go to whichever thread sends first; `of_key` is for tests of more receivers than one.
    """

    kind = "webhook"

    def __init__(self, *verdicts: Verdict | Exception) -> None:
        self.verdicts = list(verdicts)
        self.of_key: dict[str, Verdict] = {}
        self.sent: list[str] = []
        self.looked_up: list[str] = []
        self.has: set[str] = set()
        self.external_ids: dict[str, str] = {}

    def build(self, message: Message, receiver: Receiver, *, now: datetime) -> str:
        return message.key

    def find(self, message: Message, receiver: Receiver, **_: Any) -> Found | None:
        self.looked_up.append(message.key)
        return Found(external_ids=self.external_ids) if message.key in self.has else None

    def send(self, request: str, *, deadline_seconds: float) -> Verdict:
        self.sent.append(request)
        if request in self.of_key:
            return self.of_key[request]
        verdict = self.verdicts.pop(0) if self.verdicts else Verdict(delivered=True, http_status=200)
        if isinstance(verdict, Exception):
            raise verdict
        return verdict

    def classify(self, answer: Verdict | Exception, *, now: datetime) -> Verdict:
        if isinstance(answer, Exception):
            return CONNECTORS["mail"].classify(answer, now=now)
        return answer


@contextmanager
def connecting(connector: Any) -> Iterator[Any]:
    """Let `connector` stand for all webhooks."""
    with mock.patch.dict(CONNECTORS, {"webhook": connector}):
        yield connector
