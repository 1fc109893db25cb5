"""A deadline that comes near is told three days and one day before, and once it has passed, until it is answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from payments.disputes import deadlines as dispute_deadlines
from payments.disputes import watch as dispute_watch
from payments.models import Case, Dispute
from tests.fake_disputes import OPENED, RESPOND_BY
from tests.fake_provider import FakeProvider
from tests.payments.test_dispute_acts import Desk, open_desk

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def desk(fake: FakeProvider, now: Any) -> Desk:
    return open_desk(fake, now)


def the_case() -> Case:
    return Case.objects.get(kind="dispute_deadline")


def test_it_is_told_at_each_step_and_not_between(desk: Desk) -> None:
    told = [
        dispute_deadlines.watch(RESPOND_BY - timedelta(**left))
        for left in (
            {"days": 3, "minutes": 1},
            {"days": 3},
            {"days": 2},
            {"days": 1},
            {"hours": 5},
            {"seconds": 0},
            {"days": -2},
        )
    ]
    assert told == [0, 1, 0, 1, 0, 1, 0]
    case = the_case()
    assert (case.times_seen, case.closed_at, case.order_id) == (3, None, desk.world.order_id)
    assert "OVERDUE by 0 minutes" in case.theirs
    assert desk.world.facts().count("case.opened") == 2, "the dispute's own, and this one; not once a step"


def test_found_late_only_the_nearest_step_is_told(desk: Desk) -> None:
    assert dispute_deadlines.watch(RESPOND_BY - timedelta(hours=2)) == 1
    assert "answer within 2 hours 0 minutes" in the_case().theirs
    assert dispute_deadlines.watch(RESPOND_BY - timedelta(hours=1)) == 0


def test_an_answer_ends_it(desk: Desk) -> None:
    dispute_deadlines.watch(RESPOND_BY - timedelta(days=2))
    desk.world.provider.change(desk.dispute_id, status="under_review", evidence_submitted=True)
    desk.world.tell(desk.payment, "charge.dispute.updated")
    desk.world.work()
    assert the_case().resolution == "mended"
    assert dispute_deadlines.watch(RESPOND_BY) == 0


def test_a_deadline_that_moves_away_is_told_anew(desk: Desk) -> None:
    """An inquiry that becomes a chargeback gets another deadline."""
    dispute_deadlines.watch(RESPOND_BY - timedelta(days=1))
    desk.world.provider.change(desk.dispute_id, respond_by=RESPOND_BY + timedelta(days=30))
    desk.world.tell(desk.payment, "charge.dispute.updated")
    desk.world.work()
    assert Dispute.objects.get().deadline_told_days is None
    assert dispute_deadlines.watch(RESPOND_BY + timedelta(days=28)) == 1


@pytest.mark.parametrize(
    ("before", "hours"),
    [({"days": 5}, 6), ({"hours": 20}, 1), ({"hours": -20}, 1), ({"days": -3}, 6)],
)
def test_it_is_looked_at_more_often_near_the_deadline(desk: Desk, before: dict[str, float], hours: int) -> None:
    at = RESPOND_BY - timedelta(**before)
    assert dispute_watch.next_look(desk.world.attempt, at=at) == at + timedelta(hours=hours)
    assert at > OPENED
