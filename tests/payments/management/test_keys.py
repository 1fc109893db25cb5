"""`manage.py keys`: values come unseen, fingerprints go out, refusals say what to do."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from integrations import credentials
from integrations.models.keys import Credential

pytestmark = pytest.mark.django_db

SECRET, OTHER = "whsec_" + "a" * 32, "whsec_" + "b" * 32
STATED = ("stripe", "webhook_secret", "--owner", "Ida", "--reason", "yearly")


@pytest.fixture(autouse=True)
def place(settings: Any) -> Any:
    settings.ENVIRONMENT = "staging"
    settings.STRIPE_WEBHOOK_SECRETS = ("whsec_" + "e" * 32,)
    return settings


def run(*words: str, value: str = "", monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(sys, "stdin", io.StringIO(value + "\n"))
    out = io.StringIO()
    call_command("keys", "--json", *words, stdout=out)
    assert not value or value not in out.getvalue()
    report: dict[str, Any] = json.loads(out.getvalue())
    return report


def test_add_rotate_list_revoke(monkeypatch: pytest.MonkeyPatch) -> None:
    [added] = run("add", *STATED, "--expires", "2031-03-01", value=SECRET, monkeypatch=monkeypatch)["keys"]
    assert (added["state"], added["fingerprint"]) == ("active", credentials.fingerprint(SECRET))
    assert added["expires_at"] == "2031-03-02T00:00:00+00:00"
    run("rotate", *STATED, "--overlap-hours", "2", value=OTHER, monkeypatch=monkeypatch)
    listed = run("list", monkeypatch=monkeypatch)["keys"]
    assert {each["fingerprint"]: each["state"] for each in listed} == {
        credentials.fingerprint(SECRET): "overlap",
        credentials.fingerprint(OTHER): "active",
    }
    run("revoke", added["uid"], "--reason", "seen in a chat", monkeypatch=monkeypatch)
    run("revoke", credentials.fingerprint(OTHER), "--reason", "seen in a chat", monkeypatch=monkeypatch)
    assert run("list", monkeypatch=monkeypatch)["keys"] == []
    assert {each["state"] for each in run("list", "--all", monkeypatch=monkeypatch)["keys"]} == {"revoked"}
    assert all(row.created_by.startswith("command:") for row in Credential.objects.all())


def test_revoke_one_of_the_environment(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    mark = credentials.fingerprint(place.STRIPE_WEBHOOK_SECRETS[0])
    [row] = run("revoke", mark, "--reason", "seen in a chat", monkeypatch=monkeypatch)["keys"]
    assert (row["state"], row["owner"]) == ("revoked", "environment")


@pytest.mark.parametrize(
    ("words", "value", "code", "why"),
    [
        (("add", *STATED), "sk_" + "live_" + "1" * 24, 5, "signing secret"),
        (("add", "stripe", "api_key", *STATED[2:]), "sk_" + "live_" + "1" * 24, 5, "live key"),
        (("add", *STATED, "--expires", "tomorrow"), SECRET, 2, "no date"),
        (("add", *STATED, "--expires", "2031-02-31"), SECRET, 2, "no date"),
        (("add", *STATED, "--expires", "2020-02-01"), SECRET, 5, "expired already"),
        (("revoke", "nonsense", "--reason", "x"), "", 2, "neither a key's uid nor a fingerprint"),
        (("revoke", "sha256:0", "--reason", "x"), "", 5, "There is no key"),
        (("revoke", "5f0c1c1e-8a75-4f5c-9d4b-0d6a3a1b2c3d", "--reason", "x"), "", 5, "no such key"),
    ],
)
def test_refusals(words: tuple[str, ...], value: str, code: int, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match=why) as refusal:
        run(*words, value=value, monkeypatch=monkeypatch)
    assert refusal.value.returncode == code
    assert not value or value not in str(refusal.value)


def test_no_option_takes_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        call_command("keys", "add", "--help")
    assert "value" not in capsys.readouterr().out.partition("options:")[2].replace("--", "")


def test_a_person_reads_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(SECRET + "\n"))
    call_command("keys", "add", *STATED)
    first, last = capsys.readouterr().out.strip().splitlines()
    assert f"stripe webhook_secret (test): active, {credentials.fingerprint(SECRET)}, owner Ida, never used" in first
    assert last == "1 key added"
