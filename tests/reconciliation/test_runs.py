"""A run as a row: a page a commit, taken up after a kill, one at a time, and memory that knows no whole list."""

from __future__ import annotations

from datetime import timedelta

import pytest

from integrations.contract import Unavailable
from payments.models import ReconciliationRun
from payments.models.reconciliation import Ending
from payments.reconciliation import lists, plan, runs
from payments.reconciliation.ours import between
from payments.reconciliation.walking import OutOfTime, Walk
from tests.reconciliation.books import Books

pytestmark = pytest.mark.django_db


class Killed(BaseException):
    """As if the process were gone."""


@pytest.fixture
def many(books: Books) -> Books:
    """Nine payments on both sides and, among them, three that are missing here, on pages of two."""
    books.provider.page_size = 2
    for number in range(12):
        if number % 4 == 1:
            _, payment = books.attempt()
            books.pay(payment)
        else:
            books.paid()
    return books


def test_pages_overlap_so_that_neighbours_are_no_differences(many: Books) -> None:
    asked = len(many.provider.calls)
    run = many.reconcile()
    assert (run.pages, run.listed, run.compared) == (7, 12, 12), "six of payments, one of refunds"
    assert many.found() == [("missing_here", "settled")] * 3
    assert not [call for call in many.provider.calls[asked:] if call[0] == "find_capture"]


@pytest.mark.parametrize("killed_after", [1, 2, 3, 5])
def test_a_killed_run_is_taken_up_and_ends_the_same(many: Books, killed_after: int) -> None:
    def kill(run: ReconciliationRun) -> None:
        if run.pages == killed_after:
            raise Killed

    run = plan.open_run(
        "stripe",
        since=many.now - timedelta(days=1),
        until=many.now,
        dry_run=False,
        actor="test",
        at=many.now,
    )
    with pytest.raises(Killed):
        Walk(run, clock=many.clock, pause=lambda _: None, told=kill).to_the_end()
    many.now += timedelta(seconds=runs.LEASE_SECONDS + 1)

    done = lists.reconcile(
        "stripe",
        since=many.now - timedelta(hours=23),
        dry_run=False,
        actor="again",
        clock=many.clock,
        pause=lambda _: None,
    )
    assert done[0].pk == run.pk and done[0].ending == Ending.DONE
    assert (done[0].pages, done[0].listed) == (7, 12)
    assert many.found() == [("missing_here", "settled")] * 3 and many.cases() == []
    assert len(done) == 2, "what came after its end is read too"


@pytest.mark.parametrize("twice", [False, True])
def test_killed_between_the_look_and_the_finding_the_next_tells_it(
    books: Books, monkeypatch: pytest.MonkeyPatch, twice: bool
) -> None:
    """What the look has put right is no difference any more; the run still tells that it was one."""
    attempt, payment = books.attempt()
    books.pay(payment, look_at=attempt if twice else None)
    if twice:
        books.pay(payment)

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("payments.reconciliation.confirming._left_of", die)
        with pytest.raises(Killed):
            books.reconcile()
    assert books.found() == []
    books.reconcile()
    assert books.found() == ([("duplicate", "case")] if twice else [("missing_here", "settled")])


def test_one_at_a_time(books: Books) -> None:
    held = runs.begin(
        "stripe", since=books.now - timedelta(days=1), until=books.now, dry_run=False, actor="another", at=books.now
    )
    with pytest.raises(runs.RunInProgress, match="by another"):
        books.reconcile()
    books.now += timedelta(seconds=runs.LEASE_SECONDS)
    taken = lists.reconcile(
        "stripe",
        since=books.now - timedelta(hours=12),
        dry_run=False,
        actor="a",
        clock=books.clock,
        pause=lambda _: None,
    )
    assert taken[0].pk == held.pk
    with pytest.raises(runs.LeaseLost):
        runs.keep(held, at=books.now)


def test_a_run_left_behind_that_reads_less_is_abandoned(books: Books) -> None:
    left = runs.begin(
        "stripe", since=books.now - timedelta(hours=1), until=books.now, dry_run=False, actor="a", at=books.now
    )
    runs.leave(left)
    run = books.reconcile(days=2)
    left.refresh_from_db()
    assert (left.ending, run.ending) == (Ending.ABANDONED, Ending.DONE)
    assert runs.last_finished("stripe") == run


def test_a_provider_that_is_away_leaves_the_run_to_be_taken_up(many: Books) -> None:
    many.provider.fail_next = [None, None, None, Unavailable("503")]  # a page, a page, a look, the third page
    with pytest.raises(Unavailable):
        many.reconcile()
    left = runs.unfinished("stripe")
    assert left is not None and left.lease_until is None and left.pages > 0
    assert many.reconcile().pk == left.pk
    assert many.found() == [("missing_here", "settled")] * 3


def test_a_slice_ends_when_its_time_is_up_and_the_next_goes_on(many: Books) -> None:
    run = plan.open_run(
        "stripe", since=many.now - timedelta(days=1), until=many.now, dry_run=False, actor="a", at=many.now
    )
    with pytest.raises(OutOfTime):
        lists.walk_or_leave(Walk(run, clock=many.clock, pause=lambda _: None, deadline=0.0))
    assert ReconciliationRun.objects.get().lease_until is None


def test_the_next_run_begins_where_the_last_ended_less_the_overlap(books: Books, settings: object) -> None:
    first = lists.reconcile("stripe", since=None, dry_run=False, actor="a", clock=books.clock, pause=lambda _: None)[0]
    assert first.since == books.now - timedelta(days=plan.FIRST_DAYS)
    books.now += timedelta(hours=5)
    second = lists.reconcile("stripe", since=None, dry_run=False, actor="a", clock=books.clock, pause=lambda _: None)[0]
    assert second.since == first.until - timedelta(minutes=120)


def test_a_dry_run_is_no_last_run(books: Books) -> None:
    books.reconcile(dry_run=True)
    assert runs.last_finished("stripe") is None


def test_ours_are_read_in_chunks_without_gaps(many: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    many.reconcile()
    monkeypatch.setattr("payments.reconciliation.ours.CHUNK", 5)
    chunks = list(between("stripe", low=many.now - timedelta(days=1), high=many.now))
    assert [len(chunk) for chunk in chunks] == [5, 5, 2]
    ids = [row.capture_id for chunk in chunks for row in chunk]
    assert len(set(ids)) == 12


def test_the_rate_of_pages_is_kept(many: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    lists.reconcile(
        "stripe",
        since=many.now - timedelta(days=1),
        dry_run=True,
        actor="a",
        clock=many.clock,
        pause=slept.append,
    )
    assert len(slept) >= 5 and all(0 < seconds <= 0.2 for seconds in slept)
