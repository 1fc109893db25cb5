"""doctor's command, its list of secrets, and its page in docs/."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from config.sources import Source
from integrations import credentials
from integrations.probes import ProbeFailed
from payments.management.commands import doctor
from payments.management.doctor import examination, secret_list
from payments.management.doctor.examination import EXAMINATIONS, Place
from tests.payments.management.doctor.examined import (
    OTHER,
    SECRET,
    add,
    away,
    examinations,
    run,
)

pytestmark = pytest.mark.django_db


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
    page = (Path(__file__).parents[4] / "docs" / "doctor.md").read_text(encoding="utf-8")
    rows = [f"| {code} | {EXAMINATIONS[code].holds} | {EXAMINATIONS[code].remedy} |" for code in sorted(EXAMINATIONS)]
    assert [line for line in page.splitlines() if line.startswith("| D")] == rows


def test_every_runbook_a_remedy_names_is_there() -> None:
    root = Path(__file__).parents[4]
    named = {page for each in EXAMINATIONS.values() for page in re.findall(r"docs/[\w/-]+\.md", each.remedy)}
    assert len(named) > 5
    assert [page for page in sorted(named) if not (root / page).is_file()] == []
