"""A nudge wakes a cluster after the commit, and never piles up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, transaction
from django.test import override_settings
from django.utils import timezone
from django_q.models import OrmQ

from integrations import heartbeat, wakeups
from integrations.models import Heartbeat
from tests.integrations.deliveries import make_destination, tell

pytestmark = pytest.mark.django_db(transaction=True)


def waiting() -> dict[str, int]:
    return {cluster: OrmQ.objects.filter(key=cluster).count() for cluster in wakeups.CLUSTERS}


def test_a_nudge_names_the_clusters_task_and_carries_nothing_else() -> None:
    wakeups.nudge("deliver")
    (queued,) = OrmQ.objects.all()
    task = queued.task
    assert (queued.key, task["func"], task["args"], task["kwargs"]) == (
        "deliver",
        "integrations.tasks.drain_deliveries",
        (),
        {},
    )


def test_it_waits_for_the_commit() -> None:
    with transaction.atomic():
        wakeups.nudge("look")
        assert waiting()["look"] == 0
    assert waiting() == {"look": 1, "deliver": 0, "keep": 0}


def test_what_is_rolled_back_wakes_nobody() -> None:
    with transaction.atomic():
        wakeups.nudge("look")
        transaction.set_rollback(True)
    assert waiting()["look"] == 0


def test_one_that_waits_is_enough_and_one_that_was_taken_is_not() -> None:
    wakeups.nudge("look")
    wakeups.nudge("look")
    assert waiting()["look"] == 1

    # A worker took it, and may have looked at our rows before our commit.
    OrmQ.objects.update(lock=timezone.now() + timedelta(seconds=120))
    wakeups.nudge("look")
    wakeups.nudge("look")
    assert waiting()["look"] == 2


def test_each_cluster_has_its_own() -> None:
    for cluster in wakeups.CLUSTERS:
        wakeups.nudge(cluster)
    assert waiting() == {"look": 1, "deliver": 1, "keep": 1}


def test_there_is_no_other_cluster() -> None:
    with pytest.raises(ValueError, match="dream"):
        wakeups.nudge("dream")


def test_a_broker_that_is_away_fails_nobodys_transaction(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(wakeups, "async_task", away)
    make_destination(now=now)
    assert len(tell(now=now)) == 1


def test_only_clusters_with_due_rows_are_nudged(now: datetime) -> None:
    make_destination(now=now)
    tell(now=now)
    OrmQ.objects.all().delete()
    assert "deliver" not in wakeups.nudge_due(now=now - timedelta(seconds=1))
    # What is watched once a minute makes `keep` due too (payments/monitoring/watch.py).
    assert [cluster for cluster in wakeups.nudge_due(now=now) if cluster != "keep"] == ["deliver"]
    assert waiting()["deliver"] == 1


@override_settings(WAKEUP_DUE={"look": "no.such.function", "deliver": "integrations.delivery.has_due"})
def test_a_cluster_that_cannot_be_asked_keeps_no_other_asleep(now: datetime) -> None:
    make_destination(now=now)
    tell(now=now)
    assert wakeups.nudge_due(now=now) == ["deliver"]


# --- tick ----------------------------------------------------------------------------------------------------


def test_one_round_of_tick_beats_and_lets_every_cluster_beat() -> None:
    call_command("tick", "--once")
    assert waiting() == {"look": 1, "deliver": 1, "keep": 1}
    assert heartbeat.last_beat("tick") is not None


# --- heartbeats ----------------------------------------------------------------------------------------------


def test_a_heartbeat_is_one_row_a_name_and_host(now: datetime) -> None:
    assert heartbeat.last_beat("look") is None
    heartbeat.beat("look", now=now)
    heartbeat.beat("look", now=now + timedelta(seconds=5))
    heartbeat.beat("keep", now=now)
    assert Heartbeat.objects.count() == 2
    assert heartbeat.last_beat("look") == now + timedelta(seconds=5)


def test_a_host_that_is_gone_is_forgotten_after_a_day(now: datetime) -> None:
    Heartbeat.objects.create(name="look", host="old", pid=1, beaten_at=now - timedelta(hours=25))
    heartbeat.beat("look", now=now)
    assert heartbeat.forget_silent(now=now) == 1
    assert heartbeat.last_beat("look") == now
