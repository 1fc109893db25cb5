"""How a drain batches: claimed ahead for a quick receiver only, given back unsent where that turns out wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations import breaker, delivery, delivery_claims
from integrations.connectors.contract import Verdict
from integrations.models import Breaker, BreakerState, Delivery, DeliveryAttempt, DeliveryState, Failure
from tests.integrations.deliveries import ScriptedConnector, connecting, make_destination, tell

pytestmark = pytest.mark.django_db

AWAY = Verdict(failure=Failure.UNAVAILABLE, http_status=503)


class Slow(ScriptedConnector):
    """Takes its time, by what `seconds` says of the n-th message sent; notes how many are on their way at once."""

    def __init__(self, seconds: Callable[[int], float]) -> None:
        super().__init__()
        self._seconds, self._lock = seconds, threading.Lock()
        self.on_their_way = self.most = 0

    def send(self, request: str, *, deadline_seconds: float) -> Verdict:
        with self._lock:
            number = len(self.sent)
            self.sent.append(request)
            self.on_their_way += 1
            self.most = max(self.most, self.on_their_way)
            verdict = self.verdicts.pop(0) if self.verdicts else Verdict(delivered=True, http_status=200)
        time.sleep(self._seconds(number))
        with self._lock:
            self.on_their_way -= 1
        if isinstance(verdict, Exception):
            raise verdict
        return verdict


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many each claim took, in order."""
    sizes: list[int] = []

    def claim(**asked: Any) -> list[delivery.Claim]:
        taken = delivery_claims.claim(**asked)
        sizes.append(len(taken))
        return taken

    monkeypatch.setattr(delivery, "claim", claim)
    return sizes


def queue(count: int, *, now: datetime) -> list[Delivery]:
    make_destination(now=now)
    return [tell(now=now)[0] for _ in range(count)]


def drain(now: datetime) -> delivery.Drained:
    return delivery.drain(clock=lambda: now)


def test_a_quick_receivers_deliveries_are_claimed_in_batches(now: datetime, claims: list[int]) -> None:
    queue(60, now=now)
    with connecting(Slow(lambda _: 0.001)) as receiver:
        assert drain(now) == delivery.Drained(delivered=60)
    assert claims[0] == 4, "nothing is known of it yet"
    assert max(claims) >= 20
    assert len(claims) < 12
    assert receiver.most <= 4, "and no more are sent at once than before"
    assert len(set(receiver.sent)) == len(receiver.sent) == 60


def test_a_slow_receivers_are_not(now: datetime, claims: list[int]) -> None:
    queue(10, now=now)
    with connecting(Slow(lambda _: 0.3)):
        drain(now)
    assert max(claims) <= 4


def test_many_are_marked_in_one_transaction(now: datetime) -> None:
    queue(60, now=now)
    with connecting(Slow(lambda _: 0.001)), CaptureQueriesContext(connection) as queries:
        drain(now)
    marks = [query for query in queries if "last_http_status = change.http_status" in query["sql"]]
    assert len(marks) < 20


def test_what_waits_behind_a_receiver_that_hangs_is_given_back_without_a_try(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "HOLD_SECONDS", 0.1)
    rows = queue(40, now=now)
    monkeypatch.setattr(delivery, "MARK_WITHIN_SECONDS", 0.01)
    stuck = threading.Event()
    seen: dict[str, int] = {}

    def seconds(number: int) -> float:
        if number < 12:
            return 0.001
        stuck.wait(0.6)
        return 0.0

    def watch(claims: list[delivery.Claim], *, now: datetime) -> None:
        delivery_claims.give_back(claims, now=now)
        if claims:
            ids = [each.delivery.pk for each in claims]
            back = Delivery.objects.filter(pk__in=ids)
            seen["tries"] = sum(row.tries for row in back)
            seen["attempts"] = DeliveryAttempt.objects.filter(delivery_id__in=ids).count()
            seen["queued"] = back.filter(state=DeliveryState.QUEUED, not_before=now).count() - len(ids)
            stuck.set()

    monkeypatch.setattr(delivery, "give_back", watch)
    with connecting(Slow(seconds)) as receiver:
        assert drain(now) == delivery.Drained(delivered=40)
    assert seen == {"tries": 0, "attempts": 0, "queued": 0}
    assert sorted(receiver.sent) == sorted(row.key for row in rows), "each was sent once all the same"
    assert {row.tries for row in Delivery.objects.all()} == {1}


def test_what_a_slow_claim_brings_is_sent_and_not_given_back_at_once(
    now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue(3, now=now)
    monkeypatch.setattr(delivery, "HOLD_SECONDS", 0.2)

    def slow_claim(**asked: Any) -> list[delivery.Claim]:
        time.sleep(0.3)
        return delivery_claims.claim(**asked)

    monkeypatch.setattr(delivery, "claim", slow_claim)
    with connecting(Slow(lambda _: 0.0)):
        assert drain(now) == delivery.Drained(delivered=3)


def test_when_a_receiver_turns_out_to_be_away_what_is_unsent_is_not_tried(now: datetime, settings: Any) -> None:
    settings.BREAKER_FAILURES = 3
    queue(60, now=now)
    receiver = Slow(lambda _: 0.001)
    receiver.verdicts = [*([Verdict(delivered=True)] * 20), *([AWAY] * 40)]
    with connecting(receiver):
        done = drain(now)
    assert done.delivered == 20
    assert Breaker.objects.get().state == BreakerState.OPEN
    assert len(receiver.sent) <= 20 + 3 + 2 * settings.DELIVERY_THREADS_A_RECEIVER
    untried = Delivery.objects.filter(tries=0)
    assert untried.count() == 60 - len(receiver.sent)
    assert {row.state for row in untried} == {DeliveryState.QUEUED}
    assert DeliveryAttempt.objects.count() == len(receiver.sent)


def test_when_time_is_up_nothing_more_is_begun_and_nothing_kept(now: datetime, settings: Any) -> None:
    settings.DRAIN_SECONDS = 0.2
    queue(400, now=now)
    with connecting(Slow(lambda _: 0.02)) as receiver:
        began = time.monotonic()
        done = drain(now)
        took = time.monotonic() - began
    assert 0 < done.delivered == len(receiver.sent) < 400
    assert took < 5
    assert not Delivery.objects.filter(state=DeliveryState.SENDING).exists()
    assert Delivery.objects.filter(state=DeliveryState.QUEUED, tries=0).count() == 400 - done.delivered


class TestGivingBack:
    def test_it_is_as_if_nobody_had_taken_it(self, now: datetime) -> None:
        [row] = queue(1, now=now)
        before = (
            Delivery.objects.filter(pk=row.pk).values("state", "tries", "outcome_unknown", "unfinished_tries").get()
        )
        (claimed,) = delivery.claim(now=now, limit=1)
        later = now + timedelta(seconds=1)
        delivery_claims.give_back([claimed], now=later)
        back = Delivery.objects.get(pk=row.pk)
        assert before == {name: getattr(back, name) for name in before}
        assert back.not_before == later
        assert not DeliveryAttempt.objects.exists()
        (again,) = delivery.claim(now=later, limit=1)
        assert (again.number, again.fence) == (1, 2)
        assert delivery.mark(claimed, Verdict(delivered=True), now=later) == "stale"

    def test_who_has_lost_the_lease_has_nothing_to_give_back(self, now: datetime) -> None:
        queue(1, now=now)
        (lost,) = delivery.claim(now=now, limit=1)
        later = now + timedelta(seconds=45)
        (mine,) = delivery.claim(now=later, limit=1)
        delivery_claims.give_back([lost], now=later)
        assert delivery.mark(mine, Verdict(delivered=True), now=later) == "delivered"

    def test_a_probe_that_was_not_sent_leaves_the_breaker_open(self, now: datetime, settings: Any) -> None:
        [row] = queue(1, now=now)
        for _ in range(settings.BREAKER_FAILURES):
            whose = breaker.Subject(destination_id=row.destination_id)
            breaker.note(whose, breaker.Seen(sign=breaker.Sign.AWAY), now=now)
        later = now + timedelta(seconds=60)
        (probe,) = delivery.claim(now=later, limit=1)
        assert probe.probe
        delivery_claims.give_back([probe], now=later)
        assert Breaker.objects.get().state == BreakerState.OPEN
