"""Reconciliation by the workers: hourly, nightly, after an outage, in slices, never two at once."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest

from integrations import providers
from integrations.contract import ProviderMisconfigured, Unavailable
from payments import event_watermarks, rounds, working
from payments.models import EventWatermark, ReconciliationRun
from payments.reconciliation import runs, schedule
from tests.reconciliation.books import Books

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def scheduled(settings: Any) -> None:
    settings.RECONCILE_SCHEDULED = True
    settings.RECONCILE_PAGES_A_SECOND = 50


def work(books: Books, seconds: float = 5) -> int:
    return schedule.work(clock=books.clock, deadline=time.monotonic() + seconds)


def test_nothing_is_scheduled_where_it_is_off(books: Books, settings: Any) -> None:
    settings.RECONCILE_SCHEDULED = False
    assert not schedule.is_due(books.now)
    assert schedule.prepare(books.now) == work(books) == 0
    assert not ReconciliationRun.objects.exists()


def test_the_first_reading_then_one_an_hour(books: Books) -> None:
    _, payment = books.attempt()
    books.pay(payment)
    assert schedule.is_due(books.now)
    work(books)
    assert books.found() == [("missing_here", "settled")]
    assert not schedule.is_due(books.now + timedelta(minutes=59))
    books.now += timedelta(minutes=61)
    assert schedule.is_due(books.now)
    work(books)
    last = ReconciliationRun.objects.latest("pk")
    assert last.until - last.since == timedelta(minutes=61 + 120), "the last hour and the overlap"


def test_each_night_two_days(books: Books, settings: Any) -> None:
    settings.RECONCILE_NIGHT_HOUR = 2
    work(books)
    books.now = books.now.replace(hour=2, minute=30) + timedelta(days=1)
    rounds.begin(event_watermarks.round_of("stripe"), every_seconds=0, at=books.now)
    assert schedule.is_due(books.now)
    work(books)
    last = ReconciliationRun.objects.latest("pk")
    assert last.until - last.since == timedelta(hours=48)
    assert not schedule.is_due(books.now + timedelta(minutes=1))


def test_a_slice_ends_and_the_next_goes_on(books: Books) -> None:
    books.provider.page_size = 1
    for _ in range(4):
        books.paid()
    work(books, seconds=0.03)
    left = runs.unfinished("stripe")
    assert left is not None and left.lease_until is None
    assert schedule.is_due(books.now)
    while runs.unfinished("stripe") is not None:
        work(books)
    [run] = ReconciliationRun.objects.all()
    assert (run.listed, run.ending) == (4, "done")


def test_two_workers_do_not_read_the_same_lists(books: Books) -> None:
    runs.begin("stripe", since=books.now - timedelta(days=1), until=books.now, dry_run=False, actor="a", at=books.now)
    assert not schedule.is_due(books.now)
    work(books)
    assert ReconciliationRun.objects.count() == 1


def test_a_dry_run_left_behind_stops_nothing(books: Books) -> None:
    left = runs.begin(
        "stripe", since=books.now - timedelta(days=1), until=books.now, dry_run=True, actor="a", at=books.now
    )
    runs.leave(left)
    assert schedule.is_due(books.now)
    work(books)
    assert [run.ending for run in ReconciliationRun.objects.order_by("pk")] == ["abandoned", "done"]


def test_a_provider_that_is_away_is_asked_again_in_five_minutes(books: Books) -> None:
    books.provider.fail_next = [Unavailable("503")]
    work(books)
    left = runs.unfinished("stripe")
    assert left is not None and left.next_try_at == books.now + timedelta(minutes=5)
    assert not schedule.is_due(books.now + timedelta(minutes=4))
    books.now += timedelta(minutes=5)
    work(books)
    assert runs.unfinished("stripe") is None


def test_after_an_outage_of_ours_both_are_read_at_once(books: Books) -> None:
    assert schedule.prepare(books.now) == 0
    work(books)
    books.now += timedelta(minutes=10)
    assert schedule.prepare(books.now) == 0, "ten minutes are no outage"
    assert not schedule.is_due(books.now)
    books.now += timedelta(minutes=16)
    assert schedule.prepare(books.now) == 1
    assert schedule.is_due(books.now)
    mark = EventWatermark.objects.get()
    assert mark.next_at == books.now
    work(books)
    mark.refresh_from_db()
    assert mark.checked_at == books.now and ReconciliationRun.objects.count() == 2


def test_events_are_fetched_by_the_hour(books: Books) -> None:
    schedule.prepare(books.now)
    work(books)
    mark = EventWatermark.objects.get()
    assert mark.next_at == books.now + timedelta(hours=1) and mark.lease_until is None


def test_the_keeper_does_it(books: Books) -> None:
    assert working.keeping_due(books.now)
    working.keep_house(clock=books.clock)
    assert ReconciliationRun.objects.get().ending == "done"


def test_a_provider_without_an_adapter_or_keys_stops_nothing(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    def get(name: str) -> object:
        if name == "nobody":
            raise providers.UnknownProvider(name)
        if name == "keyless":
            raise ProviderMisconfigured(name, ())
        return books.provider

    monkeypatch.setattr(providers, "enabled", lambda: ("nobody", "keyless", "stripe"))
    monkeypatch.setattr(providers, "get", get)
    assert schedule.is_due(books.now)
    schedule.prepare(books.now)
    work(books)
    assert [run.provider for run in ReconciliationRun.objects.all()] == ["stripe"]
