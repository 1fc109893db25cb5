"""`verify_ledger` finds nothing in what the application writes, and names exactly what was planted past it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import transaction

from payments.ledger import check as ledger_check
from payments.ledger import posting as ledger
from payments.ledger import watch as ledger_watch
from payments.ledger.check import Finding, check
from payments.management.doctor import of_backlog  # noqa: F401  registers its examinations
from payments.management.doctor.examination import EXAMINATIONS
from payments.models import Capture, Case, LedgerCheck, LedgerTransaction
from payments.models.case import CaseKind
from tests.audit_rows import tamper
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)  # the owner tampers past the application's transaction


@pytest.fixture
def world(fake: Any, order: Any, now: datetime) -> World:
    """A shop in which the order was paid twice: one capture applied, one unapplied, both with their fees."""
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    payment = world.provider.the_payment()
    world.provider.pay(payment)
    world.provider.pay(payment)
    world.tell(payment)
    world.work()
    return world


def posting(kind: str) -> LedgerTransaction:
    return LedgerTransaction.objects.filter(cause_kind=kind).order_by("pk")[0]


def found() -> list[Finding]:
    return check().findings


def test_what_the_application_writes_is_clean(world: World) -> None:
    done = check()
    assert done.findings == []
    assert (done.transactions, Capture.objects.count()) == (4, 2)
    assert done.causes == 2 * 2, "each capture as capture and as fee"


def test_steps_of_one_row_find_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_check, "AT_ONCE", 1)
    monkeypatch.setattr(ledger_check, "TRANSACTIONS_AT_ONCE", 1)
    done = check()
    assert (done.findings, done.transactions) == ([], 4)
    _amount(world)
    assert [finding.code for finding in found()] == ["out_of_balance", "unbalanced", "wrong_amount"]


def _amount(world: World) -> None:
    more = "UPDATE payments_ledgerentry SET amount_minor = amount_minor + 1"
    tamper("payments_ledgerentry", f"{more} WHERE transaction_id = %s AND amount_minor > 0", posting("capture").pk)


def _both_amounts(world: World) -> None:
    statement = "UPDATE payments_ledgerentry SET amount_minor = amount_minor * 2 WHERE transaction_id = %s"
    tamper("payments_ledgerentry", statement, posting("capture").pk)


def _account(world: World) -> None:
    statement = "UPDATE payments_ledgerentry SET account = 'suspense' WHERE transaction_id = %s AND account = 'sales'"
    tamper("payments_ledgerentry", statement, posting("capture").pk)


def _no_account(world: World) -> None:
    statement = "UPDATE payments_ledgerentry SET account = 'gifts' WHERE transaction_id = %s AND account = 'sales'"
    tamper("payments_ledgerentry", statement, posting("capture").pk)


def _currency(world: World) -> None:
    statement = "UPDATE payments_ledgertransaction SET currency = 'USD' WHERE id = %s"
    tamper("payments_ledgertransaction", statement, posting("fee").pk)


def _time(world: World) -> None:
    statement = "UPDATE payments_ledgertransaction SET at = at - interval '40 days' WHERE id = %s"
    tamper("payments_ledgertransaction", statement, posting("capture").pk)


def _before_its_cause(world: World) -> None:
    statement = "UPDATE payments_ledgertransaction SET at = at - interval '2 hours' WHERE id = %s"
    tamper("payments_ledgertransaction", statement, posting("fee").pk)


def _another_cause(world: World) -> None:
    statement = "UPDATE payments_ledgertransaction SET cause_kind = 'gift' WHERE id = %s"
    tamper("payments_ledgertransaction", statement, posting("fee").pk)


def _moved_cause(world: World) -> None:
    statement = "UPDATE payments_ledgertransaction SET cause_id = 999999 WHERE id = %s"
    tamper("payments_ledgertransaction", statement, posting("capture").pk)


def _applied_by_nobody(world: World) -> None:
    with transaction.atomic():
        ledger.post_application(Capture.objects.get(disposition="unapplied"), at=world.now)


def _fee_never_told(world: World) -> None:
    tamper("payments_capture", "UPDATE payments_capture SET fee_minor = NULL WHERE disposition = %s", "applied")


def _gone_entries(world: World) -> None:
    statement = "DELETE FROM payments_ledgerentry WHERE transaction_id = %s"
    tamper("payments_ledgerentry", statement, posting("fee").pk)


def _no_currency(world: World) -> None:
    tamper("payments_capture", "UPDATE payments_capture SET currency = 'X?Y' WHERE disposition = %s", "applied")


PLANTED = [
    (_no_currency, ["unreadable", "unreadable"]),
    (_amount, ["out_of_balance", "unbalanced", "wrong_amount"]),
    (_both_amounts, ["wrong_amount"]),
    (_account, ["wrong_account"]),
    (_no_account, ["unknown_account", "wrong_account"]),
    (_currency, ["wrong_currency"]),
    (_time, ["wrong_time"]),
    (_before_its_cause, ["wrong_time"]),
    (_another_cause, ["unknown_cause", "no_posting"]),
    (_moved_cause, ["no_posting", "no_cause"]),
    (_applied_by_nobody, ["no_cause"]),
    (_fee_never_told, ["no_cause"]),
    (_gone_entries, ["unbalanced", "wrong_account"]),
]


@pytest.mark.parametrize(("plant", "codes"), PLANTED, ids=lambda value: getattr(value, "__name__", ""))
def test_what_is_planted_is_named(world: World, plant: Callable[[World], None], codes: list[str]) -> None:
    plant(world)
    assert [finding.code for finding in found()] == codes
    assert all(finding.remedy for finding in found())


def test_every_kind_of_finding_is_planted_and_has_a_remedy() -> None:
    planted = {code for _, codes in PLANTED for code in codes}
    assert planted | {"month_changed"} == set(ledger_check.REMEDIES)  # tests/payments/test_accounting_periods.py


def test_a_finding_names_row_transaction_and_amounts(world: World) -> None:
    _both_amounts(world)
    [finding] = found()
    capture = Capture.objects.order_by("pk")[0]
    assert finding.transaction == posting("capture").pk
    assert (finding.cause_kind, finding.cause_id) == ("capture", capture.pk)
    assert f"of capture {capture.pk} (Capture {capture.capture_id} (20.00 EUR))" in finding.what
    assert "posted clearing:stripe 40.00 EUR, sales -40.00 EUR" in finding.what


class TestTheCommand:
    def test_clean(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("verify_ledger")
        assert capsys.readouterr().out.splitlines()[-1].startswith("4 transactions and ")
        last = ledger_watch.last_finished()
        assert last is not None
        assert (last.finding_count, last.actor.startswith("command:")) == (0, True)

    def test_findings_end_with_3_a_line_each(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        _moved_cause(world)
        with pytest.raises(SystemExit) as ended:
            call_command("verify_ledger")
        assert ended.value.code == 3
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3
        assert "is not posted" in lines[0]
        assert "Post it by its own posting function" in lines[0]
        assert lines[-1].endswith("compared, 2 findings")

    def test_json(self, world: World, capsys: pytest.CaptureFixture[str]) -> None:
        _account(world)
        with pytest.raises(SystemExit):
            call_command("verify_ledger", "--json")
        report = json.loads(capsys.readouterr().out)
        assert report["finding_count"] == 1
        assert report["findings"][0]["code"] == "wrong_account"
        assert report["stopped"] is False


class TestTheKeeper:
    def test_it_runs_once_a_day_and_a_clean_ledger_opens_no_case(self, world: World, now: datetime) -> None:
        assert ledger_watch.is_due(now)
        assert ledger_watch.go_on(now) > 0
        [run] = LedgerCheck.objects.all()
        assert (run.finished_at, run.finding_count) == (now, 0)
        assert not ledger_watch.is_due(now + timedelta(hours=23))
        assert ledger_watch.is_due(now + timedelta(hours=24))
        assert not Case.objects.filter(kind=CaseKind.LEDGER_BROKEN).exists()

    def test_it_goes_on_where_it_stopped(self, world: World, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ledger_check, "AT_ONCE", 1)
        ticks = iter(range(0, 10_000, 3))  # each piece has time for two steps
        monkeypatch.setattr(ledger_watch.time, "monotonic", lambda: next(ticks))
        pieces = 0
        while ledger_watch.is_due(now):
            ledger_watch.go_on(now)
            pieces += 1
        [run] = LedgerCheck.objects.all()
        whole = check()
        assert pieces > 2
        assert (run.rows_seen, run.finding_count) == (whole.causes + whole.transactions, 0)

    def test_what_it_finds_is_a_case_that_names_it(self, world: World, now: datetime) -> None:
        _account(world)
        ledger_watch.go_on(now)
        case = Case.objects.get(kind=CaseKind.LEDGER_BROKEN)
        assert "posted to clearing:stripe and suspense, not to clearing:stripe and sales" in case.theirs
        assert "reverse the posting" in case.suggested_fix
        ledger_watch.go_on(now + timedelta(days=1))
        case.refresh_from_db()
        assert case.times_seen == 2

    def test_doctor_tells_of_the_last_run(self, world: World, now: datetime) -> None:
        place: Any = type("Place", (), {"at": now})
        examine = EXAMINATIONS["D067"].examine
        ledger_watch.go_on(now)
        assert examine(place) == []
        place.at = now + timedelta(days=3)
        assert examine(place) == ["The last run ended 3 days ago."]
        _account(world)
        ledger_watch.go_on(now + timedelta(days=3))
        [told] = examine(place)
        assert told.startswith("1 found; first: ")
