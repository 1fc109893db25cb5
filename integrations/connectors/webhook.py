"""Signed HTTP to a receiver's URL, after the Standard Webhooks specification 1.0.0 (standardwebhooks.com).

A receiver should answer 2xx once the message is durable, and take the same `webhook-id` twice as one effect. One that
cannot do so names a look-up address instead: GET <address>/<webhook-id>, signed over an empty body, answers 200 or 404.

Where the receiver gave its public key, the body is sealed to it (sealing.py), and what is signed is the sealed body.
"""

from __future__ import annotations

import binascii
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from integrations.connectors.answers import GONE, verdict_of
from integrations.connectors.contract import CannotLookUp, Connector, Found, Message, Misconfigured, Receiver, Verdict
from integrations.connectors.sealing import CONTENT_TYPE, read_public_key, seal_to
from integrations.http import HttpAnswer, send


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One signed POST."""

    url: str
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    allow_loopback: bool


class WebhookConnector(Connector):
    """POSTs `{"type", "id", "timestamp", "data"}`: the fact, its event's id, when it became true, and its payload."""

    kind = "webhook"

    def check(self, receiver: Receiver) -> None:
        """Raise Misconfigured unless what there is of key and secrets can be used. There are no options."""
        if receiver.options:
            raise Misconfigured("A webhook has no options.")
        if receiver.public_key:
            read_public_key(receiver.public_key)
        if receiver.secrets:
            _signed("", "", receiver.secrets, now=datetime.fromtimestamp(0, tz=UTC))

    def build(self, message: Message, receiver: Receiver, *, now: datetime) -> Request:
        """Return the POST, signed with each of the receiver's secrets. Raises Misconfigured."""
        body = json.dumps(
            {
                "type": message.fact,
                "id": message.event_id,
                "timestamp": message.occurred_at.astimezone(UTC).isoformat(),
                "data": message.payload,
            },
            ensure_ascii=False,
            allow_nan=False,
        ).encode()
        content_type = "application/json"
        if receiver.public_key:
            body, content_type = seal_to(receiver.public_key, body), CONTENT_TYPE
        headers = {"content-type": content_type, **_signed(message.key, body.decode(), receiver.secrets, now=now)}
        return Request(url=receiver.address, headers=headers, body=body, allow_loopback=receiver.allow_loopback)

    def find(self, message: Message, receiver: Receiver, *, now: datetime, deadline_seconds: float) -> Found | None:
        """Ask the receiver's look-up address, if it has one. Raises CannotLookUp unless it says 200 or 404."""
        if not receiver.lookup_address:
            return None
        answer = send(
            "GET",
            f"{receiver.lookup_address.rstrip('/')}/{message.key}",
            headers=_signed(message.key, "", receiver.secrets, now=now),
            body=b"",
            deadline_seconds=deadline_seconds,
            allow_loopback=receiver.allow_loopback,
        )
        if answer.status not in (200, 404):
            raise CannotLookUp(f"The look-up address answered {answer.status}.")
        return Found() if answer.status == 200 else None

    def send(self, request: Request, *, deadline_seconds: float) -> HttpAnswer:
        """POST once. Raises OutboundTimeout, OutboundFailed, OutboundRefused."""
        return send(
            "POST",
            request.url,
            headers=request.headers,
            body=request.body,
            deadline_seconds=deadline_seconds,
            allow_loopback=request.allow_loopback,
        )

    def classify(self, answer: HttpAnswer | Exception, *, now: datetime) -> Verdict:
        """By the status alone; see answers.py. 410: it wants nothing any more (the specification's own word for it)."""
        verdict = verdict_of(answer, now=now)
        return replace(verdict, gone=True) if verdict.http_status == GONE else verdict


def _signed(key: str, body: str, secrets: tuple[str, ...], *, now: datetime) -> dict[str, str]:
    if not secrets:
        raise Misconfigured("The destination has no signing secret.")
    # The library reads a datetime's wall time as UTC whatever its zone.
    moment = now.astimezone(UTC)
    try:
        signatures = [Webhook(secret).sign(key, moment, body) for secret in secrets]
    except (EmptyWebhookSecretError, binascii.Error, ValueError) as error:
        raise Misconfigured("A signing secret is empty or not base64 (whsec_…).") from error
    return {
        "webhook-id": key,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
