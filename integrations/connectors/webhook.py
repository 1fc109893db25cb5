"""Signed HTTP to a receiver's URL, after the Standard Webhooks specification 1.0.0 (standardwebhooks.com).

A receiver should answer 2xx once the message is durable, and take the same `webhook-id` twice as one effect. One that
cannot do so names a look-up address instead: GET <address>/<webhook-id>, signed over an empty body, answers 200 or 404.
"""

from __future__ import annotations

import binascii
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from integrations.connectors.contract import CannotLookUp, Connector, Found, Message, Misconfigured, Receiver, Verdict
from integrations.failure import Failure
from integrations.http import HttpAnswer, OutboundFailed, OutboundRefused, OutboundTimeout, send

# Of the 4xx answers, those that only say "not now".
_NOT_NOW = frozenset({408, 409, 421, 423, 424, 425, 429})
_REFUSES_THE_MESSAGE = frozenset({400, 406, 411, 413, 414, 415, 422, 431})
_GONE = 410


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
        )
        headers = {"content-type": "application/json", **_signed(message.key, body, receiver.secrets, now=now)}
        return Request(
            url=receiver.address, headers=headers, body=body.encode(), allow_loopback=receiver.allow_loopback
        )

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
        """2xx delivers; 410 is final; 429 and 503 may name a time; the rest by what could make the next try succeed."""
        if isinstance(answer, Exception):
            return _of_exception(answer)
        status = answer.status
        if 200 <= status < 300:
            return Verdict(delivered=True, http_status=status)
        if status == _GONE:
            return Verdict(
                failure=Failure.PERMANENT,
                http_status=status,
                detail="The receiver is gone (410).",
                hopeless=True,
                gone=True,
            )
        if status >= 500 or status in _NOT_NOW:
            return Verdict(
                failure=Failure.UNAVAILABLE,
                http_status=status,
                detail=f"The receiver answered {status}.",
                # A receiver that fails with 500 may have failed after it took the message.
                outcome_unknown=status >= 500,
                retry_after_seconds=_retry_after(answer.headers.get("retry-after", ""), now=now),
            )
        failure = Failure.PERMANENT if status in _REFUSES_THE_MESSAGE else Failure.CONFIGURATION
        detail = "redirects are not followed" if 300 <= status < 400 else "mend the receiver or its address"
        return Verdict(failure=failure, http_status=status, detail=f"The receiver answered {status}: {detail}.")


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


def _of_exception(error: Exception) -> Verdict:
    if isinstance(error, OutboundTimeout):
        return Verdict(failure=Failure.TIMEOUT, detail="No whole answer in time.", outcome_unknown=True)
    if isinstance(error, OutboundFailed):
        return Verdict(failure=Failure.UNAVAILABLE, detail=f"{error}"[:300], outcome_unknown=True)
    if isinstance(error, OutboundRefused | Misconfigured):
        return Verdict(failure=Failure.CONFIGURATION, detail=f"Not sent: {error}"[:300])
    if isinstance(error, CannotLookUp):
        return Verdict(failure=Failure.UNAVAILABLE, detail=f"{error}"[:300], outcome_unknown=True)
    return Verdict(failure=Failure.INTERNAL, detail=f"A defect of ours: {type(error).__name__}.")


def _retry_after(value: str, *, now: datetime) -> int | None:
    """Read a Retry-After of either form (RFC 9110, 10.2.3) as seconds from `now`; None when there is none to read."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return int(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int((moment - now).total_seconds()))
