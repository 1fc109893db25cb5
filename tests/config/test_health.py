"""Probes tell the truth, quickly and to the right people."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from config import gauges, health
from config.readers import Reader, trusted_proxies
from integrations.models import Heartbeat
from orders.models import Order
from payments.models import PaymentAttempt, ProviderEvent
from payments.monitoring import period_figures
from payments.states import EventState


def away(*_: Any, **__: Any) -> Any:
    raise OperationalError("connection refused at 10.0.0.7")


class TestAlive:
    def test_asks_nobody(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "cursor", away)
        answer = client.get("/livez")
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
        assert "no-store" in answer.headers["Cache-Control"]

    def test_asks_nobody_for_a_session_either(self, client: Client) -> None:
        client.cookies["session"] = "x" * 32
        assert client.get("/livez").status_code == 200

    def test_needs_no_session_and_sets_no_cookie(self, client: Client) -> None:
        assert not client.get("/livez").cookies


class TestReady:
    @pytest.mark.django_db
    def test_with_a_migrated_database(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health._known, "migrated", False)
        answer = client.get("/readyz")
        assert answer.status_code == 200
        assert answer.json() == {"status": "ok", "checks": {"database": "ok", "migrations": "ok"}}

    @pytest.mark.django_db
    def test_not_before_the_migrations(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(health._known, "migrated", False)
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'payments'")
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {"database": "ok", "migrations": "failed"}

    @pytest.mark.django_db
    def test_migrations_are_looked_up_until_they_are_there(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(health._known, "migrated", False)
        client.get("/readyz")
        with CaptureQueriesContext(connection) as queries:
            client.get("/readyz")
        assert not [query for query in queries if "django_migrations" in query["sql"]]

    def test_not_without_the_database_and_strangers_learn_names_only(
        self, client: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(connection, "cursor", away)
        monkeypatch.setattr(health._known, "migrated", True)
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"status": "unavailable", "checks": {"database": "failed", "migrations": "ok"}}

    @pytest.mark.django_db
    def test_the_probes_time_limit_does_not_stay_on_the_connection(self, client: Client) -> None:
        client.get("/readyz")
        with connection.cursor() as cursor:
            cursor.execute("SHOW statement_timeout")
            assert cursor.fetchone() == ("25s",)


@pytest.mark.django_db
class TestMetrics:
    @pytest.fixture(autouse=True)
    def proxies(self, settings: Any) -> None:
        settings.TRUSTED_PROXIES = trusted_proxies(Reader({"TRUSTED_PROXIES": "10.0.0.0/8,127.0.0.1"}))

    def test_are_for_this_machine(self, client: Client, settings: Any) -> None:
        settings.TRUSTED_PROXIES = trusted_proxies(Reader({}))
        assert client.get("/metrics").status_code == 200
        assert client.get("/metrics", REMOTE_ADDR="::1").status_code == 200
        assert client.get("/metrics", REMOTE_ADDR="203.0.113.9").status_code == 403

    def test_and_for_trusted_networks_that_come_straight(self, client: Client) -> None:
        assert client.get("/metrics").status_code == 200
        assert client.get("/metrics", REMOTE_ADDR="10.1.2.3").status_code == 200
        assert client.get("/metrics", REMOTE_ADDR="10.1.2.3", HTTP_X_FORWARDED_PROTO="https").status_code == 403

    def test_not_for_whom_a_proxy_on_this_machine_lets_through(self, client: Client, settings: Any) -> None:
        assert client.get("/metrics", HTTP_X_FORWARDED_FOR="203.0.113.9").status_code == 403
        assert client.get("/metrics", HTTP_X_FORWARDED_FOR="127.0.0.1").status_code == 403
        settings.TRUSTED_PROXIES = trusted_proxies(Reader({}))
        assert client.get("/metrics", HTTP_X_FORWARDED_FOR="203.0.113.9").status_code == 403

    @pytest.mark.parametrize(
        ("token", "given", "status"),
        [
            ("right-token", "Bearer right-token", 200),
            ("right-token", "Bearer wrong-token", 403),
            ("right-token", "right-token", 403),
            ("right-token", "", 403),
            ("right-token", "Bearer ünicode", 403),
            ("", "Bearer ", 403),
        ],
    )
    def test_or_with_the_token(self, client: Client, settings: Any, token: str, given: str, status: int) -> None:
        settings.METRICS_TOKEN = token
        answer = client.get("/metrics", HTTP_AUTHORIZATION=given, REMOTE_ADDR="203.0.113.9")
        assert answer.status_code == status

    def test_tell_what_waits(self, order: Order, now: datetime) -> None:
        def event(number: int, state: EventState, minutes: int) -> None:
            ProviderEvent.objects.create(
                provider="stripe",
                event_id=f"evt_{number}",
                type="t",
                mode="test",
                state=state,
                provider_created_at=now,
                received_at=now - timedelta(minutes=minutes),
                body_sealed=b"",
                body_sha256="",
            )

        event(1, EventState.RECEIVED, 5)
        event(2, EventState.RECEIVED, 2)
        event(3, EventState.PROCESSED, 60)
        PaymentAttempt.objects.create(
            order=order, provider="stripe", amount_minor=1, currency="EUR", created_at=now, mode="test"
        )
        Heartbeat.objects.create(name="look", host="a", pid=1, beaten_at=now - timedelta(seconds=30))
        Heartbeat.objects.create(name="look", host="b", pid=1, beaten_at=now - timedelta(seconds=4))
        found = read(gauges.exposition(now=now))
        assert found["shop_inbox", "received"] == 2
        assert found["shop_inbox_oldest_seconds", "received"] == 300
        assert found["shop_inbox", "failed"] == 0, "an alert on a series that is not there never fires"
        assert ("shop_inbox", "processed") not in found
        assert found["shop_attempts_live", "stripe", "created"] == 1
        assert found["shop_heartbeat_age_seconds", "look"] == 4
        assert found["shop_dead_deliveries", "dead"] == 0
        assert found["shop_deliveries_due",] == 0
        assert found["shop_calls", "unknown"] == 0

    def test_tell_how_long_webhooks_of_this_hour_took(self, db: None, now: datetime) -> None:
        ProviderEvent.objects.create(
            provider="stripe",
            event_id="evt_1",
            type="t",
            mode="test",
            state=EventState.PROCESSED,
            provider_created_at=now - timedelta(seconds=3),
            received_at=now,
            finished_at=now + timedelta(milliseconds=250),
            body_sealed=b"",
            body_sha256="",
        )
        later = now + timedelta(minutes=1)
        period_figures.roll_up(at=later, most=1)
        found = read(gauges.exposition(now=later))
        assert found["shop_hour_webhook_lag_seconds", "arrival", "stripe", "0.95"] == 3
        assert found["shop_hour_webhook_lag_seconds", "processing", "stripe", "0.50"] == 0.25

    def test_database_away_is_503(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        settings.TRUSTED_PROXIES = trusted_proxies(Reader({}))
        monkeypatch.setattr(gauges, "exposition", away)
        assert Client().get("/metrics").status_code == 503

    def test_no_query_reads_a_whole_table(self) -> None:
        """Every plan is by index once sequential scans are priced out, so a partial index fits each query."""
        with CaptureQueriesContext(connection) as queries:
            gauges.exposition(now=timezone.now())
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
            for query in queries:
                cursor.execute(f"EXPLAIN {query['sql']}")
                plan = "\n".join(row[0] for row in cursor.fetchall())
                assert "integrations_heartbeat" in plan or "Seq Scan" not in plan, plan


def read(text: bytes) -> dict[tuple[str, ...], float]:
    """Return the samples by name and label values."""
    families = text_string_to_metric_families(text.decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}
