"""The gate of every adapter verb, with an adapter that does whatever a test wants."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from django.db import transaction

from integrations import correlation, guard, http
from integrations.contract import (
    BalanceEntry,
    Capabilities,
    CaptureRequest,
    ConfigurationError,
    EvidenceTexts,
    ListedCapture,
    ListedEvent,
    ListedRefund,
    ListedStatus,
    Mode,
    Notification,
    NotificationRejected,
    NotificationUnverified,
    Page,
    PayForm,
    PaymentSnapshot,
    PaymentStatus,
    PayoutSnapshot,
    PayoutStatus,
    PayRequest,
    ProviderIds,
    RateLimited,
    RefundReason,
    RefundRequest,
    RefundSnapshot,
    Started,
    StartRequest,
    Unavailable,
    WrongMode,
)
from integrations.guard import GuardedProvider
from integrations.http import TransactionOpen

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
IDS = ProviderIds(page_id="page_1")
STARTED = Started(ids=IDS, account="acct_1", mode=Mode.TEST, redirect_url="https://pay.example/1", expires_at=NOW)
SNAPSHOT = PaymentSnapshot(
    provider="scripted",
    account="acct_1",
    mode=Mode.TEST,
    reference="pa_1",
    ids=IDS,
    status=PaymentStatus.PENDING,
    amount_minor=100,
    currency="EUR",
    page_open=True,
)
PAYOUT = PayoutSnapshot(
    payout_id="po_1",
    mode=Mode.TEST,
    amount_minor=100,
    currency="EUR",
    status=PayoutStatus.PAID,
    created_at=NOW,
    arrives_at=NOW,
    automatic=True,
    entries_complete=True,
)
NOTIFICATION = Notification(
    provider="scripted",
    event_id="evt_1",
    type="paid",
    mode=Mode.LIVE,
    account="",
    created_at=NOW,
    object_ids=(),
    ids=IDS,
    reference="pa_1",
    relevant=True,
)
REQUEST = StartRequest(
    reference="pa_1",
    amount_minor=100,
    currency="EUR",
    order_number="1",
    lines=(),
    email="ann@example.org",
    return_url="https://shop.example/r",
    cancel_url="https://shop.example/c",
    expires_at=NOW,
)
REFUND = RefundSnapshot(refund_id="re_1", capture_id="ch_1", amount_minor=100, currency="EUR", status="pending")
REFUND_REQUEST = RefundRequest(
    reference="rf_1",
    ids=IDS,
    capture_id="ch_1",
    amount_minor=100,
    currency="EUR",
    reason=RefundReason.REQUESTED_BY_CUSTOMER,
)


CAPTURE = ListedCapture(
    capture_id="ch_1",
    reference="pa_1",
    ids=IDS,
    account="acct_1",
    mode=Mode.LIVE,
    status=ListedStatus.CAPTURED,
    amount_minor=100,
    currency="EUR",
    listed_at=NOW,
    captured_at=NOW,
)


FORM = PayForm(scripts=("https://frame.example/1.js",), parameters={"key": "public"}, takes_token=True)
CAPTURE_REQUEST = CaptureRequest(ids=IDS, reference="pa_1", amount_minor=100, currency="EUR")
PAY_REQUEST = PayRequest(
    ids=IDS, reference="pa_1", amount_minor=100, currency="EUR", order_number="1", email="", token="tok_1"
)


class Scripted:
    """An adapter whose every verb runs the same script."""

    name = "scripted"
    mode = Mode.TEST
    capabilities = Capabilities(
        key_lifetime_seconds=1,
        key_max_length=1,
        lookup_settles_after_seconds=1,
        page_lifetime_min_seconds=1,
        page_lifetime_max_seconds=1,
        currencies=frozenset({"EUR"}),
    )

    def __init__(self, script: Callable[[], Any]) -> None:
        self.script = script

    def account(self) -> str:
        return str(self.script())

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        return self.script() or STARTED

    def fetch(self, ids: ProviderIds) -> PaymentSnapshot:
        return self.script() or SNAPSHOT

    def find_capture(self, capture_id: str) -> ListedCapture:
        return self.script() or CAPTURE

    def list_captures(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedCapture]:
        return self.script() or Page(items=(CAPTURE,))

    def list_refunds(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedRefund]:
        return self.script() or Page()

    def list_events(self, *, since: datetime, cursor: str = "", types: tuple[str, ...] = ()) -> Page[ListedEvent]:
        return self.script() or Page()

    def form(self, ids: ProviderIds) -> PayForm:
        return self.script() or FORM

    def pay_with_token(self, request: PayRequest, *, idempotency_key: str) -> ProviderIds:
        return self.script() or IDS

    def capture(self, request: CaptureRequest, *, idempotency_key: str) -> ProviderIds:
        return self.script() or IDS

    def close(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        self.script()

    def release(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        self.script()

    def refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
        return self.script() or REFUND

    def stage_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        self.script()

    def submit_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        self.script()

    def accept_dispute(self, dispute_id: str, *, idempotency_key: str) -> None:
        self.script()

    def list_payouts(self, *, since: datetime, cursor: str = "") -> Page[PayoutSnapshot]:
        return Page(items=(self.script() or PAYOUT,))

    def fetch_payout(self, payout_id: str) -> PayoutSnapshot:
        return self.script() or PAYOUT

    def payout_entries(self, payout_id: str, *, cursor: str = "") -> Page[BalanceEntry]:
        return self.script() or Page()

    def list_balance_entries(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[BalanceEntry]:
        return self.script() or Page()

    def verify(self, **kwargs: Any) -> Notification:
        return self.script() or NOTIFICATION

    prove = verify


def raising(error: BaseException) -> Callable[[], Any]:
    def script() -> None:
        raise error

    return script


VERBS: dict[str, Callable[[GuardedProvider], Any]] = {
    "account": lambda provider: provider.account(),
    "start": lambda provider: provider.start(REQUEST, idempotency_key="k"),
    "fetch": lambda provider: provider.fetch(IDS),
    "form": lambda provider: provider.form(IDS),
    "pay_with_token": lambda provider: provider.pay_with_token(PAY_REQUEST, idempotency_key="k"),
    "capture": lambda provider: provider.capture(CAPTURE_REQUEST, idempotency_key="k"),
    "refund": lambda provider: provider.refund(REFUND_REQUEST, idempotency_key="k"),
    "close": lambda provider: provider.close(IDS, idempotency_key="k"),
    "find_capture": lambda provider: provider.find_capture("ch_1"),
    "list_captures": lambda provider: provider.list_captures(since=NOW, until=NOW),
    "list_refunds": lambda provider: provider.list_refunds(since=NOW, until=NOW),
    "list_events": lambda provider: provider.list_events(since=NOW),
    "list_payouts": lambda provider: provider.list_payouts(since=NOW),
    "fetch_payout": lambda provider: provider.fetch_payout("po_1"),
    "payout_entries": lambda provider: provider.payout_entries("po_1"),
    "list_balance_entries": lambda provider: provider.list_balance_entries(since=NOW, until=NOW),
}
on_every_verb = pytest.mark.parametrize("verb", VERBS)


class TestTransactions:
    @on_every_verb
    @pytest.mark.django_db(transaction=True)
    def test_no_verb_begins_inside_a_transaction(self, verb: str) -> None:
        asked: list[str] = []
        provider = GuardedProvider(Scripted(lambda: asked.append(verb)))
        with transaction.atomic(), pytest.raises(TransactionOpen, match="commit it before"):
            VERBS[verb](provider)
        assert asked == []
        VERBS[verb](provider)
        assert asked == [verb]

    @pytest.mark.django_db
    def test_the_transaction_that_a_test_runs_in_does_not_count(self) -> None:
        assert GuardedProvider(Scripted(lambda: None)).fetch(IDS) == SNAPSHOT

    @pytest.mark.django_db(transaction=True)
    def test_a_webhook_may_be_read_inside_one_as_it_opens_no_socket(self) -> None:
        with transaction.atomic():
            assert GuardedProvider(Scripted(lambda: None)).verify(headers={}, body=b"", now=NOW) == NOTIFICATION

    @pytest.mark.django_db(transaction=True)
    def test_a_verify_that_does_open_one_is_stopped_there(self) -> None:
        call_out = lambda: http.send("GET", "https://keys.example/", headers={}, deadline_seconds=1)
        with transaction.atomic(), pytest.raises(TransactionOpen):
            GuardedProvider(Scripted(call_out)).verify(headers={}, body=b"", now=NOW)

    @pytest.mark.django_db(transaction=True)
    def test_a_proof_that_asks_the_network_does_not(self) -> None:
        provider = GuardedProvider(Scripted(lambda: None))
        with transaction.atomic(), pytest.raises(TransactionOpen, match="commit it before"):
            provider.prove(headers={}, body=b"", now=NOW)
        assert provider.prove(headers={}, body=b"", now=NOW) == NOTIFICATION


class TestModes:
    @pytest.mark.parametrize(
        ("verb", "answer"),
        [("start", STARTED), ("fetch", SNAPSHOT), ("fetch_payout", PAYOUT), ("list_payouts", PAYOUT)],
    )
    def test_an_answer_in_the_other_mode_is_never_handed_on(self, verb: str, answer: Any) -> None:
        other = replace(answer, mode=Mode.LIVE)
        with pytest.raises(WrongMode) as caught:
            VERBS[verb](GuardedProvider(Scripted(lambda: other)))
        assert caught.value.answer is other
        assert caught.value.permanent

    def test_a_notification_in_the_other_mode_is_handed_on_to_become_a_case(self) -> None:
        seen = GuardedProvider(Scripted(lambda: None)).verify(headers={}, body=b"", now=NOW)
        assert seen.mode is Mode.LIVE


class TestDeadlines:
    @on_every_verb
    def test_every_verb_runs_under_a_total_deadline(self, verb: str) -> None:
        left: list[float | None] = []
        VERBS[verb](GuardedProvider(Scripted(lambda: left.append(http.remaining_seconds()))))
        assert left[0] is not None
        assert 14 < left[0] <= guard.VERB_DEADLINE_SECONDS
        assert http.remaining_seconds() is None

    def test_a_callers_shorter_deadline_holds(self) -> None:
        left: list[float | None] = []
        with http.total_deadline(3):
            GuardedProvider(Scripted(lambda: left.append(http.remaining_seconds()))).fetch(IDS)
        assert left[0] is not None
        assert left[0] <= 3

    def test_an_adapters_timeout_is_an_unknown_outcome(self) -> None:
        def sleepy() -> None:
            time.sleep(0.05)
            http.remaining_seconds()

        with pytest.raises(Unavailable) as caught:
            GuardedProvider(Scripted(sleepy), deadline_seconds=0.01).fetch(IDS)
        assert caught.value.outcome_unknown


class TestErrors:
    @on_every_verb
    @pytest.mark.parametrize("error", [RateLimited("slower"), ConfigurationError("key"), Unavailable("away")])
    def test_known_errors_pass_as_they_are(self, verb: str, error: Exception) -> None:
        with pytest.raises(type(error)) as caught:
            VERBS[verb](GuardedProvider(Scripted(raising(error))))
        assert caught.value is error

    @on_every_verb
    @pytest.mark.parametrize(
        "defect", [KeyError("secret-value"), RecursionError(), ValueError("x"), AttributeError("y")]
    )
    def test_an_adapters_defect_is_an_unknown_outcome(self, verb: str, defect: Exception) -> None:
        with pytest.raises(Unavailable) as caught:
            VERBS[verb](GuardedProvider(Scripted(raising(defect))))
        assert caught.value.outcome_unknown
        assert "secret-value" not in str(caught.value)

    def test_a_defect_while_reading_a_webhook_is_a_refusal(self) -> None:
        with pytest.raises(NotificationRejected):
            GuardedProvider(Scripted(raising(AttributeError("x")))).verify(headers={}, body=b"", now=NOW)

    @pytest.mark.parametrize("error", [NotificationRejected("no"), Unavailable("the certificate's host is away")])
    def test_a_proof_that_failed_and_one_that_could_not_be_had_differ(self, error: Exception) -> None:
        with pytest.raises(type(error)):
            GuardedProvider(Scripted(raising(error))).prove(headers={}, body=b"", now=NOW)
        with pytest.raises(NotificationRejected):
            GuardedProvider(Scripted(raising(AttributeError("x")))).prove(headers={}, body=b"", now=NOW)

    @pytest.mark.parametrize("error", [NotificationRejected("no"), NotificationUnverified("later", NOTIFICATION)])
    def test_a_refused_webhook_passes_as_it_is(self, error: Exception) -> None:
        with pytest.raises(type(error)):
            GuardedProvider(Scripted(raising(error))).verify(headers={}, body=b"", now=NOW)


class TestLogLines:
    @on_every_verb
    def test_one_line_a_verb(self, verb: str) -> None:
        def script() -> None:
            guard.note_request("req_1")
            guard.note_request("")
            guard.note_request("req_2")

        with structlog.testing.capture_logs() as lines, correlation.bind("corr-1"):
            VERBS[verb](GuardedProvider(Scripted(script)))
        [line] = lines
        assert line.pop("duration_ms") >= 0
        assert line == {
            "event": "provider_call",
            "log_level": "info",
            "provider": "scripted",
            "verb": verb,
            "outcome": "ok",
            "requests": 3,
            "request_id": "req_2",
            "correlation_id": "corr-1",
        }

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            (RateLimited("x", code="rate_limit", http_status=429, request_id="req_9"), "rate_limited"),
            (Unavailable("x"), "unavailable"),
            (ConfigurationError("x"), "configuration"),
        ],
    )
    def test_the_outcome_of_a_failure(self, error: Any, outcome: str) -> None:
        with structlog.testing.capture_logs() as lines, pytest.raises(type(error)):
            GuardedProvider(Scripted(raising(error))).fetch(IDS)
        [line] = lines
        assert (line["outcome"], line["code"], line["request_id"]) == (outcome, error.code, error.request_id)

    def test_a_defect_is_told_once_with_its_traceback_and_once_as_a_call(self) -> None:
        with structlog.testing.capture_logs() as lines, pytest.raises(Unavailable):
            GuardedProvider(Scripted(raising(KeyError("x")))).fetch(IDS)
        assert [(line["event"], line["log_level"]) for line in lines] == [
            ("adapter_defect", "error"),
            ("provider_call", "info"),
        ]

    def test_a_webhooks_line_names_the_event_and_a_refusal_its_reason(self) -> None:
        with structlog.testing.capture_logs() as lines:
            GuardedProvider(Scripted(lambda: None)).verify(headers={}, body=b"", now=NOW)
            with pytest.raises(NotificationRejected):
                GuardedProvider(Scripted(raising(NotificationRejected("no signature matches")))).verify(
                    headers={}, body=b"", now=NOW
                )
        assert (lines[0]["event_id"], lines[0]["outcome"]) == ("evt_1", "ok")
        assert (lines[1]["reason"], lines[1]["outcome"]) == ("no signature matches", "rejected")

    def test_notes_outside_a_verb_go_nowhere(self) -> None:
        guard.note_request("req_1")


def test_what_an_adapter_is_shines_through() -> None:
    adapter = Scripted(lambda: None)
    provider = GuardedProvider(adapter)
    assert (provider.name, provider.mode, provider.capabilities) == ("scripted", Mode.TEST, adapter.capabilities)
