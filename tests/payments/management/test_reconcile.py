"""`reconcile` over whole lists: what it prints, its exit codes, and what it refuses."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import providers
from integrations.contract import Unavailable
from payments.models import AuditRecord, ReconciliationRun
from payments.reconciliation import runs
from tests.fake_provider import FakeProvider
from tests.reconciliation.books import Books

pytestmark = pytest.mark.django_db


@pytest.fixture
def books(fake: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> Books:
    monkeypatch.setattr(providers, "enabled", lambda: ("stripe",))
    books = Books(fake)
    books.now = timezone.now()
    monkeypatch.setattr("tests.reconciliation.books.MOMENT", books.now - timedelta(minutes=1))
    return books


def run(*args: str) -> tuple[int, str]:
    """Run the command; return its exit code and what it wrote."""
    out = io.StringIO()
    try:
        call_command("reconcile", *args, stdout=out, stderr=io.StringIO())
    except SystemExit as ended:
        return int(ended.code or 0), out.getvalue()
    except CommandError as error:
        return error.returncode, str(error)
    return 0, out.getvalue()


def report(*args: str) -> tuple[int, dict[str, Any]]:
    code, text = run(*args, "--json")
    return code, json.loads(text)


def test_clean(books: Books) -> None:
    books.paid()
    code, told = report("--since", "48h")
    assert (code, told["open"], told["new"]) == (0, 0, 0)
    assert told["runs"][0]["listed"] == told["runs"][0]["compared"] == 1
    assert AuditRecord.objects.filter(event="command_run").exists()


def test_what_a_look_settles_is_no_finding(books: Books) -> None:
    _, payment = books.attempt()
    books.pay(payment)
    code, told = report("--since", "48h")
    assert (code, told["settled"], told["differences"]["missing_here"]) == (0, 1, {"settled": 1})


def test_findings(books: Books) -> None:
    _, payment, _ = books.paid()
    payment.captures.clear()
    code, text = run("--since", "48h", "--provider", "stripe")
    assert code == 3 and "missing_there" in text
    assert text.strip().splitlines()[-1].endswith("0 unconfirmed")
    code, told = report("--since", "48h")
    assert (code, told["new"]) == (3, 0), "the second run finds nothing new"


def test_a_dry_run_tells_suspicions_and_records_nothing(books: Books) -> None:
    _, payment = books.attempt()
    books.pay(payment)
    code, told = report("--since", "48h", "--dry-run")
    assert (code, told["differences"]["missing_here"]) == (3, {"suspected": 1})
    assert not AuditRecord.objects.filter(event="command_run").exists()


def test_a_provider_that_is_away(books: Books) -> None:
    books.provider.fail_next = [Unavailable("503")]
    code, told = report("--since", "48h")
    assert code == 4 and "cannot be asked now" in told["failures"]["stripe"]


def test_another_run_is_in_progress(books: Books) -> None:
    now = timezone.now()
    runs.begin("stripe", since=now, until=now, dry_run=False, actor="somebody", at=now)
    code, text = run("--since", "48h")
    assert code == 5 and "somebody" in text


@pytest.mark.parametrize(
    "args",
    [
        ("--order", "1", "--since", "48h"),
        ("--order", "1", "--dry-run"),
        ("--order", "1", "--provider", "stripe"),
        ("--since", "yesterday"),
        ("--since", "0h"),
        ("--since", "2026-13-01"),
        ("--provider", "nobody"),
    ],
)
def test_usage(books: Books, args: tuple[str, ...]) -> None:
    assert run(*args)[0] in (1, 2)
    assert not ReconciliationRun.objects.exists()


@pytest.mark.parametrize(
    ("text", "since"),
    [
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T08:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
        ("2026-11-20T08:00+02:00", datetime(2026, 11, 20, 6, tzinfo=UTC)),
    ],
)
def test_since(books: Books, text: str, since: datetime) -> None:
    assert run("--since", text)[0] == 0
    assert ReconciliationRun.objects.get().since == since
