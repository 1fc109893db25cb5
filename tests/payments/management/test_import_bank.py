"""`manage.py import_bank`: what it brings in, what it names, how it exits."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations.contract import EntryKind
from payments.models import AuditRecord, BankLine, BankMatch
from payments.payouts.mirror import mirror
from tests.fake_provider import FakeProvider
from tests.payments.test_bank_statements import CAMT, GERMAN, HEADER

pytestmark = pytest.mark.django_db


def run(*arguments: str, code: int = 0) -> str:
    out = StringIO()
    if code:
        with pytest.raises(SystemExit) as ended:
            call_command("import_bank", *arguments, stdout=out)
        assert ended.value.code == code
    else:
        call_command("import_bank", *arguments, stdout=out)
    return out.getvalue().strip()


def report(*arguments: str, code: int = 0) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(run(*arguments, "--json", code=code))
    return told


@pytest.fixture
def statement(tmp_path: Path) -> Path:
    """A statement of today, with one payout's arrival and somebody's rent."""
    day = timezone.now().date()
    file = tmp_path / "statement.csv"
    file.write_text(HEADER + f"{day},19.41,EUR,STRIPE,\n{day},-900.00,EUR,Rent,\n")
    return file


def test_a_csv_is_imported_and_matched(fake: FakeProvider, statement: Path) -> None:
    now = timezone.now()
    fake.pay_out(
        [fake.entry(EntryKind.ADJUSTMENT, 1941, created_at=now - timedelta(hours=2))],
        created_at=now - timedelta(hours=1), arrives_at=now,
    )  # fmt: skip
    mirror("stripe", clock=timezone.now)
    told = report(str(statement), "--account", "main")
    assert (told["lines"], told["new"], told["matched"], told["unmatched"], told["bad"]) == (2, 2, 1, 1, [])
    assert BankMatch.objects.count() == 1
    again = run(str(statement), "--account", "main")
    assert again == "statement.csv: 2 lines; 0 new, 2 known; 0 matched to payouts, 1 wait for a person"
    assert AuditRecord.objects.filter(event="command_run").count() == 2


def test_bad_lines_are_named_and_nothing_is_imported(statement: Path) -> None:
    statement.write_text(statement.read_text() + "soon,1.00,EUR,a,\n" + "2026-01-01,x,EUR,a,\n")
    told = run(str(statement), "--account", "main", code=3)
    assert told.splitlines() == [
        "line 4: the date is not written as %Y-%m-%d",
        "line 5: the amount is no number with “.” before its decimals",
        "statement.csv: 2 lines cannot be read. Nothing was imported.",
    ]
    assert report(str(statement), "--account", "main", code=3)["bad"][0]["line"] == 4
    assert not BankLine.objects.exists()
    assert not AuditRecord.objects.filter(event="command_run").exists()


def test_a_file_of_bad_lines_names_the_first_of_them(statement: Path) -> None:
    statement.write_text(HEADER + "soon,1.00,EUR,a,\n" * 60)
    told = run(str(statement), "--account", "main", code=3).splitlines()
    assert (len(told), told[-2]) == (52, "and 10 more")


def test_camt_names_its_account_itself(tmp_path: Path) -> None:
    file = tmp_path / "statement.xml"
    file.write_text(CAMT)
    assert report(str(file))["new"] == 2
    assert set(BankLine.objects.values_list("account", flat=True)) == {"DE02120300000000202051"}
    assert report(str(file), "--format", "camt053")["known"] == 2


def test_a_map_says_which_column_is_what(tmp_path: Path) -> None:
    file, column_map = tmp_path / "umsatz.csv", tmp_path / "bank.toml"
    column_map.write_text(GERMAN, encoding="utf-8")
    rows = "a\nb\nBuchungstag;Empfänger;Verwendungszweck;Referenz;Betrag\n23.11.2026;Müller;Zweck;Ref;-1.000,50\n"
    file.write_bytes(rows.encode("cp1252"))
    assert report(str(file), "--account", "main", "--map", str(column_map))["new"] == 1
    line = BankLine.objects.get()
    assert (line.amount_minor, line.counterparty, line.line_number) == (-100050, "Müller", 4)


def test_a_dry_run_writes_nothing(statement: Path) -> None:
    assert "2 would be new" in run(str(statement), "--account", "main", "--dry-run")
    assert not BankLine.objects.exists()


@pytest.mark.parametrize(("arguments", "why"), [
    (["{file}"], "--account"), (["{none}", "--account", "m"], "cannot be read"),
    (["{file}", "--account", "m", "--map", "{none}"], "map cannot be read"),
    (["{file}", "--account", "m", "--map", "{file}"], "no TOML"),
    (["{file}", "--account", "m", "--format", "camt053"], "no XML"),
])  # fmt: skip
def test_usage(statement: Path, arguments: list[str], why: str) -> None:
    paths = {"file": str(statement), "none": str(statement.parent / "none")}
    with pytest.raises(CommandError, match=why) as refused:
        run(*[argument.format(**paths) for argument in arguments])
    assert refused.value.returncode == 2


def test_a_huge_file_is_not_read(statement: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("payments.management.commands.import_bank.MAX_FILE_BYTES", 10)
    with pytest.raises(CommandError, match="split it"):
        run(str(statement), "--account", "main")
