"""What hours and days came to: counted from their rows only, again while it may change, once by many workers."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import AttemptOutcome, Delivery, DeliveryAttempt, Destination, OutboxEvent
from orders.models import Order
from payments import rounds
from payments.models import PaymentAttempt, PaymentTry, PeriodFigures, ProviderEvent
from payments.models.period import Length
from payments.monitoring import period_figures, watch
from payments.states import EventState

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)


@pytest.fixture
def begin() -> datetime:
    return period_figures.start_of(Length.HOUR, datetime.fromisoformat("2026-11-21T12:34:56+00:00"))


def event(number: int, *, received_at: datetime, arrival: float = 1, processing: float | None = 0.5) -> None:
    ProviderEvent.objects.create(
        provider="stripe",
        event_id=f"evt_{number}",
        type="t",
        mode="test",
        state=EventState.IGNORED if processing is None else EventState.PROCESSED,
        provider_created_at=received_at - timedelta(seconds=arrival),
        received_at=received_at,
        finished_at=received_at + timedelta(seconds=processing or 0),
        body_sealed=b"",
        body_sha256="",
    )


def attempt(order: Order, number: int, *, at: datetime, provider: str = "stripe") -> PaymentAttempt:
    return PaymentAttempt.objects.create(
        order=order,
        provider=provider,
        amount_minor=1,
        currency="EUR",
        created_at=at,
        mode="test",
        reference=f"r{number}",
    )


def test_events_by_their_hour_with_both_lags(begin: datetime) -> None:
    event(0, received_at=begin - timedelta(microseconds=1), arrival=900)
    for number in range(1, 21):
        event(number, received_at=begin + timedelta(minutes=number), arrival=number, processing=number / 10)
    event(21, received_at=begin + timedelta(minutes=30), arrival=-5, processing=None)
    event(22, received_at=begin + HOUR, arrival=900)
    assert period_figures.between(begin, begin + HOUR)["events"] == {
        "stripe": {
            "received": 21,
            "arrival_p50_ms": 10_000,
            "arrival_p95_ms": 19_000,
            "processing_p50_ms": 1_000,
            "processing_p95_ms": 1_900,
        }
    }


def test_a_clock_that_differs_makes_no_negative_lag(begin: datetime) -> None:
    event(1, received_at=begin, arrival=-5, processing=None)
    assert period_figures.between(begin, begin + HOUR)["events"]["stripe"] == {
        "received": 1,
        "arrival_p50_ms": 0,
        "arrival_p95_ms": 0,
    }


def test_attempts_and_tries_by_provider_and_declines_by_reason(order: Order, begin: datetime) -> None:
    live = attempt(order, 1, at=begin)
    for number, reason in enumerate(("", "fraud", "fraud", "insufficient_funds")):
        PaymentTry.objects.create(
            attempt=live,
            provider="stripe",
            account="a",
            try_id=str(number),
            at=begin,
            seen_at=begin + timedelta(minutes=number),
            succeeded=not reason,
            decline_reason=reason,
        )
    figures = period_figures.between(begin, begin + HOUR)
    assert figures["attempts"] == {"stripe": {"opened": 1, "paid": 0, "unpaid": 0}}
    assert figures["tries"] == {"stripe": {"made": 4, "declined": 3}}
    assert figures["declines"] == {"fraud": 2, "insufficient_funds": 1}


def test_deliveries_by_receiver(begin: datetime) -> None:
    fact = OutboxEvent.objects.create(
        fact="order.paid", subject_kind="order", subject_id=1, payload={}, created_at=begin
    )
    receiver = Destination.objects.create(name="crm", kind="mail", created_at=begin)
    delivery = Delivery.objects.create(event=fact, destination=receiver, queued_at=begin, not_before=begin)
    outcomes = [AttemptOutcome.FAILED, AttemptOutcome.UNFINISHED, AttemptOutcome.FOUND]
    for number, outcome in enumerate(outcomes, 1):
        DeliveryAttempt.objects.create(
            delivery=delivery,
            number=number,
            started_at=begin,
            finished_at=begin + timedelta(seconds=number),
            outcome=outcome,
        )
    DeliveryAttempt.objects.create(delivery=delivery, number=9, started_at=begin)
    assert period_figures.between(begin, begin + HOUR)["deliveries"] == {
        "crm": {"delivered": 1, "failed": 2, "took_p50_ms": 3_000, "took_p95_ms": 3_000}
    }


def test_the_worst_backlog_of_an_hour_is_kept(begin: datetime) -> None:
    waiting = ProviderEvent.objects.create(
        provider="stripe", event_id="evt", type="t", mode="test", state=EventState.RECEIVED, body_sealed=b"",
        provider_created_at=begin, received_at=begin, body_sha256="", next_try_at=begin,
    )  # fmt: skip
    period_figures.roll_up(at=begin + timedelta(minutes=5), most=1)
    waiting.state = EventState.IGNORED
    waiting.save()
    period_figures.roll_up(at=begin + timedelta(minutes=10), most=1)
    period_figures.roll_up(at=begin + timedelta(hours=1, minutes=1), most=2)
    row = PeriodFigures.objects.get(length=Length.HOUR, starts_at=begin)
    assert row.computed_at == begin + timedelta(hours=1, minutes=1)
    assert row.figures["backlog"] == {
        "events": 1,
        "events_oldest_seconds": 300,
        "deliveries": 0,
        "deliveries_oldest_seconds": 0,
    }


class TestWhen:
    def at_all_times(self, start: datetime, moments: int, step: timedelta) -> list[datetime]:
        computed: datetime | None = None
        found = []
        for number in range(moments):
            at = start + number * step
            if period_figures._is_due(Length.HOUR, start, computed, at=at):
                computed = at
                found.append(at)
        return found

    def test_each_minute_while_it_runs_then_hourly_for_a_day_and_never_again(self, begin: datetime) -> None:
        found = self.at_all_times(begin, 60 * 40, timedelta(minutes=1))
        while_it_runs = [at for at in found if at < begin + HOUR]
        assert len(while_it_runs) == 60
        assert found[60] == begin + HOUR, "once more as soon as it is over"
        assert found[-1] >= begin + HOUR + period_figures.SETTLED_AFTER
        assert len(found) == 60 + 27

    def test_shown_periods_are_filled_from_nothing_and_old_ones_forgotten(self, begin: datetime) -> None:
        PeriodFigures.objects.create(
            length=Length.HOUR, starts_at=begin - timedelta(days=9), computed_at=begin, figures={}
        )
        total = 0
        while done := period_figures.roll_up(at=begin, most=10):
            assert done <= 10
            total += done
        assert total == period_figures.HOURS + period_figures.DAYS == PeriodFigures.objects.count()
        hours = period_figures.last(Length.HOUR, at=begin)
        assert [start for start, _ in hours] == [begin - back * HOUR for back in range(23, -1, -1)]
        days = period_figures.last(Length.DAY, at=begin)
        assert (len(days), days[-1][0]) == (30, begin.replace(hour=0))

    def test_computing_again_changes_nothing(self, begin: datetime) -> None:
        event(1, received_at=begin + timedelta(minutes=1))
        for minutes in (5, 6):
            period_figures.roll_up(at=begin + timedelta(minutes=minutes), most=1)
        assert PeriodFigures.objects.filter(length=Length.HOUR, starts_at=begin).count() == 1


def test_no_query_reads_a_whole_table(begin: datetime) -> None:
    with CaptureQueriesContext(connection) as queries:
        period_figures.between(begin, begin + HOUR)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for query in queries:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plan = "\n".join(row[0] for row in cursor.fetchall())
            assert "Seq Scan" not in plan, plan


class TestRounds:
    def test_once_in_their_time(self, now: datetime) -> None:
        assert rounds.is_due("r", every_seconds=60, at=now)
        assert rounds.begin("r", every_seconds=60, at=now)
        assert not rounds.begin("r", every_seconds=60, at=now + timedelta(seconds=59))
        assert not rounds.is_due("r", every_seconds=60, at=now + timedelta(seconds=59))
        assert rounds.begin("r", every_seconds=60, at=now + timedelta(seconds=60))
        assert rounds.begin("other", every_seconds=60, at=now)
        assert rounds.first("r") == now
        assert rounds.first("none") is None

    @pytest.mark.django_db(transaction=True)
    def test_by_one_of_many(self, now: datetime) -> None:
        begun: list[bool] = []

        def work() -> None:
            try:
                begun.append(rounds.begin("r", every_seconds=60, at=now))
            finally:
                connection.close()

        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(begun) == [False] * 7 + [True]

    def test_one_job_that_fails_leaves_the_others_alone(self, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(at: datetime) -> int:
            raise ValueError("broken")

        done: list[datetime] = []

        def good(at: datetime) -> int:
            done.append(at)
            return 2

        monkeypatch.setattr(watch, "JOBS", (broken, good))
        assert watch.once_a_minute(now) == 2
        assert watch.once_a_minute(now) == 0, "not before the minute is over"
        assert done == [now]
