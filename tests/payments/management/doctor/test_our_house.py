"""doctor on what is ours: settings, database, processes, keys and what waits. Each code is red when it should be."""

from __future__ import annotations

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from config.sources import Source
from integrations import encryption_keys, probes, wakeups
from integrations.breaker import Subject, pause
from integrations.models import DecryptionRecord, Delivery, DeliveryState, Heartbeat
from orders.models import Order
from payments import signatures
from payments.management.doctor import of_backlog, of_database, of_processes
from payments.management.doctor.examination import EXAMINATIONS, Result
from payments.models import EventWatermark, PaymentAttempt, ProviderCall
from payments.monitoring import figures as health_figures
from payments.reconciliation import runs
from payments.states import CallState, EventState
from tests.integrations.deliveries import make_destination, tell
from tests.payments.management.doctor.examined import (
    DAY,
    SECRET,
    add,
    away,
    finds,
    is_ok,
    outcome,
)
from tests.payments.test_health_figures import event

pytestmark = pytest.mark.django_db


class TestSettings:
    def test_d001_system_checks(self, place: Any) -> None:
        assert is_ok("D001")
        place.STRIPE_API_KEY = "sk_" + "live_" + "1" * 24
        assert finds("D001", "payments.E001", "live key", "Use a test key here")

    def test_d002_integration_keys(self, place: Any, now: datetime) -> None:
        assert is_ok("D002")
        place.ENVIRONMENT, place.STRIPE_API_BASE = "production", "https://api.stripe.com"
        add(SECRET, at=now)
        place.ENVIRONMENT = "staging"
        assert finds("D002", "live key", "manage.py keys revoke")

    def test_d003_files(self, place: Any, tmp_path: Path) -> None:
        file = tmp_path / "secret"
        file.write_text("x")
        file.chmod(0o600)
        place.SECRET_SOURCES = {"SECRET_KEY": Source(where="the file that SECRET_KEY_FILE names", file=file)}
        assert is_ok("D003")
        file.chmod(0o640)
        assert finds("D003", "SECRET_KEY comes from the file")
        place.SECRET_SOURCES = {"SECRET_KEY": Source(where="the environment variable SECRET_KEY")}
        assert outcome("D003").result is Result.SKIPPED


class TestDatabase:
    def test_all_is_well_here(self) -> None:
        assert [code for code in ("D010", "D011", "D012", "D014", "D015") if not is_ok(code)] == []
        assert outcome("D013").result is Result.SKIPPED

    def test_d010_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(of_database, "_rows", away)
        assert finds("D010", "no connection as")
        assert outcome("D012").result is Result.UNCHECKED

    def test_d011_migrations(self) -> None:
        with connections["default"].cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'payments' AND name LIKE '0002%'")
            cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('orders', '0999_new', now())")
        assert finds("D011", "not applied: payments 0002_guards", "unknown to this code: orders 0999_new")

    def test_d012_append_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(of_database, "APPEND_ONLY", ("orders_transition", "orders_order", "gone"))
        told = outcome("D012")
        assert told.result is Result.FINDING
        assert "gone: there is no such table" in told.details
        assert "orders_order: no trigger refuses UPDATE, DELETE, TRUNCATE" in told.details
        assert any("orders_order: the role" in each and "may DELETE" in each for each in told.details)
        assert not [each for each in told.details if "orders_transition" in each]

    def test_d013_tls(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(of_database, "_rows", lambda *_: [("10.0.0.7", False)])
        assert finds("D013", "10.0.0.7 is not encrypted")
        monkeypatch.setattr(of_database, "_rows", lambda *_: [("10.0.0.7", True)])
        assert is_ok("D013")

    @pytest.mark.parametrize("seconds", [-30, 30])
    def test_d014_clock(self, monkeypatch: pytest.MonkeyPatch, seconds: int) -> None:
        theirs = timezone.now() + timedelta(seconds=seconds)
        monkeypatch.setattr(of_database, "_rows", lambda *_: [(theirs,)])
        assert finds("D014", "differ by")

    def test_d015_roles(self, place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(place.DATABASES["owner"], "USER", "shop")
        monkeypatch.setitem(place.DATABASES["default"], "USER", "shop")
        assert outcome("D015").result is Result.SKIPPED
        place.ENVIRONMENT = "production"
        assert finds("D015", "Both are shop")


class TestProcesses:
    def test_d020_heartbeats(self, now: datetime) -> None:
        for name in health_figures.PROCESSES:
            Heartbeat.objects.create(name=name, host="a", pid=1, beaten_at=now)
        assert is_ok("D020", at=now)
        assert finds("D020", "look worked last 600 s ago", at=now + timedelta(minutes=10))
        Heartbeat.objects.filter(name="tick").delete()
        assert finds("D020", "tick has never worked", at=now)

    def test_d021_broker(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert is_ok("D021")

        def broker(_: str) -> Any:
            raise ConnectionError("refused")

        monkeypatch.setattr(wakeups, "_broker", broker)
        assert finds("D021", "queue of look does not answer")

    def test_d022_mail(self, place: Any) -> None:
        assert outcome("D022").result is Result.SKIPPED
        place.EMAIL_BACKEND, place.EMAIL_HOST, place.EMAIL_PORT = probes.SMTP_BACKEND, "127.0.0.1", 1
        assert finds("D022", "127.0.0.1:1 cannot be used")

    def test_d023_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        usage = SimpleNamespace(total=100 * 1024**3, free=50 * 1024**3)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
        assert is_ok("D023")
        usage.free = 5 * 1024**3
        assert finds("D023", "5120 MiB are free (5 %)")

    def test_d024_reconciliation(self, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        monkeypatch.setattr(of_processes.lists, "listing_providers", lambda: ())
        assert outcome("D024").result is Result.SKIPPED
        monkeypatch.setattr(of_processes.lists, "listing_providers", lambda: ("stripe",))
        assert finds("D024", "never")
        run = runs.begin("stripe", since=now - DAY, until=now, dry_run=False, actor="test", at=now)
        assert finds("D024", "never")
        runs.finish(run, at=now)
        assert is_ok("D024", at=now + DAY)
        assert finds("D024", "done last at 2026-11-21 12:00 UTC", at=now + 2 * DAY)


class TestKeys:
    def test_d030_expiry(self, now: datetime) -> None:
        row = add(SECRET, at=now, expires_at=now + 40 * DAY)
        assert is_ok("D030", at=now)
        assert finds("D030", row.fingerprint, "owner Ida", at=now + 11 * DAY)

    def test_d031_age_and_d032_change(self, place: Any, now: datetime) -> None:
        place.ENCRYPTION_KEYS, place.ENCRYPTION_KEY_MAX_AGE_DAYS = {"k1": b"o" * 31 + b"1"}, 90
        encryption_keys.note_ring(at=now)
        assert is_ok("D031", at=now + 89 * DAY)
        assert finds("D031", "k1 has been in use for 90 days", at=now + 90 * DAY)
        assert is_ok("D032")
        place.ENCRYPTION_KEYS = {"k1": b"n" * 31 + b"1"}
        assert finds("D032", "under the id k1")

    def test_d033_values_open_and_each_opening_is_recorded(self, place: Any, now: datetime) -> None:
        make_destination(now=now)
        assert is_ok("D033")
        [record] = DecryptionRecord.objects.filter(purpose="check")
        assert (record.actor, record.table_name) == ("command:ida", "integrations_destination")
        place.ENCRYPTION_KEYS = {"k9": b"9" * 31 + b"0"}
        assert finds("D033", "in ENCRYPTION_KEYS")


class TestBacklog:
    def test_all_is_well_with_nothing_there(self) -> None:
        assert [code for code in EXAMINATIONS if code.startswith("D06") and not is_ok(code)] == []

    def test_d060_and_d063_events(self, now: datetime) -> None:
        event(1, EventState.FAILED, received_at=now - timedelta(minutes=4))
        event(2, EventState.DEAD, received_at=now - timedelta(days=3))
        assert is_ok("D060", at=now)
        assert finds("D060", "1 failed, the oldest for 9 min", at=now + timedelta(minutes=5))
        assert finds("D063", "1 dead, the oldest arrived 3 days ago", at=now)

    def test_d061_and_d062_deliveries(self, now: datetime) -> None:
        make_destination(now=now, name="crm")
        tell(now=now)
        assert is_ok("D061", at=now + timedelta(minutes=15))
        assert finds("D061", "crm: 1 unsent, the oldest for 16 min", at=now + timedelta(minutes=16))
        Delivery.objects.update(state=DeliveryState.SENDING)
        Delivery.objects.update(state=DeliveryState.DEAD, died_at=now, dead_reason="exceeded")
        assert finds("D062", "crm: 1, the oldest for 3 h", at=now + timedelta(hours=3))

    def test_d064_calls(self, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        waiting = health_figures.Waiting(state=CallState.UNKNOWN.value, count=2, oldest=now)
        monkeypatch.setattr(health_figures, "provider_calls", lambda: (waiting,))
        assert is_ok("D064", at=now + timedelta(minutes=15))
        assert finds("D064", "2 unknown, the oldest for 16 min", at=now + timedelta(minutes=16))

    def test_d066_webhooks_that_do_not_come(self, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        monkeypatch.setattr(signatures, "trouble_since", lambda *_, **__: now)
        assert is_ok("D066", at=now)
        assert finds("D066", "each one has failed the check", at=now + timedelta(minutes=5))

    def test_d068_events_that_may_be_lost(self, monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
        monkeypatch.setattr(of_backlog.alerts.event_rules.backfill, "window_days", lambda _: 30)
        EventWatermark.objects.create(provider="stripe", complete_until=now, next_at=now)
        assert is_ok("D068", at=now + 19 * DAY)
        assert finds("D068", "It lists events for 30 days only", at=now + 20 * DAY)

    def test_d069_answers_that_did_not_come(self, order: Order, now: datetime) -> None:
        attempt = PaymentAttempt.objects.create(
            order=order, provider="stripe", amount_minor=1, currency="EUR", created_at=now, mode="test"
        )
        ProviderCall.objects.create(
            attempt=attempt, operation="start", kind="opens_page", request={}, created_at=now, first_sent_at=now,
            state="unknown",
        )  # fmt: skip
        assert is_ok("D069", at=now + timedelta(minutes=3))
        assert finds("D069", "No answer for 4 minutes", at=now + timedelta(minutes=4))

    def test_d065_breakers(self, now: datetime) -> None:
        crm = make_destination(now=now, name="crm")
        pause(Subject(destination_id=crm.pk), actor="user:7", reason="moves house", now=now)
        assert finds(
            "D065", "crm (receiver) is paused for 5 min, by user:7: moves house", at=now + timedelta(minutes=5)
        )
