"""The queue's times and clusters, and the traps of django-q2 that its settings keep shut."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from django.conf import settings
from django.contrib import admin
from django.utils.module_loading import import_string

from config import queue
from integrations import wakeups
from tests.processes import ROOT


def test_no_task_is_handed_out_again_while_it_may_still_work() -> None:
    assert queue.LOOK_SECONDS < queue.TASK_SECONDS < queue.LEASE_SECONDS < queue.QUEUE_RETRY_SECONDS
    assert queue.DRAIN_SECONDS + queue.DELIVERY_SEND_SECONDS < queue.TASK_SECONDS
    conf = queue.q_cluster()
    assert (conf["timeout"], conf["retry"]) == (queue.TASK_SECONDS, queue.QUEUE_RETRY_SECONDS)


def test_the_schedule_alone_reaches_76_hours_if_the_waits_are_long() -> None:
    assert queue.DELIVERY_HORIZON_SECONDS >= 76 * 3600
    assert list(queue.DELIVERY_BACKOFF_SECONDS) == sorted(queue.DELIVERY_BACKOFF_SECONDS)


def test_every_cluster_has_a_task_and_a_question_that_exist() -> None:
    assert set(queue.q_cluster()["ALT_CLUSTERS"]) == set(queue.CLUSTERS) == set(wakeups.CLUSTERS)
    for names in (settings.WAKEUP_TASKS, settings.WAKEUP_DUE):
        assert set(names) == set(queue.CLUSTERS)
        for name in names.values():
            assert callable(import_string(name))


def test_redis_takes_the_place_of_the_database_where_there_is_one() -> None:
    assert queue.q_cluster()["orm"] == "default"
    with_redis = queue.q_cluster(redis_url="redis://127.0.0.1:6379/1")
    assert with_redis["redis"] == "redis://127.0.0.1:6379/1"
    assert "orm" not in with_redis


@pytest.mark.slow
@pytest.mark.parametrize("name", queue.CLUSTERS)
def test_the_name_in_the_environment_is_the_queue_it_works_on(name: str) -> None:
    script = (
        "import django; django.setup()\n"
        "from django_q.conf import Conf\n"
        "print(Conf.CLUSTER_NAME, Conf.PREFIX, Conf.RETRY, Conf.TIMEOUT, Conf.BULK, Conf.SAVE_LIMIT, Conf.SCHEDULER)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "Q_CLUSTER_NAME": name},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split() == [name, "shop", "120", "30", "1", "-1", "False"]


def test_nobody_schedules_code_in_the_admin() -> None:
    registered = {model._meta.label for model in admin.site._registry}
    assert not {label for label in registered if label.startswith("django_q.")}
