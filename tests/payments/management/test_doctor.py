"""doctor: every code is red when it should be, says what to do, and stands in docs/doctor.md."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections
from django.utils import timezone

from config.sources import Source
from integrations import credentials, encryption_keys, probes, providers, wakeups
from integrations.breaker import Subject, pause
from integrations.contract import ConfigurationError, Mode, Unavailable
from integrations.models import DecryptionRecord, Delivery, DeliveryState, Heartbeat
from integrations.probes import Answer, ProbeFailed
from orders.models import Order
from payments import signatures
from payments.management.commands import doctor
from payments.management.doctor import examination, of_addresses, of_backlog, of_database, of_processes, secret_list
from payments.management.doctor.examination import EXAMINATIONS, Place, Result, examine
from payments.models import EventWatermark, PaymentAttempt, ProviderCall, ProviderEvent
from payments.monitoring import figures as health_figures
from payments.reconciliation import runs
from payments.states import CallState, EventState
from tests.integrations.deliveries import make_destination, tell
from tests.payments.test_health_figures import event

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
SECRET, OTHER = "whsec_" + "a" * 32, "whsec_" + "b" * 32
URL = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def place(settings: Any) -> Any:
    settings.ENVIRONMENT = "test"
    settings.PAYMENTS_PROVIDERS = ("stripe",)
    settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = "sk_" + "test_" + "1" * 24, "http://127.0.0.1:1"
    settings.STRIPE_WEBHOOK_SECRETS = (SECRET,)
    settings.PUBLIC_BASE_URL = URL
    return settings


def outcome(code: str, *, at: datetime | None = None, url: str = URL) -> Any:
    return examine(EXAMINATIONS[code], Place(at=at or timezone.now(), clock=timezone.now, url=url, actor="command:ida"))


def is_ok(code: str, **where: Any) -> bool:
    told = outcome(code, **where)
    return bool(told.result is Result.OK and not told.details)


def finds(code: str, *words: str, **where: Any) -> bool:
    told = outcome(code, **where)
    said = " ".join(told.details)
    assert all(word in said for word in words), said
    return bool(told.result is Result.FINDING)


def run(*options: str) -> tuple[int, dict[str, Any]]:
    out, code = io.StringIO(), 0
    try:
        call_command("doctor", "--json", *options, stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    report: dict[str, Any] = json.loads(out.getvalue())
    return code, report


def test_where_nobody_but_the_provider_signs_the_door_cannot_be_proved(settings: Any) -> None:
    settings.PAYMENTS_PROVIDERS = ("paypal",)
    told = outcome("D042")
    assert told.result is Result.SKIPPED
    assert "can sign" in " ".join(told.details)


class TestAddresses:
    def test_none_declared_is_no_finding(self, settings: Any) -> None:
        settings.OUTGOING_ADDRESSES = ()
        assert outcome("D043").result is Result.SKIPPED

    def test_an_address_that_no_provider_sees(self, settings: Any) -> None:
        settings.OUTGOING_ADDRESSES = (ip_network("9.9.9.9"), ip_network("10.0.0.0/8"))
        assert finds("D043", "10.0.0.0/8")
        assert "9.9.9.9" not in " ".join(outcome("D043").details)
        settings.OUTGOING_ADDRESSES = (ip_network("9.9.9.9"), ip_network("2620:fe::fe"))
        assert is_ok("D043")

    def test_they_are_listed_beside_what_each_provider_offers(self, settings: Any) -> None:
        settings.OUTGOING_ADDRESSES = (ip_network("9.9.9.9"),)
        settings.WEBHOOK_IP_ALLOWLISTS = {"stripe": (ip_network("3.18.12.63"),)}
        _, report = run("--only", "D043")
        assert report["outgoing_addresses"] == ["9.9.9.9/32"]
        [reach] = report["providers"]
        assert (reach["provider"], reach["webhooks_from"]) == ("stripe", ["3.18.12.63/32"])
        assert "IP restrictions" in reach["restrict_key"]
        out = io.StringIO()
        call_command("doctor", "--only", "D043", stdout=out)
        assert "our calls leave from: 9.9.9.9/32" in out.getvalue()
        assert "stripe: webhooks from 3.18.12.63/32" in out.getvalue()

    def test_a_provider_of_somebody_elses_is_listed_too(self, settings: Any) -> None:
        settings.PAYMENTS_PROVIDERS = ("acme",)
        assert "acme: offers no restriction of its keys to addresses" in of_addresses.lines()


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


class TestProviders:
    def test_d040_key(self, monkeypatch: pytest.MonkeyPatch, place: Any) -> None:
        def answering(answer: Any) -> None:
            def account() -> str:
                if isinstance(answer, Exception):
                    raise answer
                return str(answer)

            monkeypatch.setattr(providers, "get", lambda _: SimpleNamespace(account=account))

        answering("acct_1")
        assert is_ok("D040")
        answering(ConfigurationError("Stripe refuses the key"))
        assert finds("D040", "stripe: Stripe refuses the key")
        answering(Unavailable("no answer"))
        assert outcome("D040").result is Result.UNCHECKED
        place.PAYMENTS_PROVIDERS = ()
        assert outcome("D040").result is Result.SKIPPED

    def test_d041_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(probes, "clock_of", lambda _: timezone.now() - timedelta(seconds=20))
        assert is_ok("D041")
        monkeypatch.setattr(probes, "clock_of", lambda _: timezone.now() + timedelta(minutes=2))
        assert finds("D041", "stripe: they differ by")

    def test_d041_a_provider_that_does_not_answer_proves_nothing(self) -> None:
        assert outcome("D041").result is Result.UNCHECKED

    def test_what_is_asked_to_be_shown_otherwise_than_offered(self, place: Any) -> None:
        assert is_ok("D044")
        place.PAYMENTS_PRESENTATION = {"": "embedded", "stripe": "hosted"}
        assert is_ok("D044"), "a wish for all is one for those that offer it"
        place.PAYMENTS_PRESENTATION = {"stripe": "embedded", "sofort": "hosted"}
        assert finds("D044", "stripe offers hosted, not embedded", "sofort is not among PAYMENTS_PROVIDERS")

    def test_d042_behind_an_allowlist(self, place: Any) -> None:
        place.WEBHOOK_IP_ALLOWLISTS = {"stripe": ("3.18.12.63",)}
        assert outcome("D042").result is Result.SKIPPED

    def test_d042_a_door_that_refuses_or_leads_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        status = {"of": 400}
        monkeypatch.setattr(
            probes, "ask", lambda *_, **__: Answer(status=status["of"], headers={}, body=b"", seconds=0)
        )
        assert finds("D042", "the door answers 400", credentials.fingerprint(SECRET))
        status["of"] = 200
        assert finds("D042", "not in this database's inbox")
        assert SECRET not in " ".join(outcome("D042").details)

    def test_d042_without_keys_that_fit(self, place: Any) -> None:
        place.STRIPE_API_KEY = "sk_" + "live_" + "1" * 24
        assert finds("D042", "live key")


@pytest.mark.django_db(transaction=True)
class TestTheDoorItself:
    @pytest.fixture(autouse=True)
    def shop(self, live_server: Any, place: Any) -> None:
        place.ALLOWED_HOSTS = ["localhost"]
        self.url = str(live_server.url)

    def test_d042_each_secret_is_proved_by_an_event_of_its_own(self, place: Any) -> None:
        place.STRIPE_WEBHOOK_SECRETS = (SECRET, OTHER)
        assert is_ok("D042", url=self.url)
        events = ProviderEvent.objects.filter(provider="stripe")
        assert {(event.state, event.type, event.mode) for event in events} == {
            ("ignored", "shop.doctor.ping", Mode.TEST.value)
        }
        assert events.count() == 2

    def test_d050_the_policy_on_the_first_page(self, place: Any) -> None:
        assert is_ok("D050", url=self.url)

    def test_d051_ready(self) -> None:
        assert is_ok("D051", url=self.url)

    def test_the_whole(self, place: Any) -> None:
        code, report = run("--url", self.url, "--only", "D042,D050,D051")
        assert (code, report["findings"], report["unchecked"]) == (0, 0, 0)


class TestPages:
    @pytest.mark.parametrize(
        ("policy", "said"),
        [
            (None, "no such header"),
            ("default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self'", "script-src allows"),
            ("script-src 'self'; style-src 'self'", "default-src allows everything"),
            ("default-src 'none'; script-src 'self'; style-src *", "style-src allows *"),
        ],
    )
    def test_d050_a_policy_that_is_missing_or_loose(
        self, monkeypatch: pytest.MonkeyPatch, policy: str | None, said: str
    ) -> None:
        headers = {} if policy is None else {"content-security-policy": policy}
        monkeypatch.setattr(probes, "ask", lambda *_, **__: Answer(status=200, headers=headers, body=b"", seconds=0))
        assert finds("D050", said)

    def test_d050_a_page_that_leads_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        moved = Answer(status=301, headers={"location": "https://shop.example/"}, body=b"", seconds=0)
        monkeypatch.setattr(probes, "ask", lambda *_, **__: moved)
        told = outcome("D050")
        assert told.result is Result.UNCHECKED
        assert "301 (to https://shop.example/)" in told.details[0]

    @pytest.mark.parametrize(
        ("body", "said"),
        [(b'{"checks": {"database": "failed", "migrations": "ok"}}', "database fails"), (b"<html>", "answers 503")],
    )
    def test_d051_not_ready(self, monkeypatch: pytest.MonkeyPatch, body: bytes, said: str) -> None:
        monkeypatch.setattr(probes, "ask", lambda *_, **__: Answer(status=503, headers={}, body=body, seconds=0))
        assert finds("D051", said)

    def test_a_door_that_nobody_opens_is_not_well(self) -> None:
        assert [outcome(code).result for code in ("D042", "D050", "D051")] == [Result.UNCHECKED] * 3


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


class TestTheCommand:
    def test_exit_codes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        results: dict[str, Callable[[Place], list[str]]] = {}

        def unchecked(_: Place) -> list[str]:
            raise ProbeFailed("nobody answers")

        results["D001"] = lambda _: []
        results["D002"] = unchecked
        monkeypatch.setattr(doctor, "EXAMINATIONS", examinations(results))
        assert run("--only", "D001")[0] == 0
        assert run()[0] == 4
        results["D003"] = lambda _: ["wrong"]
        monkeypatch.setattr(doctor, "EXAMINATIONS", examinations(results))
        code, report = run()
        assert (code, report["findings"], report["unchecked"]) == (3, 1, 1)
        assert report["examinations"][2]["remedy"] == "mend D003"
        with pytest.raises(CommandError, match="There is no D099") as refusal:
            run("--only", "D001,D099")
        assert refusal.value.returncode == 2

    def test_a_person_reads_code_finding_and_remedy(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(doctor, "EXAMINATIONS", examinations({"D001": lambda _: ["wrong [bold]here[/bold]"]}))
        with pytest.raises(SystemExit):
            call_command("doctor")
        lines = capsys.readouterr().out.splitlines()
        assert lines[:3] == ["D001 FINDING: holds D001", "     wrong [bold]here[/bold]", "     → mend D001"]
        assert lines[-1].startswith("1 examined in test: 1 finding, 0 not checked")

    def test_a_code_is_used_once(self) -> None:
        with pytest.raises(ValueError, match="D001 is taken"):
            examination.examination("D001", holds="", remedy="")(lambda _: [])


class TestSecrets:
    def test_each_is_told_by_its_source_and_never_shown(self, place: Any, now: datetime) -> None:
        place.SECRET_KEY = "the secret key of this test, long enough to be one, I hope"
        place.SECRET_SOURCES = {
            "SECRET_KEY": Source(where="the file that SECRET_KEY_FILE names"),
            "ENCRYPTION_KEYS": Source(where="generated here (var/secrets/encryption_keys)"),
            "STRIPE_API_KEY": Source(where="the environment variable STRIPE_API_KEY"),
            "STRIPE_WEBHOOK_SECRETS": Source(where="the environment variable STRIPE_WEBHOOK_SECRETS"),
        }
        row = add(OTHER, at=timezone.now())
        told = {(each.name, each.shown): each for each in secret_list.secrets_in_use()}
        assert told["SECRET_KEY", ""].where == "the file that SECRET_KEY_FILE names"
        assert told["STRIPE_API_KEY", credentials.fingerprint(place.STRIPE_API_KEY)].counts
        assert not told["STRIPE_WEBHOOK_SECRETS", credentials.fingerprint(SECRET)].counts, "a row stands in its place"
        assert told["stripe webhook_secret", row.fingerprint].where == f"integration key {row.uid}"
        said = repr(told)
        assert not [value for value in (SECRET, OTHER, place.STRIPE_API_KEY, place.SECRET_KEY) if value in said]

    def test_the_whole_report_shows_none(self, place: Any) -> None:
        out = io.StringIO()
        with pytest.raises(SystemExit):
            call_command("doctor", "--json", stdout=out)
        for value in (SECRET, place.STRIPE_API_KEY, place.SECRET_KEY):
            assert value not in out.getvalue()

    def test_without_the_database_the_environments_are_told_all_the_same(
        self, place: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(secret_list.credentials_in_use, "current", away)
        place.SECRET_SOURCES = {"STRIPE_API_KEY": Source(where="the environment variable STRIPE_API_KEY")}
        assert [each.name for each in secret_list.secrets_in_use()] == ["STRIPE_API_KEY"]


def test_every_code_stands_in_the_page_with_its_remedy() -> None:
    page = (Path(__file__).parents[3] / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = [f"| {code} | {EXAMINATIONS[code].holds} | {EXAMINATIONS[code].remedy} |" for code in sorted(EXAMINATIONS)]
    assert [line for line in page.splitlines() if line.startswith("| D")] == rows


def test_every_runbook_a_remedy_names_is_there() -> None:
    root = Path(__file__).parents[3]
    named = {page for each in EXAMINATIONS.values() for page in re.findall(r"docs/[\w/-]+\.md", each.remedy)}
    assert len(named) > 5
    assert [page for page in sorted(named) if not (root / page).is_file()] == []


def add(value: str, *, at: datetime, **more: Any) -> Any:
    told = {"owner": "Ida", "actor": "user:7", "reason": "new at the provider", **more}
    return credentials.add(provider="stripe", name="webhook_secret", value=value, at=at, **told)


def examinations(results: dict[str, Callable[[Place], list[str]]]) -> dict[str, examination.Examination]:
    return {
        code: examination.Examination(code=code, holds=f"holds {code}", remedy=f"mend {code}", examine=look)
        for code, look in results.items()
    }


def away(*_: Any, **__: Any) -> Any:
    raise DatabaseError("away")
