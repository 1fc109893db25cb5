"""A breaker's edges, one at a time, for receivers and for providers; and people's pauses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from integrations import breaker, delivery
from integrations.breaker import BreakerRefused, ProviderGate, Seen, Sign, Subject
from integrations.connectors.contract import Verdict
from integrations.contract import (
    ConfigurationError,
    Decline,
    Declined,
    DeclineReason,
    NotTried,
    ProviderError,
    RateLimited,
    Unavailable,
    UnknownObject,
)
from integrations.guard import GuardedProvider
from integrations.http import total_deadline
from integrations.models import Breaker, BreakerState, Delivery, DeliveryAttempt, DeliveryState, Failure
from tests.integrations.deliveries import ScriptedConnector, connecting, make_destination, tell
from tests.integrations.test_guard import IDS, REQUEST, Scripted, raising

pytestmark = pytest.mark.django_db

AWAY = Seen(sign=Sign.AWAY, failure=Failure.UNAVAILABLE, detail="The receiver answered 503.")
THERE = Seen(sign=Sign.ANSWERED)
PROBE_AWAY = Seen(sign=Sign.AWAY, failure=Failure.TIMEOUT, detail="No whole answer in time.", probe=True)
PROBE_THERE = Seen(sign=Sign.ANSWERED, probe=True)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
STRIPE = Subject(provider="stripe")


@pytest.fixture(autouse=True)
def figures(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.BREAKER_FAILURES = 3
    settings.BREAKER_COOLDOWN_SECONDS = 10
    settings.BREAKER_COOLDOWN_MAX_SECONDS = 60
    monkeypatch.setattr(breaker, "CACHE_SECONDS", 0.0)
    monkeypatch.setattr(breaker, "_readings", {})


def row(subject: Subject = STRIPE) -> Breaker:
    whose = {"provider": subject.provider, "destination_id": subject.destination_id}
    return Breaker.objects.get(**whose)


def go_away(subject: Subject = STRIPE, *, now: datetime, times: int = 3) -> Breaker:
    for _ in range(times):
        breaker.note(subject, AWAY, now=now)
    return row(subject)


class TestEdges:
    def test_it_opens_after_so_many_failures_in_a_row(self, now: datetime) -> None:
        assert (go_away(now=now, times=2).state, row().failures) == (BreakerState.CLOSED, 2)
        opened = go_away(now=now, times=1)
        assert (opened.state, opened.since, opened.next_probe_at) == (BreakerState.OPEN, now, now + 10 * SECOND)
        assert (opened.last_failure, opened.last_detail) == (Failure.UNAVAILABLE, "The receiver answered 503.")

    def test_an_answer_in_between_begins_the_count_anew(self, now: datetime) -> None:
        go_away(now=now, times=2)
        breaker.note(STRIPE, THERE, now=now)
        assert go_away(now=now, times=2).state == BreakerState.CLOSED

    def test_what_tells_nothing_neither_counts_nor_absolves(self, now: datetime) -> None:
        go_away(now=now, times=2)
        breaker.note(STRIPE, Seen(sign=Sign.UNCLEAR), now=now)
        assert (row().failures, row().state) == (2, BreakerState.CLOSED)

    def test_one_probe_at_a_time_and_only_after_the_cool_down(self, now: datetime) -> None:
        pk = go_away(now=now).pk
        assert not breaker.take_probe(pk, now=now + 9 * SECOND)
        assert breaker.take_probe(pk, now=now + 10 * SECOND)
        assert row().state == BreakerState.HALF_OPEN
        assert not breaker.take_probe(pk, now=now + 11 * SECOND)

    def test_a_probe_that_never_came_back_is_taken_again(self, now: datetime, settings: Any) -> None:
        pk = go_away(now=now).pk
        taken = now + 10 * SECOND
        assert breaker.take_probe(pk, now=taken)
        assert not breaker.take_probe(pk, now=taken + (settings.LEASE_SECONDS - 1) * SECOND)
        assert breaker.take_probe(pk, now=taken + settings.LEASE_SECONDS * SECOND)

    def test_a_probe_that_is_answered_closes(self, now: datetime) -> None:
        breaker.take_probe(go_away(now=now).pk, now=now + 10 * SECOND)
        breaker.note(STRIPE, PROBE_THERE, now=now + 11 * SECOND)
        closed = row()
        assert (closed.state, closed.failures, closed.openings) == (BreakerState.CLOSED, 0, 0)
        assert (closed.since, closed.next_probe_at) == (now + 11 * SECOND, None)

    def test_each_probe_in_vain_doubles_the_cool_down_up_to_its_cap(self, now: datetime) -> None:
        began, waits = now, []
        go_away(now=now)
        for _ in range(5):
            probe_at = row().next_probe_at
            assert probe_at is not None
            waits.append((probe_at - now).total_seconds())
            now = probe_at
            assert breaker.take_probe(row().pk, now=now)
            breaker.note(STRIPE, PROBE_AWAY, now=now)
        assert waits == [10, 20, 40, 60, 60]
        assert row().since == began, "it has been away since the beginning"

    def test_a_probe_that_tells_nothing_is_made_again_later(self, now: datetime) -> None:
        breaker.take_probe(go_away(now=now).pk, now=now + 10 * SECOND)
        breaker.note(STRIPE, Seen(sign=Sign.UNCLEAR, probe=True), now=now + 11 * SECOND)
        assert (row().state, row().next_probe_at) == (BreakerState.OPEN, now + 21 * SECOND)

    @pytest.mark.parametrize("late", [AWAY, THERE])
    def test_answers_of_tries_that_were_under_way_change_nothing(self, now: datetime, late: Seen) -> None:
        go_away(now=now)
        before = Breaker.objects.values().get()
        breaker.note(STRIPE, late, now=now + SECOND)
        assert Breaker.objects.values().get() == before

    def test_retry_after_prolongs_the_cool_down_within_its_cap(self, now: datetime, settings: Any) -> None:
        settings.DELIVERY_RETRY_AFTER_MAX_SECONDS = 600
        for asked, waited in ((300, 300), (9999, 600), (1, 10)):
            Breaker.objects.all().delete()
            for _ in range(3):
                breaker.note(STRIPE, Seen(sign=Sign.AWAY, retry_after_seconds=asked), now=now)
            assert row().next_probe_at == now + waited * SECOND

    @pytest.mark.django_db(transaction=True)
    def test_what_was_seen_is_never_noted_in_somebodys_transaction(self, now: datetime) -> None:
        with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
            breaker.note(STRIPE, AWAY, now=now)

    def test_one_that_stays_away_is_to_be_told_of_once(self, now: datetime, settings: Any) -> None:
        settings.BREAKER_CASE_AFTER_SECONDS = 60
        opened = go_away(now=now)
        assert not breaker.away_without_case(now=now + 59 * SECOND).exists()
        assert breaker.away_without_case(now=now + 60 * SECOND).get() == opened
        Breaker.objects.update(case_opened_at=now)
        assert not breaker.away_without_case(now=now + 60 * SECOND).exists()
        breaker.take_probe(opened.pk, now=now + HOUR)
        breaker.note(STRIPE, PROBE_THERE, now=now + HOUR)
        go_away(now=now + HOUR)
        assert breaker.away_without_case(now=now + 2 * HOUR).exists(), "away again is another case"


class TestPeople:
    def test_a_pause_has_an_actor_a_reason_and_a_time(self, now: datetime) -> None:
        paused = breaker.pause(STRIPE, actor="user:7", reason=" double charges ", now=now)
        assert (paused.state, paused.actor, paused.reason, paused.since) == (
            BreakerState.PAUSED,
            "user:7",
            "double charges",
            now,
        )

    @pytest.mark.parametrize("seen", [AWAY, THERE, PROBE_THERE, PROBE_AWAY])
    def test_nothing_that_is_seen_ends_a_pause(self, now: datetime, seen: Seen) -> None:
        breaker.pause(STRIPE, actor="user:7", reason="x", now=now)
        for _ in range(4):
            breaker.note(STRIPE, seen, now=now)
        assert row().state == BreakerState.PAUSED

    def test_resuming_begins_anew(self, now: datetime) -> None:
        go_away(now=now)
        breaker.pause(STRIPE, actor="user:7", reason="x", now=now)
        resumed = breaker.resume(STRIPE, actor="user:8", reason="it is back", now=now + HOUR)
        assert (resumed.state, resumed.failures, resumed.openings) == (BreakerState.CLOSED, 0, 0)
        assert (resumed.actor, resumed.reason, resumed.since) == ("user:8", "it is back", now + HOUR)

    def test_what_does_not_stand_as_it_must_is_refused_in_a_sentence(self, now: datetime) -> None:
        with pytest.raises(BreakerRefused, match="stripe is not paused \\(works\\)"):
            breaker.resume(STRIPE, actor="user:7", reason="", now=now)
        with pytest.raises(BreakerRefused, match="Say why"):
            breaker.pause(STRIPE, actor="user:7", reason="  ", now=now)
        breaker.pause(STRIPE, actor="user:7", reason="x", now=now)
        with pytest.raises(BreakerRefused, match="paused already, by user:7 since 2026-11-21 12:00 UTC"):
            breaker.pause(STRIPE, actor="user:8", reason="y", now=now)
        with pytest.raises(BreakerRefused, match="does not wait"):
            breaker.try_now(STRIPE, now=now)

    def test_an_open_one_can_be_tried_at_once(self, now: datetime) -> None:
        opened = go_away(now=now)
        breaker.try_now(STRIPE, now=now + SECOND)
        assert breaker.take_probe(opened.pk, now=now + SECOND)

    def test_the_database_keeps_the_same_rules(self, now: datetime) -> None:
        destination = make_destination(now=now)
        for wrong, constraint in (
            ({"provider": "stripe", "state": "paused"}, "breaker_paused_by"),
            ({"provider": "stripe", "state": "open"}, "breaker_next_probe_at"),
            ({"provider": "stripe", "destination": destination}, "breaker_of_one"),
            ({}, "breaker_of_one"),
            ({"provider": "stripe", "state": "ajar"}, "breaker_"),
        ):
            with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
                Breaker.objects.create(since=now, **wrong)


class TestReceivers:
    @pytest.fixture
    def connector(self) -> Iterator[ScriptedConnector]:
        with connecting(ScriptedConnector()) as scripted:
            yield scripted

    @staticmethod
    def drain(now: datetime) -> delivery.Drained:
        return delivery.drain(clock=lambda: now)

    def fail(self, connector: ScriptedConnector, *, now: datetime, failure: Failure = Failure.UNAVAILABLE) -> Subject:
        """Let a receiver's three deliveries fail, so that its breaker opens; four more wait."""
        destination = make_destination(now=now)
        connector.verdicts = [Verdict(failure=failure)] * 3
        for _ in range(3):
            tell(now=now)
            self.drain(now)
        for _ in range(4):
            tell(now=now)
        return Subject(destination_id=destination.pk)

    @pytest.mark.parametrize("failure", [Failure.UNAVAILABLE, Failure.TIMEOUT, Failure.CONFIGURATION])
    def test_while_it_is_away_nothing_is_tried_and_no_try_counted(
        self, now: datetime, connector: ScriptedConnector, failure: Failure
    ) -> None:
        whose = self.fail(connector, now=now, failure=failure)
        assert row(whose).state == BreakerState.OPEN
        assert not delivery.has_due(now + 9 * SECOND), "tick does not spin on it"
        assert self.drain(now + 9 * SECOND) == delivery.Drained()
        waiting = Delivery.objects.filter(tries=0)
        assert waiting.count() == 4
        assert DeliveryAttempt.objects.count() == len(connector.sent) == 3

    @pytest.mark.parametrize("failure", [Failure.PERMANENT, Failure.INTERNAL])
    def test_a_refused_message_or_a_defect_of_ours_does_not_close_the_door_on_the_others(
        self, now: datetime, connector: ScriptedConnector, failure: Failure
    ) -> None:
        self.fail(connector, now=now, failure=failure)
        assert not Breaker.objects.exists()
        assert self.drain(now) == delivery.Drained(delivered=4)

    def test_one_delivery_is_the_probe_and_its_success_lets_the_others_go(
        self, now: datetime, connector: ScriptedConnector
    ) -> None:
        whose = self.fail(connector, now=now)
        later = now + 10 * SECOND
        assert delivery.has_due(later)
        (probe,) = delivery.claim(now=later, limit=9)
        assert probe.probe
        assert row(whose).state == BreakerState.HALF_OPEN
        assert delivery.claim(now=later, limit=9) == [], "one at a time"
        assert not delivery.has_due(later)

        delivery.mark_all([(probe, Verdict(delivered=True))], now=later)

        assert row(whose).state == BreakerState.CLOSED
        assert self.drain(later).delivered >= 3

    def test_its_failure_is_a_try_of_that_one_alone(self, now: datetime, connector: ScriptedConnector) -> None:
        whose = self.fail(connector, now=now)
        connector.verdicts = [Verdict(failure=Failure.TIMEOUT)]
        assert self.drain(now + 10 * SECOND) == delivery.Drained(failed=1)
        assert Delivery.objects.filter(tries=0).count() in (3, 4)
        assert row(whose).next_probe_at == now + 30 * SECOND

    def test_a_probe_whose_worker_died_is_made_again(self, now: datetime, connector: ScriptedConnector) -> None:
        whose = self.fail(connector, now=now)
        (lost,) = delivery.claim(now=now + 10 * SECOND, limit=9)
        after = now + 56 * SECOND
        assert self.drain(after).delivered == 7, "the probe, then all that waited"
        assert delivery.mark_all([(lost, Verdict(failure=Failure.TIMEOUT))], now=after) == ["stale"]
        assert row(whose).state == BreakerState.CLOSED

    def test_others_go_on_meanwhile(self, now: datetime, connector: ScriptedConnector) -> None:
        self.fail(connector, now=now)
        make_destination(now=now, facts=["order.expired"])
        (mine,) = [each for each in tell(now=now, fact="order.expired") if each.destination.facts == ["order.expired"]]  # type: ignore[arg-type]
        assert self.drain(now) == delivery.Drained(delivered=1)
        assert Delivery.objects.get(pk=mine.pk).state == DeliveryState.DELIVERED

    def test_one_that_works_costs_no_query(self, now: datetime, connector: ScriptedConnector) -> None:
        make_destination(now=now)
        tell(now=now)
        with CaptureQueriesContext(connection) as queries:
            self.drain(now)
        touching = [query["sql"] for query in queries if "integrations_breaker" in query["sql"]]
        assert len(touching) == 3, "read along with two claims and the claimed row, never written"
        assert not any(sql.startswith(("INSERT", "UPDATE")) for sql in touching)

    def test_a_delivery_that_waited_out_the_horizon_behind_it_is_given_up_at_its_next_try(
        self, now: datetime, connector: ScriptedConnector, settings: Any
    ) -> None:
        """Else ten thousand of them would wait for nine probes each."""
        self.fail(connector, now=now)
        connector.verdicts = [Verdict(failure=Failure.UNAVAILABLE)] * 9
        after = now + settings.DELIVERY_HORIZON_SECONDS * SECOND
        assert self.drain(after) == delivery.Drained(dead=1)
        assert Delivery.objects.get(state="dead").dead_reason == Failure.EXCEEDED


class TestProviders:
    @pytest.fixture
    def calls(self) -> list[str]:
        return []

    @pytest.fixture
    def stripe(self, now: datetime, calls: list[str]) -> GuardedProvider:
        """A provider whose adapter is told by `script` what to do, at a time that stands still."""
        self.now = now
        self.script: Any = lambda: None

        def ask() -> Any:
            calls.append("asked")
            return self.script()

        return GuardedProvider(Scripted(ask), gate=ProviderGate("stripe", clock=lambda: self.now))

    def lose(self, stripe: GuardedProvider, error: Exception, *, times: int = 3) -> None:
        self.script = raising(error)
        for _ in range(times):
            with pytest.raises(ProviderError):
                stripe.fetch(IDS)
        self.script = lambda: None

    @pytest.mark.parametrize("error", [Unavailable("away"), ConfigurationError("bad key")])
    def test_an_open_one_says_unavailable_and_asks_nobody(
        self, stripe: GuardedProvider, calls: list[str], error: Exception
    ) -> None:
        self.lose(stripe, error)
        assert len(calls) == 3
        with pytest.raises(Unavailable) as caught:
            stripe.fetch(IDS)
        assert len(calls) == 3
        assert isinstance(caught.value, NotTried)
        assert not caught.value.outcome_unknown, "nothing was sent"
        assert caught.value.retry_after_seconds == 11

    @pytest.mark.parametrize(
        "error",
        [
            UnknownObject("no such page"),
            Declined("no", decline=Decline(reason=DeclineReason.UNKNOWN)),
            RateLimited("slower"),
            KeyError("a defect of the adapter"),
        ],
    )
    def test_an_answer_of_whatever_kind_or_a_defect_does_not_open_it(
        self, stripe: GuardedProvider, calls: list[str], error: Exception
    ) -> None:
        self.lose(stripe, error, times=9)
        stripe.fetch(IDS)
        assert len(calls) == 10

    def test_one_verb_finds_out(self, stripe: GuardedProvider, calls: list[str]) -> None:
        self.lose(stripe, Unavailable("away"))
        self.now += 10 * SECOND
        self.lose(stripe, Unavailable("still away"), times=1)
        assert len(calls) == 4
        self.now += 20 * SECOND
        stripe.fetch(IDS)
        stripe.fetch(IDS)
        assert len(calls) == 6
        assert row().state == BreakerState.CLOSED

    def test_while_it_finds_out_others_are_held_back(self, stripe: GuardedProvider, calls: list[str]) -> None:
        self.lose(stripe, Unavailable("away"))
        self.now += 10 * SECOND

        def meanwhile() -> None:
            with pytest.raises(NotTried):
                stripe.fetch(IDS)

        self.script = meanwhile
        stripe.fetch(IDS)
        assert len(calls) == 4

    def test_paused_it_begins_no_payment_but_is_still_asked(
        self, stripe: GuardedProvider, calls: list[str], now: datetime
    ) -> None:
        breaker.pause(STRIPE, actor="user:7", reason="double charges", now=now)
        with pytest.raises(NotTried):
            stripe.start(REQUEST, idempotency_key="k")
        assert calls == []
        stripe.fetch(IDS)
        stripe.close(IDS, idempotency_key="k")
        assert len(calls) == 2

    def test_who_is_in_a_hurry_learns_nothing(self, stripe: GuardedProvider) -> None:
        with total_deadline(3):
            self.lose(stripe, Unavailable("no answer in 3 s"), times=9)
        assert not Breaker.objects.exists()

    def test_its_state_is_read_once_a_second_at_most(
        self, stripe: GuardedProvider, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(breaker, "CACHE_SECONDS", 1.0)
        with CaptureQueriesContext(connection) as queries:
            for _ in range(20):
                stripe.fetch(IDS)
        assert len(queries) == 1

    def test_without_a_database_the_verb_goes_through(
        self, stripe: GuardedProvider, calls: list[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(**_: Any) -> None:
            raise DatabaseError("away")

        monkeypatch.setattr(Breaker.objects, "filter", away)
        stripe.fetch(IDS)
        assert calls == ["asked"]
