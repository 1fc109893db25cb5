"""Who has the demo, what it keeps, and that commands beside it find the same sandbox."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from config import env
from integrations.contract import Mode
from integrations.providers.wirings import WIRINGS
from payments.management.demo import parts
from payments.management.demo.mails import MailWatch
from payments.management.demo.place import Addresses, Place
from payments.management.demo.stand_ins import STAND_INS

ADDRESSES = Addresses(
    shop="http://127.0.0.1:8123",
    receiver="http://127.0.0.1:4124",
    sandboxes={name: f"http://127.0.0.1:{4200 + number}" for number, name in enumerate(STAND_INS)},
)
SANDBOX = ADDRESSES.sandboxes["stripe"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.make()
    return made


@pytest.fixture
def taken(place: Place) -> Iterator[int]:
    descriptor = place.take()
    assert descriptor is not None
    yield descriptor
    os.close(descriptor)


def test_a_second_one_is_refused_with_the_first_ones_address(place: Place, taken: int) -> None:
    place.say_running(ADDRESSES, pid=4711, ready=True)
    other = Place(place.base_dir)
    assert other.take() is None
    assert other.running() == ADDRESSES
    assert "http://127.0.0.1:8123/ (process 4711)" in str(other.refusal())


def test_it_is_not_running_before_it_is_ready(place: Place, taken: int) -> None:
    assert place.running() is None
    place.say_running(ADDRESSES, pid=1, ready=False)
    assert place.is_taken()
    assert place.running() is None


def test_what_a_killed_one_said_counts_for_nothing(place: Place) -> None:
    descriptor = place.take()
    assert descriptor is not None
    place.say_running(ADDRESSES, pid=4711, ready=True)
    os.close(descriptor)  # as the kernel does
    assert not place.is_taken()
    assert place.running() is None


def test_nobody_else_can_read_what_it_keeps(place: Place, taken: int) -> None:
    place.say_running(ADDRESSES, pid=1, ready=True)
    known = parts.secrets_of(place)
    place.keep_environment(parts.shared_environment(place, ADDRESSES, known, environment="demo"))
    files = [place.home, *place.home.rglob("*")]
    assert len(files) > 8
    assert [file for file in files if file.stat().st_mode & 0o077] == []


def test_secrets_are_made_once(place: Place) -> None:
    assert parts.secrets_of(place) == parts.secrets_of(Place(place.base_dir))


def test_commands_beside_it_meet_the_same_sandbox(place: Place) -> None:
    known = parts.secrets_of(place)
    place.keep_environment(parts.shared_environment(place, ADDRESSES, known, environment="demo"))
    read = env.load({}, base_dir=place.base_dir)
    assert (read.environment, read.public_base_url) == ("demo", ADDRESSES.shop)
    assert (read.stripe.api_base, read.stripe.api_key) == (SANDBOX, known.of_providers["stripe"]["stripe_key"])
    assert read.stripe.webhook_secrets == (known.of_providers["stripe"]["stripe_webhook_secret"],)


@pytest.mark.parametrize("name", WIRINGS)
def test_each_provider_is_made_from_them_and_takes_doctors_event(place: Place, settings: Any, name: str) -> None:
    known, wiring = parts.secrets_of(place), WIRINGS[name]
    place.keep_environment(parts.shared_environment(place, ADDRESSES, known, environment="demo"))
    read = env.load({}, base_dir=place.base_dir)
    given = {f"STRIPE_{part.upper()}": getattr(read.stripe, part) for part in read.stripe.__slots__}
    for setting, value in (given | read.other_providers).items():
        setattr(settings, setting, value)
    settings.ENVIRONMENT = "demo"
    assert wiring.problems() == []
    provider = wiring.make()
    assert (provider.name, provider.mode) == (name, Mode.TEST)
    if wiring.signed_event is None:
        return
    secret = known.of_providers[name][STAND_INS[name].signing]
    now, event_id = timezone.now(), f"doctor{uuid.uuid4().hex}"
    headers, body = wiring.signed_event(secret=secret, event_id=event_id, mode=provider.mode, now=now)
    note = provider.verify(headers=headers, body=body, now=now)
    assert (note.event_id, note.relevant) == (event_id, False)


@pytest.mark.parametrize(
    "environ",
    [
        {"ENVIRONMENT": "test"},
        {"ENVIRONMENT": "demo", "STRIPE_API_KEY": "sk_" + "test_mine", "STRIPE_WEBHOOK_SECRETS": "whsec_" + "m" * 24},
        {"ENVIRONMENT": "demo", "STRIPE_API_BASE": "http://127.0.0.1:9"},
    ],
    ids=["not the demo", "own key", "own address"],
)
def test_its_variables_mix_with_nobody_elses(place: Place, environ: dict[str, str]) -> None:
    place.keep_environment(parts.shared_environment(place, ADDRESSES, parts.secrets_of(place), environment="demo"))
    read = env.load(environ, base_dir=place.base_dir)
    assert read.stripe.api_base != SANDBOX
    assert read.public_base_url != ADDRESSES.shop


def test_programs_get_the_demos_keys_whatever_the_shell_has(place: Place) -> None:
    shell = {
        "PATH": "/bin",
        "STRIPE_API_KEY_FILE": "/run/secrets/live",
        "PAYPAL_CLIENT_ID": "mine",
        "EMAIL_URL": "smtp://mail.example",
        "DATABASE_URL": "postgresql://a@b/c",
    }
    known = parts.secrets_of(place)
    key = known.of_providers["stripe"]["stripe_key"]
    for program in parts.programs(place, ADDRESSES, known, environment="demo", inherited=shell):
        assert program.environment["STRIPE_API_KEY"] == key
        assert program.environment["EMAIL_URL"] == "console:"
        assert program.environment["DATABASE_URL"] == "postgresql://a@b/c"
        assert "STRIPE_API_KEY_FILE" not in program.environment
        assert program.environment.get("PAYPAL_CLIENT_ID") != "mine"
        assert key not in repr(program)


def test_the_web_goes_before_the_workers_and_the_stand_ins_go_last(place: Place) -> None:
    programs = parts.programs(place, ADDRESSES, parts.secrets_of(place), environment="demo")
    waves = {program.name: program.wave for program in programs}
    assert waves["web"] == waves["tick"] > waves["look"] == waves["deliver"] == waves["keep"]
    assert waves["keep"] > waves["sandbox-stripe"] == waves["receiver"]
    assert {f"sandbox-{provider}" for provider in STAND_INS} <= set(waves)


class TestMails:
    def test_each_mail_is_told_once(self, tmp_path: Path) -> None:
        log = tmp_path / "deliver.log"
        log.write_text("Subject: from before\nTo: old@example.com\n")
        watch = MailWatch(log)
        with log.open("a") as stream:
            stream.write(
                "04:41 info delivery_tried\nSubject: Order =?utf-8?q?n=C2=BA_7?=\nFrom: shop@example.com\nTo: a@"
            )
            stream.flush()
            assert list(watch.news()) == []
            stream.write("example.com\n\nTo: nobody\n")
        assert list(watch.news()) == [("a@example.com", "Order nº 7")]
        assert list(watch.news()) == []

    def test_a_log_begun_anew_is_read_from_its_start(self, tmp_path: Path) -> None:
        log = tmp_path / "deliver.log"
        log.write_text("x" * 200)
        watch = MailWatch(log)
        log.write_text("Subject: Paid\nTo: a@example.com\n")
        assert list(watch.news()) == [("a@example.com", "Paid")]

    def test_there_may_be_no_log_yet(self, tmp_path: Path) -> None:
        assert list(MailWatch(tmp_path / "none").news()) == []
