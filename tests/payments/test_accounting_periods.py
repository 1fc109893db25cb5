"""Closing a month: what it freezes, when it is refused, and that nothing is posted into it afterwards."""

from __future__ import annotations

import json
import threading
import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.management import CommandError, call_command
from django.db import Error as DatabaseError
from django.db import connection, transaction
from django.utils import timezone

from orders.money import Money
from payments import actions, staff_operations
from payments.ledger import chart, trial_balance
from payments.ledger import check as ledger_check
from payments.ledger import periods as accounting_periods
from payments.ledger import posting as ledger
from payments.ledger import watch as ledger_watch
from payments.ledger.periods import CannotClose
from payments.models import AccountBalance, AccountingPeriod, StaffAction
from payments.roles import Role
from payments.staff_operations import NotPossible
from tests.audit_rows import tamper
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.staff import make_staff
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)
IN_OCTOBER = datetime(2026, 10, 15, 12, tzinfo=UTC)
AFTER_OCTOBER = datetime(2026, 11, 1, tzinfo=UTC)


def sell(fake: FakeProvider, *, at: datetime) -> World:
    """Sell a 20.00 EUR order at this moment; its fee is 0.59."""
    world = World(provider=fake, order=make_order(now=at), now=at)
    world.press_pay()
    payment = list(fake.payments.values())[-1]
    fake.pay(payment)
    world.tell(payment, event_id=f"evt_{payment.page_id}")
    world.work()
    return world


def close(month: date = OCTOBER, *, at: datetime = AFTER_OCTOBER) -> AccountingPeriod:
    return accounting_periods.close(month=month, actor="test", at=at)


def balances(period: AccountingPeriod) -> dict[str, tuple[int, int, int]]:
    return {row.account: (row.debit_minor, row.credit_minor, row.balance_minor) for row in period.balances.all()}


def post(*, at: datetime, cause: int = 1) -> None:
    with transaction.atomic():
        ledger.post(
            cause_kind="fee", cause_id=cause, amount=Money(100, "EUR"), debit=chart.FEES,
            credit=chart.clearing("stripe"), at=at, note="",
        )  # fmt: skip


def test_a_month_is_frozen_with_turnover_and_balance(fake: FakeProvider) -> None:
    sell(fake, at=IN_OCTOBER)
    sell(fake, at=IN_OCTOBER + timedelta(days=20))
    first, second = close(), close(NOVEMBER, at=datetime(2026, 12, 2, tzinfo=UTC))
    assert balances(first) == {"clearing:stripe": (2000, 59, 1941), "fees": (59, 0, 59), "sales": (0, 2000, -2000)}
    assert balances(second) == {"clearing:stripe": (2000, 59, 3882), "fees": (59, 0, 118), "sales": (0, 2000, -4000)}
    assert (first.month, first.ends_at, str(second)) == (OCTOBER, AFTER_OCTOBER, "2026-11")
    assert ledger_check.check().findings == []


def test_the_trial_balance_is_the_same_before_and_after(fake: FakeProvider) -> None:
    sell(fake, at=IN_OCTOBER)
    sell(fake, at=IN_OCTOBER + timedelta(days=20))
    moments = [None, IN_OCTOBER, AFTER_OCTOBER, AFTER_OCTOBER + timedelta(days=1), AFTER_OCTOBER + timedelta(days=30)]
    before = [{line.account: line.balance_minor for line in trial_balance.balance(before=moment)} for moment in moments]
    close()
    after = [{line.account: line.balance_minor for line in trial_balance.balance(before=moment)} for moment in moments]
    assert before == after
    assert before[0] == {"clearing:stripe": 3882, "fees": 118, "sales": -4000}
    assert before[1] == {}


def test_closing_again_is_the_same(fake: FakeProvider) -> None:
    sell(fake, at=IN_OCTOBER)
    first = close()
    assert close(at=AFTER_OCTOBER + timedelta(days=40)).closed_at == first.closed_at
    assert AccountBalance.objects.count() == 3


@pytest.mark.parametrize(
    ("month", "at", "why"),
    [
        (OCTOBER, AFTER_OCTOBER - timedelta(microseconds=1), "is not over"),
        (NOVEMBER, datetime(2026, 12, 5, tzinfo=UTC), "2026-10 is still open"),
        (date(2026, 9, 1), AFTER_OCTOBER, "begins with 2026-10"),
    ],
)
def test_out_of_its_turn_it_is_refused(fake: FakeProvider, month: date, at: datetime, why: str) -> None:
    sell(fake, at=IN_OCTOBER)
    with pytest.raises(CannotClose, match=why):
        close(month, at=at)
    assert not AccountingPeriod.objects.exists()


def test_an_empty_ledger_has_nothing_to_close() -> None:
    with pytest.raises(CannotClose, match="Nothing was ever posted"):
        close()


class TestTheDatabase:
    @pytest.fixture(autouse=True)
    def closed(self, fake: FakeProvider) -> None:
        sell(fake, at=IN_OCTOBER)
        close()

    def test_refuses_a_posting_into_a_closed_month(self) -> None:
        with pytest.raises(DatabaseError, match="belongs into an open month"):
            post(at=AFTER_OCTOBER - timedelta(microseconds=1), cause=10**6)
        post(at=AFTER_OCTOBER, cause=10**6)

    @pytest.mark.parametrize("month", [date(2026, 12, 1), date(2026, 9, 1)])
    def test_refuses_months_out_of_order(self, month: date) -> None:
        _, end = accounting_periods.bounds(month)
        with pytest.raises(DatabaseError, match="in their order"):
            AccountingPeriod.objects.create(month=month, ends_at=end, closed_at=end, actor="test")

    def test_refuses_half_a_month(self) -> None:
        with pytest.raises(DatabaseError, match="a whole month"):
            AccountingPeriod.objects.create(
                month=NOVEMBER, ends_at=datetime(2026, 11, 20, tzinfo=UTC), closed_at=AFTER_OCTOBER, actor="test"
            )

    def test_refuses_to_change_what_is_frozen(self) -> None:
        with pytest.raises(DatabaseError, match="permission denied"):
            AccountBalance.objects.update(balance_minor=0)


def test_trigger_and_code_hold_one_lock() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = 'payments_refuse_closed_month'")
        [(source,)] = cursor.fetchall()
    assert f"pg_advisory_xact_lock_shared({accounting_periods.LOCK_KEY})" in source


def test_closing_waits_for_a_posting_that_is_under_way(fake: FakeProvider) -> None:
    """A posting of the month's last moment, written and not committed when the month is closed, is in its balance."""
    sell(fake, at=IN_OCTOBER)
    written, go_on = threading.Event(), threading.Event()

    def posting() -> None:
        try:
            with transaction.atomic():
                ledger.post(
                    cause_kind="fee", cause_id=10**6, amount=Money(100, "EUR"), debit=chart.FEES,
                    credit=chart.clearing("stripe"), at=AFTER_OCTOBER - timedelta(seconds=1), note="",
                )  # fmt: skip
                written.set()
                assert go_on.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=posting)
    thread.start()
    assert written.wait(10)
    threading.Timer(0.5, go_on.set).start()
    period = close()
    thread.join(10)
    assert balances(period)["fees"] == (159, 0, 159)


def test_a_changed_month_is_named(fake: FakeProvider) -> None:
    sell(fake, at=IN_OCTOBER)
    close()
    changed = "UPDATE payments_accountbalance SET balance_minor = balance_minor - 5 WHERE account = %s"
    tamper("payments_accountbalance", changed, "sales")
    [finding] = ledger_check.check().findings
    assert finding.code == "month_changed"
    assert finding.what.startswith("2026-10: sales was closed with -20.05 EUR")


class TestTheCommand:
    def run(self, capsys: Any, *arguments: str, code: int = 0) -> str:
        if code == 5:
            with pytest.raises(CommandError) as refused:
                call_command("close_period", *arguments)
            assert refused.value.returncode == 5
            return str(refused.value)
        if code:
            with pytest.raises(SystemExit) as ended:
                call_command("close_period", *arguments)
            assert ended.value.code == code
        else:
            call_command("close_period", *arguments)
        return str(capsys.readouterr().out)

    def test_it_closes_and_says_the_same_again(self, fake: FakeProvider, capsys: Any) -> None:
        sell(fake, at=IN_OCTOBER)
        told = json.loads(self.run(capsys, "2026-10", "--json"))
        assert (told["closed"], told["month"], len(told["balances"])) == (True, "2026-10", 3)
        assert json.loads(self.run(capsys, "2026-10", "--json")) == told
        assert "sales: -20.00 EUR" in self.run(capsys, "2026-10").splitlines()

    def test_refusals_end_with_5(self, fake: FakeProvider, capsys: Any) -> None:
        sell(fake, at=IN_OCTOBER - timedelta(days=40))
        assert "2026-09 is still open" in self.run(capsys, "2026-10", code=5)
        assert "is not over" in self.run(capsys, f"{timezone.now():%Y-%m}", code=5)

    def test_a_wrong_ledger_ends_with_3(self, fake: FakeProvider, capsys: Any) -> None:
        sell(fake, at=IN_OCTOBER)
        post(at=IN_OCTOBER, cause=10**6)
        assert "2026-10 stays open" in self.run(capsys, "2026-10", code=3)
        assert not AccountingPeriod.objects.exists()

    @pytest.mark.parametrize("month", ["2026-13", "9999-12", "2026", "october", "2026-1", "２０２６-10"])
    def test_what_is_no_month(self, month: str, capsys: Any) -> None:
        with pytest.raises(CommandError, match="is no month"):
            call_command("close_period", month)


class TestTheAct:
    def ask(self, user: Any, *, at: datetime) -> StaffAction:
        operation = staff_operations.get("close_period")
        preview = operation.preview(202610, {}, at=at)
        return actions.request(
            uid=uuid.uuid4(), operation=operation, subject_id=202610, parameters={}, fingerprint=preview.fingerprint,
            reason_code="month_end", reason="Reconciled with the bank.", user=user, via="admin", clock=lambda: at,
        )  # fmt: skip

    def test_finance_closes_what_was_verified(self, fake: FakeProvider) -> None:
        sell(fake, at=IN_OCTOBER)
        ledger_watch.go_on(AFTER_OCTOBER)
        preview = staff_operations.get("close_period").preview(202610, {}, at=AFTER_OCTOBER)
        assert [change.what for change in preview.changes] == ["clearing:stripe, EUR", "fees, EUR", "sales, EUR"]
        assert preview.changes[2].after == "-20.00 EUR at its end, frozen"
        done = self.ask(make_staff(Role.FINANCE), at=AFTER_OCTOBER)
        assert (done.state, done.result) == ("executed", {"month": "2026-10", "accounts": 3})
        assert AccountingPeriod.objects.get().actor == done.actor

    @pytest.mark.parametrize("role", [Role.LEAD, Role.AUDITOR, Role.ADMIN, Role.SUPPORT])
    def test_others_do_not(self, fake: FakeProvider, role: Role) -> None:
        sell(fake, at=IN_OCTOBER)
        ledger_watch.go_on(AFTER_OCTOBER)
        with pytest.raises(PermissionDenied):
            self.ask(make_staff(role), at=AFTER_OCTOBER)
        assert not AccountingPeriod.objects.exists()

    def test_not_before_the_ledger_was_verified(self, fake: FakeProvider) -> None:
        sell(fake, at=IN_OCTOBER)
        ledger_watch.go_on(AFTER_OCTOBER - timedelta(hours=1))
        with pytest.raises(NotPossible, match="was not verified since"):
            self.ask(make_staff(Role.FINANCE), at=AFTER_OCTOBER)

    def test_not_while_it_is_wrong(self, fake: FakeProvider) -> None:
        sell(fake, at=IN_OCTOBER)
        post(at=IN_OCTOBER, cause=10**6)
        ledger_watch.go_on(AFTER_OCTOBER)
        with pytest.raises(NotPossible, match="The ledger is not right"):
            self.ask(make_staff(Role.FINANCE), at=AFTER_OCTOBER)

    @pytest.mark.parametrize("number", [0, 202613, 99, 999912, 2**62])
    def test_what_is_no_month(self, number: int) -> None:
        with pytest.raises(NotPossible, match="There is no month"):
            staff_operations.get("close_period").preview(number, {}, at=AFTER_OCTOBER)
