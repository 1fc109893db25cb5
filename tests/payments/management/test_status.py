"""status: the same figures as /metrics, a word for each, one line that sums up; exit 3 only where something is red."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from config import gauges
from integrations.breaker import Subject, pause
from integrations.models import Breaker, Delivery, DeliveryState, Heartbeat
from orders.models import Order
from payments.cases.opening import open_case
from payments.models import PaymentAttempt
from payments.models.case import CaseKind
from payments.monitoring import figures as health_figures
from payments.monitoring import levels as health_levels
from payments.monitoring.levels import Health, Level, Row
from payments.states import CallState, EventState
from tests.integrations.deliveries import make_destination, tell
from tests.payments.test_health_figures import event

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def working(now: datetime) -> None:
    """Every process works."""
    for name in health_figures.PROCESSES:
        Heartbeat.objects.create(name=name, host="a", pid=1, beaten_at=now)


def health(at: datetime) -> Health:
    return health_levels.health(now=at, providers=("stripe",))


def row(at: datetime, area: str, name: str) -> Row:
    [found] = [each for of, each in rows(at) if of == area and each.name == name]
    return found


def rows(at: datetime) -> list[tuple[str, Row]]:
    return [(area.name, each) for area in health(at).areas for each in area.rows]


def test_all_is_green_where_nothing_waits(now: datetime) -> None:
    assert health(now).level is Level.GREEN


class TestLevels:
    @pytest.mark.parametrize(
        ("minutes", "level"), [(0, Level.GREEN), (1, Level.GREEN), (2, Level.AMBER), (5, Level.AMBER), (6, Level.RED)]
    )
    def test_an_event_by_its_age(self, now: datetime, minutes: int, level: Level) -> None:
        event(1, EventState.RECEIVED, received_at=now - minutes * MINUTE)
        assert row(now, "inbox", "received").level is level

    def test_parked_is_amber_and_dead_is_red(self, now: datetime) -> None:
        event(1, EventState.PARKED, received_at=now)
        assert health(now).level is Level.AMBER
        event(2, EventState.DEAD, received_at=now)
        assert health(now).level is Level.RED

    def test_a_process_that_is_silent_or_never_came(self, now: datetime) -> None:
        assert row(now + 3 * MINUTE, "processes", "tick").level is Level.RED
        assert row(now + timedelta(seconds=40), "processes", "tick").level is Level.AMBER
        Heartbeat.objects.filter(name="keep").delete()
        assert row(now, "processes", "keep").detail == "has never worked"
        assert row(now, "processes", "keep").level is Level.RED

    def test_a_receiver_by_its_oldest_its_dead_and_whether_it_is_paused(self, now: datetime) -> None:
        crm = make_destination(now=now, name="crm")
        tell(now=now)
        assert row(now, "receivers", "crm").level is Level.GREEN
        assert row(now + 4 * MINUTE, "receivers", "crm").level is Level.AMBER
        assert row(now + 16 * MINUTE, "receivers", "crm").level is Level.RED
        pause(Subject(destination_id=crm.pk), actor="user:7", reason="moves house", now=now)
        paused = row(now + 16 * MINUTE, "receivers", "crm")
        assert (paused.level, paused.count, paused.detail) == (Level.AMBER, 1, "1 due, paused: moves house")
        Delivery.objects.update(state=DeliveryState.SENDING)
        Delivery.objects.update(state=DeliveryState.DEAD, died_at=now, dead_reason="exceeded")
        dead = row(now, "receivers", "crm")
        assert (dead.level, dead.detail) == (Level.RED, "1 dead, paused: moves house")

    def test_a_receiver_that_is_away_is_red_and_one_switched_off_is_not(self, now: datetime) -> None:
        crm = make_destination(now=now, name="crm")
        Breaker.objects.create(destination=crm, state="open", since=now, next_probe_at=now)
        away = row(now, "receivers", "crm")
        assert (away.level, away.detail) == (Level.RED, "away")
        make_destination(now=now, name="old", active=False)
        assert (row(now, "receivers", "old").level, row(now, "receivers", "old").detail) == (
            Level.GREEN,
            "switched off",
        )

    def test_a_provider_that_is_away_or_paused(self, now: datetime) -> None:
        breaker = Breaker.objects.create(
            provider="stripe", state="open", since=now, next_probe_at=now, failures=5, last_failure="timeout"
        )
        assert (row(now, "providers", "stripe").level, row(now, "providers", "stripe").detail) == (
            Level.RED,
            "open after 5 failures",
        )
        breaker.delete()
        pause(Subject(provider="stripe"), actor="user:7", reason="moves house", now=now)
        paused = row(now, "providers", "stripe")
        assert (paused.level, paused.detail) == (Level.AMBER, "paused by user:7: moves house")

    def test_looks_that_get_no_answer_or_are_late(self, now: datetime, order: Order) -> None:
        PaymentAttempt.objects.create(
            order=order,
            provider="stripe",
            amount_minor=1,
            currency="EUR",
            created_at=now,
            mode="test",
            looked_at=now,
            look_failures=2,
            look_error="no answer",
            next_look_at=now,
        )
        failing = row(now, "looks", "stripe")
        assert (failing.level, failing.count, failing.detail) == (Level.AMBER, 1, "no answer")
        assert row(now + 3 * MINUTE, "looks", "overdue").level is Level.AMBER
        assert row(now + 11 * MINUTE, "looks", "overdue").level is Level.RED
        reach = row(now, "providers", "stripe")
        assert (reach.count, reach.detail) == (1, "1 created")

    def test_a_call_nobody_knows_the_outcome_of(self, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        waiting = health_figures.Waiting(state=CallState.UNKNOWN.value, count=2, oldest=now)
        monkeypatch.setattr(health_figures, "provider_calls", lambda: (waiting,))
        assert row(now, "provider calls", "unknown").level is Level.AMBER
        assert row(now + 16 * MINUTE, "provider calls", "unknown").level is Level.RED

    def test_an_open_case_is_amber(self, now: datetime) -> None:
        with transaction.atomic():
            open_case(
                CaseKind.DEAD_EVENT, subject_kind="event", subject_id=1, ours="a", theirs="b", suggested_fix="c", at=now
            )
        case = row(now, "open cases", "An event could not be processed")
        assert (case.level, case.count, case.detail) == (Level.AMBER, 1, "1 without an owner")


def test_what_raises_an_alert_stands_first_with_its_runbook(now: datetime) -> None:
    event(1, EventState.RECEIVED, received_at=now - 10 * MINUTE)
    [alert] = [each for area, each in rows(now) if area == "alerts"]
    assert health(now).areas[0].name == "alerts"
    assert (alert.level, alert.since) == (Level.RED, now - 10 * MINUTE)
    assert "docs/runbooks/stale-events.md" in alert.detail


class TestTheCommand:
    @pytest.fixture(autouse=True)
    def at(self, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        monkeypatch.setattr(timezone, "now", lambda: now)

    def run(self, *options: str) -> tuple[int, str]:
        out, code = io.StringIO(), 0
        try:
            call_command("status", *options, stdout=out)
        except SystemExit as end:
            code = int(end.code or 0)
        return code, out.getvalue()

    def test_exits_0_until_something_is_red(self, now: datetime) -> None:
        assert self.run()[0] == 0
        event(1, EventState.PARKED, received_at=now)
        assert self.run()[0] == 0
        event(2, EventState.DEAD, received_at=now)
        assert self.run()[0] == 3

    def test_sums_up_what_is_wrong_and_how_far_it_reaches(self, now: datetime) -> None:
        event(1, EventState.PARKED, received_at=now)
        event(2, EventState.DEAD, received_at=now - 200 * MINUTE)
        _, said = self.run()
        lines = said.strip().splitlines()
        assert lines[-1] == "RED. red: inbox dead. amber: inbox parked. Payments open now: 0."
        assert "inbox: dead: red, 1 events, oldest 3 h ago" in lines

    def test_reports_as_json(self, now: datetime) -> None:
        event(1, EventState.RECEIVED, received_at=now - 10 * MINUTE)
        code, said = self.run("--json")
        report = json.loads(said)
        assert (code, report["level"], report["at"]) == (3, "red", now.isoformat())
        [received] = [each for each in report["areas"]["inbox"] if each["name"] == "received"]
        assert received == {
            "name": "received",
            "level": "red",
            "count": 1,
            "since": (now - 10 * MINUTE).isoformat(),
            "age_seconds": 600,
            "detail": "",
        }

    def test_tells_the_figures_of_metrics(self, now: datetime) -> None:
        make_destination(now=now, name="crm")
        tell(now=now - 9 * MINUTE)
        event(1, EventState.RECEIVED, received_at=now - 10 * MINUTE)
        areas = json.loads(self.run("--json")[1])["areas"]
        families = text_string_to_metric_families(gauges.exposition(now=now).decode())
        gauge: dict[Any, float] = {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}
        for each in areas["inbox"][:5]:
            assert gauge["shop_inbox", each["name"]] == each["count"]
            assert gauge["shop_inbox_oldest_seconds", each["name"]] == (each["age_seconds"] or 0)
        [crm] = [each for each in areas["receivers"] if each["name"] == "crm"]
        assert gauge["shop_receiver_unsent", "crm"] == crm["count"] == 1
        assert gauge["shop_receiver_oldest_unsent_seconds", "crm"] == crm["age_seconds"] == 540

    def test_writes_nothing(self, now: datetime) -> None:
        with CaptureQueriesContext(connection) as queries:
            self.run()
        assert [query["sql"] for query in queries if not query["sql"].startswith("SELECT")] == []
        assert len(queries) < 60

    def test_shows_a_person_tables_without_reading_names_as_markup(
        self, now: datetime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        make_destination(now=now, name="crm [bold]x[/bold]")
        tell(now=now)
        out = Terminal()
        call_command("status", stdout=out)
        shown = capsys.readouterr().out
        assert "crm [bold]x[/bold]" in shown
        assert "receivers" in shown
        assert out.getvalue().startswith("GREEN. ")
