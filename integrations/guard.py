"""The one gate of every adapter verb: no open transaction, breaker, deadline, one mode, one log line, known errors.

Adapters are called through `GuardedProvider` only (providers.get hands nothing else out).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

import structlog

from integrations import correlation, told_amounts
from integrations.contract import (
    BalanceEntry,
    Capabilities,
    CaptureRequest,
    EvidenceTexts,
    ListedCapture,
    ListedEvent,
    ListedRefund,
    Mode,
    Notification,
    NotificationRejected,
    NotificationUnverified,
    Page,
    PayForm,
    PaymentSnapshot,
    PayoutSnapshot,
    PayRequest,
    Provider,
    ProviderError,
    ProviderIds,
    RefundRequest,
    RefundSnapshot,
    Started,
    StartRequest,
    Unavailable,
    WrongMode,
)
from integrations.http import TransactionOpen, refuse_open_transaction, remaining_seconds, total_deadline

if TYPE_CHECKING:  # it needs Django's models, and some ask for adapters before there are any
    from integrations.breaker import ProviderGate

# DESIGN.md, Wake-ups: look 15 s < task 30 < lease 45 < queue retry 120.
VERB_DEADLINE_SECONDS = 15

BEGINS_A_PAYMENT = frozenset({"start"})
"""The verbs that a paused provider does not get. All others only find out, or end what has begun."""

Answer = TypeVar("Answer")
Told = TypeVar("Told", Started, PaymentSnapshot, PayoutSnapshot)

log = structlog.get_logger(__name__)


@dataclass
class _Trace:
    """What one verb did on the wire, for its log line."""

    requests: int = 0
    request_id: str = ""
    details: dict[str, object] = field(default_factory=dict)


_trace: ContextVar[_Trace | None] = ContextVar("provider_trace", default=None)


def note_request(request_id: str) -> None:
    """Adapters tell of each answered request, with the provider's own id of it, for the log line."""
    trace = _trace.get()
    if trace is not None:
        trace.requests += 1
        trace.request_id = request_id or trace.request_id


class GuardedProvider:
    """A provider as the rest of the service sees it. Same verbs; see integrations.contract.Provider.

    On top of the adapter's own errors: TransactionOpen (a defect of the caller), WrongMode, NotTried. Whatever else an
    adapter raises is a defect of the adapter and comes out as Unavailable, since its request may have taken effect.
    """

    def __init__(
        self, adapter: Provider, *, deadline_seconds: float = VERB_DEADLINE_SECONDS, gate: ProviderGate | None = None
    ) -> None:
        """`gate`: the provider's breaker. providers.get gives one; without it every verb goes through."""
        self._adapter = adapter
        self._deadline_seconds = deadline_seconds
        self._gate = gate
        self.name = adapter.name
        self.mode: Mode = adapter.mode
        self.capabilities: Capabilities = adapter.capabilities

    def account(self) -> str:
        return self._call("account", self._adapter.account)

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        return self._call("start", lambda: self._in_mode(self._adapter.start(request, idempotency_key=idempotency_key)))

    def form(self, ids: ProviderIds) -> PayForm:
        return self._call("form", lambda: self._adapter.form(ids))

    def pay_with_token(self, request: PayRequest, *, idempotency_key: str) -> ProviderIds:
        pay = self._adapter.pay_with_token
        return self._call("pay_with_token", lambda: pay(request, idempotency_key=idempotency_key))

    def capture(self, request: CaptureRequest, *, idempotency_key: str) -> ProviderIds:
        return self._call("capture", lambda: self._adapter.capture(request, idempotency_key=idempotency_key))

    def fetch(self, ids: ProviderIds) -> PaymentSnapshot:
        return self._call("fetch", lambda: told_amounts.checked(self._in_mode(self._adapter.fetch(ids))))

    def close(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        self._call("close", lambda: self._adapter.close(ids, idempotency_key=idempotency_key))

    def release(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        self._call("release", lambda: self._adapter.release(ids, idempotency_key=idempotency_key))

    def refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
        return self._call("refund", lambda: self._adapter.refund(request, idempotency_key=idempotency_key))

    def stage_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        stage = self._adapter.stage_evidence
        self._call("stage_evidence", lambda: stage(dispute_id, texts, idempotency_key=idempotency_key))

    def submit_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        submit = self._adapter.submit_evidence
        self._call("submit_evidence", lambda: submit(dispute_id, texts, idempotency_key=idempotency_key))

    def accept_dispute(self, dispute_id: str, *, idempotency_key: str) -> None:
        accept = self._adapter.accept_dispute
        self._call("accept_dispute", lambda: accept(dispute_id, idempotency_key=idempotency_key))

    def find_capture(self, capture_id: str) -> ListedCapture:
        return self._call("find_capture", lambda: self._adapter.find_capture(capture_id))

    def list_captures(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedCapture]:
        return self._call("list_captures", lambda: self._adapter.list_captures(since=since, until=until, cursor=cursor))

    def list_refunds(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedRefund]:
        return self._call("list_refunds", lambda: self._adapter.list_refunds(since=since, until=until, cursor=cursor))

    def list_events(self, *, since: datetime, cursor: str = "", types: tuple[str, ...] = ()) -> Page[ListedEvent]:
        return self._call("list_events", lambda: self._adapter.list_events(since=since, cursor=cursor, types=types))

    def list_payouts(self, *, since: datetime, cursor: str = "") -> Page[PayoutSnapshot]:
        def ask() -> Page[PayoutSnapshot]:
            page = self._adapter.list_payouts(since=since, cursor=cursor)
            for payout in page.items:
                self._in_mode(payout)
            return page

        return self._call("list_payouts", ask)

    def fetch_payout(self, payout_id: str) -> PayoutSnapshot:
        return self._call("fetch_payout", lambda: self._in_mode(self._adapter.fetch_payout(payout_id)))

    def payout_entries(self, payout_id: str, *, cursor: str = "") -> Page[BalanceEntry]:
        return self._call("payout_entries", lambda: self._adapter.payout_entries(payout_id, cursor=cursor))

    def list_balance_entries(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[BalanceEntry]:
        return self._call(
            "list_balance_entries",
            lambda: self._adapter.list_balance_entries(since=since, until=until, cursor=cursor),
        )

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """Prove a webhook. May run inside a transaction, as it is not to open a socket (http.py holds it to that)."""
        with self._line("verify"):
            try:
                notification = self._adapter.verify(headers=headers, body=body, now=now)
            except (NotificationRejected, NotificationUnverified, TransactionOpen):
                raise
            except Exception as defect:
                log.exception("adapter_defect", provider=self.name, verb="verify")
                raise NotificationRejected("the notification could not be read") from defect
            trace = _trace.get()
            if trace is not None:
                trace.details = {"event_id": notification.event_id, "event_type": notification.type}
            return notification

    def prove(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """Prove a webhook by asking the network. Past the breaker: whom it asks may stand in the event itself, and
        forged ones would otherwise shut off the provider."""
        refuse_open_transaction()
        with self._line("prove"), total_deadline(self._deadline_seconds):
            try:
                return self._adapter.prove(headers=headers, body=body, now=now)
            except (NotificationRejected, ProviderError, TransactionOpen):
                raise
            except Exception as defect:
                log.exception("adapter_defect", provider=self.name, verb="prove")
                raise NotificationRejected("the notification could not be read") from defect

    def _call(self, verb: str, ask: Callable[[], Answer]) -> Answer:
        """Run one verb. The breaker stands after the transaction check and around `ask`: it sees each outcome once."""
        refuse_open_transaction()
        with self._line(verb), total_deadline(self._deadline_seconds):
            try:
                with self._passing(verb):
                    return ask()
            except (ProviderError, TransactionOpen):
                raise
            except Exception as defect:
                log.exception("adapter_defect", provider=self.name, verb=verb)
                raise Unavailable(f"the adapter failed on an answer ({type(defect).__name__})") from defect

    def _passing(self, verb: str) -> AbstractContextManager[None]:
        if self._gate is None:
            return nullcontext()
        # A caller in a hurry (the return page) learns nothing of a provider that is only slow.
        left = remaining_seconds()
        hurried = left is not None and left < self._deadline_seconds - 1
        return self._gate.passing(begins=verb in BEGINS_A_PAYMENT, hurried=hurried)

    def _in_mode(self, answer: Told) -> Told:
        if answer.mode != self.mode:
            raise WrongMode(f"{self.name} answered in {answer.mode} mode to a {self.mode} key", answer=answer)
        return answer

    @contextmanager
    def _line(self, verb: str) -> Iterator[None]:
        """Write one line for the verb: no key, no address, nothing of the shopper."""
        trace = _Trace()
        token = _trace.set(trace)
        started = time.monotonic()
        outcome, details = "ok", {}
        try:
            yield
        except ProviderError as error:
            outcome = error.category
            trace.request_id = error.request_id or trace.request_id
            details = {"code": error.code, "http_status": error.http_status, "permanent": error.permanent}
            raise
        except NotificationRejected as error:
            outcome, details = "rejected", {"reason": str(error)}
            raise
        except NotificationUnverified:
            outcome = "unverified"
            raise
        except TransactionOpen:
            outcome = "transaction_open"
            raise
        finally:
            _trace.reset(token)
            # A webhook that proves genuine was no call: whoever asked writes its line (payments/webhooks.py).
            level = logging.DEBUG if verb == "verify" and outcome == "ok" else logging.INFO
            log.log(
                level,
                "provider_call",
                provider=self.name,
                verb=verb,
                outcome=outcome,
                duration_ms=round((time.monotonic() - started) * 1000),
                requests=trace.requests,
                request_id=trace.request_id,
                correlation_id=correlation.current(),
                **trace.details,
                **details,
            )
