"""doctor on what is outside: the providers, their door to us and our pages. Each code is red when it should be."""

from __future__ import annotations

import io
from datetime import timedelta
from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from integrations import credentials, probes, providers
from integrations.contract import ConfigurationError, Mode, Unavailable
from integrations.probes import Answer
from payments.management.doctor import of_addresses
from payments.management.doctor.examination import Result
from payments.models import ProviderEvent
from tests.payments.management.doctor.examined import (
    OTHER,
    SECRET,
    finds,
    is_ok,
    outcome,
    run,
)

pytestmark = pytest.mark.django_db


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
