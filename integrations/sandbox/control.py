"""A typed client of the sandbox's control API, for tests, the demo and `trigger`. Standard library only.

sandbox = SandboxControl("http://127.0.0.1:4010")
sandbox.pay(session_id, card="4000000000009995")
"""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]


class ControlError(Exception):
    """The sandbox refused a control request; its sentence is the message."""


@dataclass(frozen=True)
class RecordedRequest:
    """One request that reached the sandbox. `status` 0: no answer was sent. `at` is real time in seconds."""

    id: int
    at: float
    method: str
    path: str
    params: Json
    idempotency_key: str | None
    api_version: str | None
    request_id: str | None
    status: int
    replayed: bool
    fault: str | None


@dataclass(frozen=True)
class WebhookAttempt:
    """One try to deliver an event. `seconds` is how long the shop took; `status` None: no answer, see `error`."""

    at: float
    seconds: float
    status: int | None
    error: str | None


@dataclass(frozen=True)
class Delivery:
    """One delivery of an event: queued, sending, held, lost, delivered or failed."""

    id: int
    event_id: str
    type: str
    state: str
    due: float
    attempts: tuple[WebhookAttempt, ...]


@dataclass(frozen=True)
class Sent:
    """What the shop answered to a delivery that was released by hand."""

    event_id: str
    type: str
    status: int | None
    error: str | None


@dataclass(frozen=True)
class Payment:
    """What a press of *Pay* did. `decline_code` None: not declined (paid, authenticating or processing)."""

    session: Json
    payment_intent: str
    decline_code: str | None


@dataclass(frozen=True)
class Effect:
    """The money that really moved under one intent, in minor units. `withdrawn_minor` is what disputes took, less what
    they gave back, without their fees.
    """

    payment_intent: str
    session: str | None
    metadata: dict[str, str]
    status: str
    currency: str
    charges: list[Json]
    refunds: list[Json]
    disputes: list[Json]
    captured_minor: int
    refunded_minor: int
    withdrawn_minor: int


class SandboxControl:
    """Drives one sandbox process. Every method raises ControlError when the sandbox says no, OSError when it is not
    there.
    """

    def __init__(self, url: str, *, timeout_seconds: float = 60.0) -> None:
        self.url = url.rstrip("/")
        self._address = urlsplit(url)
        self._timeout = timeout_seconds

    def _call(self, verb: str, **args: Any) -> Json:
        connection = http.client.HTTPConnection(
            self._address.hostname or "", self._address.port or 80, timeout=self._timeout
        )
        try:
            body = json.dumps(args).encode()
            connection.request("POST", f"/_sandbox/{verb}", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer: Json = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ControlError(f"{verb}: {answer['error']['message']}")
        return answer

    # State.

    def health(self) -> Json:
        """Provider, clock and queue length."""
        return self._call("health")

    def reset(self) -> None:
        """Forgets everything but the account and the webhook endpoint."""
        self._call("reset")

    def set_clock(self, *, offset_seconds: int) -> int:
        """Moves the sandbox's clock to real time plus the offset; returns its new reading (seconds)."""
        return int(self._call("settings", clock_offset_seconds=offset_seconds)["now"])

    def advance_clock(self, *, seconds: int) -> int:
        """Moves the clock on; what becomes due happens at once. Returns its new reading (seconds)."""
        offset = self._call("settings")["clock_offset_seconds"] + seconds
        self._call("settings", clock_offset_seconds=offset)
        self._call("effects")
        return int(self.health()["now"])

    def configure(
        self, *, signature_offset_seconds: int | None = None, balance_delay_seconds: int | None = None,
        list_lag_seconds: int | None = None,
    ) -> None:  # fmt: skip
        """Shifts webhook signature times; delays balance entries (they then lack in the first look); lets lists lag:
        what was made within `list_lag_seconds` is found by its id only.
        """
        wanted = {
            "signature_offset_seconds": signature_offset_seconds,
            "balance_delay_seconds": balance_delay_seconds,
            "list_lag_seconds": list_lag_seconds,
        }
        self._call("settings", **{name: value for name, value in wanted.items() if value is not None})

    # The oracle.

    def requests(
        self, *, method: str | None = None, path_prefix: str = "/", after_id: int = 0
    ) -> list[RecordedRequest]:
        """What reached the sandbox, oldest first."""
        rows = self._call("requests", method=method, path_prefix=path_prefix, after_id=after_id)["requests"]
        return [RecordedRequest(**row) for row in rows]

    def effects(self) -> list[Effect]:
        """The money that moved, per intent, oldest first."""
        return [Effect(**row) for row in self._call("effects")["effects"]]

    # Faults at the API.

    def fault(
        self, kind: str, *, method: str | None = None, path_prefix: str = "/v1/", times: int = 1,
        seconds: float = 0.0,
        after: bool = False,
    ) -> None:  # fmt: skip
        """The next `times` matching requests suffer `kind` (see faults.KINDS); `after` means once the effect is
        committed.
        """
        self._call(
            "faults.add",
            kind=kind,
            method=method,
            path_prefix=path_prefix,
            times=times,
            seconds=seconds,
            after=after,
        )

    def faults(self) -> list[Json]:
        """The switches that still have hits left."""
        found: list[Json] = self._call("faults.list")["faults"]
        return found

    def clear_faults(self) -> None:
        """Switches all API faults off."""
        self._call("faults.clear")

    # Webhooks.

    def set_webhook(
        self,
        *,
        url: str | None = None,
        secrets: Sequence[str] | None = None,
        retry_seconds: Sequence[float] | None = None,
    ) -> None:
        """Changes the endpoint. Several secrets sign together, as in a rotation. Retries wait `retry_seconds` each."""
        wanted = {"url": url, "secrets": secrets, "retry_seconds": retry_seconds}
        self._call("webhooks.endpoint", **{name: value for name, value in wanted.items() if value is not None})

    def webhook_rule(
        self,
        action: str,
        *,
        types: Sequence[str] = (),
        times: int | None = None,
        seconds: float = 0.0,
        window: int = 2,
    ) -> None:
        """lose, hold, delay (by `seconds`), double, or reorder (reverse each `window` events): the next `times`, or
        all.
        """
        self._call("webhooks.rule", action=action, types=list(types), times=times, seconds=seconds, window=window)

    def clear_webhook_rules(self) -> None:
        """Switches all webhook rules off. Held deliveries stay held."""
        self._call("webhooks.clear_rules")

    def deliveries(self, *, state: str | None = None, event_id: str | None = None) -> list[Delivery]:
        """Deliveries with their attempts, oldest first."""
        rows = self._call("webhooks.deliveries", state=state, event_id=event_id)["deliveries"]
        return [
            Delivery(**{**row, "attempts": tuple(WebhookAttempt(**attempt) for attempt in row["attempts"])})
            for row in rows
        ]

    def release(self, *, event_ids: Sequence[str] | None = None, order: str = "queued") -> list[Sent]:
        """Sends held deliveries one by one (`queued`, `reversed` or `given` order) and returns the shop's answers."""
        wanted = None if event_ids is None else list(event_ids)
        sent = self._call("webhooks.release", event_ids=wanted, order=order)["sent"]
        return [Sent(row["event_id"], row["type"], row["status"], row["error"]) for row in sent]

    def resend(self, event_id: str) -> None:
        """Queues an event once more."""
        self._call("webhooks.resend", event_id=event_id)

    def send_raw(
        self, body: bytes, *, secret: str | None = None, timestamp: int | None = None,
        headers: Mapping[str, str | None] | None = None,
    ) -> tuple[int | None, str | None]:  # fmt: skip
        """POSTs signed raw bytes to the shop; returns (status, error). A header of None is left out."""
        encoded = base64.b64encode(body).decode()
        answer = self._call(
            "webhooks.send_raw",
            body_base64=encoded,
            secret=secret,
            timestamp=timestamp,
            headers=dict(headers or {}),
        )
        return answer["status"], answer["error"]

    # The shopper, the bank and the dashboard.

    def pay(
        self, session: str, *, card: str = "4242424242424242", method: str = "card", email: str | None = None,
        force: bool = False, amount: int | None = None, currency: str | None = None,
    ) -> Payment:  # fmt: skip
        """Presses *Pay*. `method` is card or debit. `force` pays an expired or paid session (late or second money).

        `amount` (minor units) and `currency` change what is charged and what the session shows: hostile cases.
        """
        answer = self._call(
            "sessions.pay", session=session, card=card, method=method, email=email, force=force,
            amount=amount,
            currency=currency,
        )  # fmt: skip
        return Payment(**answer)

    def pay_again(self, session: str, *, amount: int | None = None) -> Json:
        """A second succeeded charge on a paid session's own intent."""
        return self._call("sessions.pay_again", session=session, amount=amount)

    def authenticate(self, session_or_intent: str, *, success: bool = True) -> Json:
        """Ends the 3-D Secure challenge."""
        return self._call("payments.authenticate", id=session_or_intent, success=success)

    def settle(self, session_or_intent: str, *, success: bool = True) -> Json:
        """The bank's late answer to a debit."""
        return self._call("payments.settle", id=session_or_intent, success=success)

    def refund(self, *, payment_intent: str, amount: int | None = None, reason: str | None = None) -> Json:
        """A refund made at the provider, behind our back; `amount` in minor units, default all that is left."""
        wanted = {"payment_intent": payment_intent, "amount": amount, "reason": reason}
        return self._call("refunds.create", **{name: value for name, value in wanted.items() if value is not None})

    def move_refund(self, refund: str, *, status: str, failure_reason: str | None = None) -> Json:
        """What the bank does to a refund: succeeded, failed, canceled, pending, requires_action."""
        return self._call("refunds.move", id=refund, status=status, failure_reason=failure_reason)

    def dispute(
        self, *, payment_intent: str, reason: str | None = None, inquiry: bool = False, amount: int | None = None
    ) -> Json:
        """The cardholder's bank disputes a payment: a chargeback, or an inquiry, which moves no money yet.

        `reason` is one of Stripe's (fraudulent), `amount` in minor units, default all that was captured.
        """
        return self._call(
            "disputes.create", payment_intent=payment_intent, reason=reason, inquiry=inquiry, amount=amount
        )

    def move_dispute(self, dispute: str, *, status: str) -> Json:
        """What the bank does to a dispute: under_review, won, lost.

        To an inquiry: warning_under_review, warning_closed, or needs_response (its escalation to a chargeback).
        """
        return self._call("disputes.move", id=dispute, status=status)

    def pay_out(
        self, *, currency: str = "eur", automatic: bool = True, amount: int | None = None, early: bool = False,
        reconciled: bool = True,
    ) -> Json:  # fmt: skip
        """Pays out all that is available in a currency; a manual payout (`automatic=False`) may take a part of it.

        `early` counts what is not available yet; without `reconciled` the payout's entries are not listed before
        `complete_payout`. It begins as `pending`: move_payout says what the bank does.
        """
        return self._call(
            "payouts.create",
            currency=currency,
            automatic=automatic,
            amount=amount,
            early=early,
            reconciled=reconciled,
        )

    def complete_payout(self, payout: str) -> Json:
        """Lets the provider end its reconciliation of an automatic payout."""
        return self._call("payouts.complete", id=payout)

    def move_payout(self, payout: str, *, status: str, failure_code: str | None = None) -> Json:
        """What the bank does to a payout: in_transit, paid, failed (even after paid), canceled."""
        return self._call("payouts.move", id=payout, status=status, failure_code=failure_code)

    def adjust(
        self, *, amount: int, currency: str = "eur", kind: str = "adjustment", description: str | None = None
    ) -> Json:
        """An entry of the balance without a source (`amount` signed, in minor units): adjustment or stripe_fee."""
        return self._call("balance.adjust", amount=amount, currency=currency, kind=kind, description=description)

    def settle_in(self, currency: str, *, rates: Mapping[str, str]) -> Json:
        """From now on, converts what is charged in other currencies (`{"usd": "0.92"}`) into the account's own."""
        return self._call("balance.settle_in", currency=currency, rates=dict(rates))

    def create_event(
        self, event_type: str, *, obj: str | Mapping[str, Any], changes: Mapping[str, Any] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Json:  # fmt: skip
        """Records and sends any event. `obj` is an id or a whole object; `changes` go over it, `overrides` over the
        event.

        Another account: `overrides={"account": "acct_other"}`; another mode: `overrides={"livemode": True}`.
        """
        subject = obj if isinstance(obj, str) else dict(obj)
        return self._call(
            "events.create",
            type=event_type,
            object=subject,
            changes=dict(changes or {}),
            overrides=dict(overrides or {}),
        )

    def get(self, object_id: str) -> Json:
        """Any object, as the API shows it."""
        return self._call("objects.get", id=object_id)

    def patch(self, object_id: str, **changes: Any) -> Json:
        """Overwrites top-level fields, without events."""
        return self._call("objects.patch", id=object_id, changes=changes)

    def forget(self, object_id: str) -> bool:
        """Makes the provider forget an object."""
        return bool(self._call("objects.delete", id=object_id)["deleted"])
