"""The one statement between a webhook and its 2xx: what it writes, and what becomes of it when a connection breaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.utils import timezone
from django_q.models import OrmQ

from integrations import correlation
from integrations.contract import Notification, ProviderIds
from integrations.decryptions import PROCESS, Purpose
from payments import inbox
from payments.models import ProviderEvent
from tests.fake_provider import FakeProvider

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def told(fake: FakeProvider, now: datetime) -> Notification:
    return fake.notification(
        "evt_1", reference="pa_1", ids=ProviderIds(page_id="cs_1", intent_id="pi_1"), object_ids=("cs_1", "pi_1")
    )


@pytest.fixture
def another() -> Iterator[Any]:
    """A second connection, as another process has it."""
    other = connections.create_connection("default")
    yield other
    other.close()


def waiting() -> int:
    return int(OrmQ.objects.filter(key="look").count())


def test_what_the_row_holds(told: Notification, now: datetime) -> None:
    with correlation.bind("c" * 32):
        assert inbox.receive(told, body=b'{"id": "evt_1"}', at=now)
    event = ProviderEvent.objects.get()
    assert {
        "provider": event.provider,
        "event_id": event.event_id,
        "mode": event.mode,
        "state": event.state,
        "object_ids": event.object_ids,
        "ids": event.ids,
        "reference": event.reference,
        "received_at": event.received_at,
        "next_try_at": event.next_try_at,
        "correlation_id": event.correlation_id,
        "body": inbox.raw_body(event, purpose=Purpose.VERIFY, actor=PROCESS),
        "unused": (event.tries, event.fence, event.lease_until, event.finished_at, event.used_by_look, event.error),
    } == {
        "provider": told.provider,
        "event_id": "evt_1",
        "mode": "test",
        "state": "received",
        "object_ids": ["cs_1", "pi_1"],
        "ids": told.ids,
        "reference": "pa_1",
        "received_at": now,
        "next_try_at": now,
        "correlation_id": "c" * 32,
        "body": b'{"id": "evt_1"}',
        "unused": (0, 0, None, None, None, ""),
    }
    assert waiting() == 1


def test_a_known_event_changes_nothing(told: Notification, now: datetime) -> None:
    assert inbox.receive(told, body=b"first", at=now)
    before = ProviderEvent.objects.values().get()
    OrmQ.objects.all().delete()
    assert not inbox.receive(told, body=b"second", at=now + timedelta(hours=1))
    assert ProviderEvent.objects.values().get() == before
    assert waiting() == 0


def test_it_wakes_the_workers_unless_a_nudge_waits_that_none_has_taken(told: Notification, now: datetime) -> None:
    for number in (1, 2):
        inbox.receive(replace(told, event_id=f"evt_{number}"), body=b"{}", at=now)
        assert waiting() == 1
    # Another cluster's nudge wakes nobody here, and one that was taken may have looked before this event stood.
    OrmQ.objects.update(key="keep")
    inbox.receive(replace(told, event_id="evt_3"), body=b"{}", at=now)
    assert waiting() == 1
    OrmQ.objects.update(lock=timezone.now() + timedelta(seconds=120))
    inbox.receive(replace(told, event_id="evt_4"), body=b"{}", at=now)
    assert waiting() == 2


def test_a_kept_connection_that_broke_meanwhile_loses_no_event(told: Notification, now: datetime, another: Any) -> None:
    _break_ours_from(another)
    assert inbox.receive(told, body=b"{}", at=now)
    assert ProviderEvent.objects.count() == 1
    assert waiting() == 1


def test_a_database_that_is_away_is_told_of(
    told: Notification, now: datetime, another: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _break_ours_from(another)
    monkeypatch.setitem(connection.settings_dict, "PORT", "1")
    with pytest.raises(OperationalError):
        inbox.receive(told, body=b"{}", at=now)
    monkeypatch.undo()
    assert not ProviderEvent.objects.exists()


def test_a_wait_that_took_too_long_is_not_begun_again(
    told: Notification, now: datetime, another: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[ProviderEvent] = []
    once = inbox._execute_insertion

    def counted(event: ProviderEvent) -> inbox.Inserted | None:
        tries.append(event)
        return once(event)

    monkeypatch.setattr(inbox, "_execute_insertion", counted)
    another.set_autocommit(False)
    another.cursor().execute("LOCK TABLE payments_providerevent IN EXCLUSIVE MODE")
    connection.cursor().execute("SET lock_timeout = 100")
    with pytest.raises(OperationalError):
        inbox.receive(told, body=b"{}", at=now)
    connection.close()  # and with it the lock_timeout
    another.rollback()
    assert len(tries) == 1
    assert inbox.receive(told, body=b"{}", at=now)


def _break_ours_from(another: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [pid] = cursor.fetchone() or [0]
    with another.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        assert cursor.fetchone() == (True,)
