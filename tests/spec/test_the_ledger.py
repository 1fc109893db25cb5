"""The whole ledger in worked examples: each ends in the accounting equation, written out.

Debit is positive, credit negative. In every currency: assets + expenses + liabilities + income = 0.

    assets       what providers hold for us, payouts on their way, the bank, money that banks hold in a dispute
    expenses     fees, lost disputes, what conversions and adjustments cost
    liabilities  money that is not ours yet: unapplied, in suspense
    income       sales, less refunds
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from integrations.contract import EntryKind, PayoutStatus
from orders.models import Order
from payments import actions, rebuilding, staff_operations
from payments.bank.matching import write
from payments.ledger import chart, trial_balance
from payments.ledger import check as ledger_check
from payments.ledger import periods as accounting_periods
from payments.ledger.chart import Side
from payments.models import BankLine, Capture, Payout, Refund, StaffAction
from payments.payouts.mirror import mirror
from payments.roles import Role
from payments.settlement import look
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.payments.test_histories import undone
from tests.staff import make_staff
from tests.world import World

pytestmark = pytest.mark.django_db

MORE = int(os.environ.get("LEDGER_SEQUENCES", "30"))
"""How many more random sequences the slow part posts."""

_ORDER = (Side.ASSET, Side.EXPENSE, Side.LIABILITY, Side.INCOME)


def equation() -> str:
    """Return the ledger as one line a currency: what stands on each side, and that it comes to nothing."""
    told = []
    for each in trial_balance.equations(trial_balance.balance()):
        sides = " + ".join(str(each.by_side.get(side, 0)) for side in _ORDER)
        told.append(f"{each.currency} {sides} = {each.remainder_minor}")
    return "; ".join(told)


def accounts() -> dict[str, int]:
    """Return what stands on each account, leaving out those on which nothing does."""
    return {line.account: line.balance_minor for line in trial_balance.balance() if line.balance_minor}


def look_again(world: World) -> None:
    world.wait(minutes=1)
    for attempt in world.attempts:
        look(attempt.pk, clock=world.clock, actor="test")


@pytest.fixture
def sold(world: World) -> World:
    """An order of 20.00 EUR is paid; the provider keeps 0.59."""
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    look_again(world)
    return world


def test_a_sale_with_its_fee(sold: World) -> None:
    assert accounts() == {"clearing:stripe": 1941, "fees": 59, "sales": -2000}
    #                   assets + expenses + liabilities + income
    assert equation() == "EUR 1941 + 59 + 0 + -2000 = 0"


def test_paid_twice(sold: World) -> None:
    """The second payment is owed back: it is no income."""
    sold.provider.pay(sold.provider.the_payment())
    look_again(sold)
    assert accounts() == {"clearing:stripe": 3882, "fees": 118, "sales": -2000, "unapplied": -2000}
    assert equation() == "EUR 3882 + 118 + -2000 + -2000 = 0"

    sold.refund(capture=Capture.objects.get(disposition="unapplied"))
    assert accounts() == {"clearing:stripe": 1882, "fees": 118, "sales": -2000}, "the duplicate's fee is not given back"
    assert equation() == "EUR 1882 + 118 + 0 + -2000 = 0"
    assert sold.order.state == "paid"


def test_late_money_is_held_and_then_applied(world: World) -> None:
    world.press_pay()
    world.sweep_until(lambda: world.order.state == "expired", limit_minutes=90)
    world.provider.pay(world.provider.the_payment())
    look_again(world)
    assert accounts() == {"clearing:stripe": 1941, "fees": 59, "unapplied": -2000}
    assert equation() == "EUR 1941 + 59 + -2000 + 0 = 0"

    operation = staff_operations.get("reopen_with_late_money")
    StaffAction.objects.create(
        operation=operation.name, subject_kind="order", subject_id=world.order_id, order=world.order, preview={},
        fingerprint="f", reason_code="customer_wants_order", reason="They still want it.", via="admin",
        requested_by=make_staff(Role.LEAD), requested_at=world.now,
    )  # fmt: skip
    action = StaffAction.objects.get()
    operation.lock(world.order_id, {})
    operation.execute(action, at=world.now)
    actions.finish(action, actions.ActionState.EXECUTED, at=world.now)
    assert world.order.state == "paid"
    assert accounts() == {"clearing:stripe": 1941, "fees": 59, "sales": -2000}
    assert equation() == "EUR 1941 + 59 + 0 + -2000 = 0"

    world.wait(minutes=-10)  # the host's clock is set back: what was posted first still came first
    world.refund(500)
    assert accounts() == {"clearing:stripe": 1441, "fees": 59, "refunds": 500, "sales": -2000}
    assert ledger_check.check().findings == []


def test_money_of_another_amount_is_nobodys_until_a_person_decides(world: World) -> None:
    world.press_pay()
    world.provider.pay(world.provider.the_payment(), amount_minor=100)
    look_again(world)
    assert accounts() == {"clearing:stripe": 41, "fees": 59, "suspense": -100}
    assert equation() == "EUR 41 + 59 + -100 + 0 = 0"


def test_a_part_is_refunded_and_the_refund_fails_after_all(sold: World) -> None:
    refund = sold.refund(500)
    assert accounts() == {"clearing:stripe": 1441, "fees": 59, "sales": -2000, "refunds": 500}
    assert equation() == "EUR 1441 + 59 + 0 + -1500 = 0"

    sold.provider.decide_refund(refund.refund_id, "failed", why="the account is closed")
    look_again(sold)
    assert accounts() == {"clearing:stripe": 1941, "fees": 59, "sales": -2000}, "reversed, by a posting of its own"
    assert equation() == "EUR 1941 + 59 + 0 + -2000 = 0"
    assert sold.order.state == "paid"


def test_all_is_refunded_and_the_fee_is_our_loss(sold: World) -> None:
    sold.refund()
    assert accounts() == {"clearing:stripe": -59, "fees": 59, "sales": -2000, "refunds": 2000}
    assert equation() == "EUR -59 + 59 + 0 + 0 = 0"


def test_a_dispute_that_is_won(sold: World) -> None:
    dispute_id = sold.provider.dispute(sold.provider.the_payment())
    look_again(sold)
    assert accounts() == {"clearing:stripe": -1559, "disputes": 2000, "fees": 1559, "sales": -2000}
    assert equation() == "EUR 441 + 1559 + 0 + -2000 = 0", "what the bank holds is still ours"

    sold.provider.decide(dispute_id, "won")
    look_again(sold)
    assert accounts() == {"clearing:stripe": 1941, "fees": 59, "sales": -2000}
    assert equation() == "EUR 1941 + 59 + 0 + -2000 = 0"


def test_a_dispute_that_is_lost(sold: World) -> None:
    dispute_id = sold.provider.dispute(sold.provider.the_payment())
    look_again(sold)
    sold.provider.decide(dispute_id, "lost")
    look_again(sold)
    assert accounts() == {"clearing:stripe": -1559, "dispute_losses": 2000, "fees": 1559, "sales": -2000}
    assert equation() == "EUR -1559 + 3559 + 0 + -2000 = 0", "the sale stays a sale; what was lost is an expense"


def _bring_in(world: World) -> None:
    world.wait(minutes=20)
    assert mirror("stripe", clock=world.clock).complete


def _sale_entry(world: World) -> object:
    capture = world.provider.the_payment().captures[0]
    return world.provider.entry(EntryKind.PAYMENT, 2000, fee_minor=59, source_id=capture.capture_id)


def test_from_the_sale_to_the_bank(sold: World) -> None:
    sold.provider.pay_out([_sale_entry(sold)])  # type: ignore[list-item]
    _bring_in(sold)
    assert accounts() == {"fees": 59, "payouts": 1941, "sales": -2000}
    assert equation() == "EUR 1941 + 59 + 0 + -2000 = 0"

    line = BankLine.objects.create(
        account="DE00", digest="d" * 64, booked_on=sold.now.date(), amount_minor=1941, currency="EUR",
        reference="STRIPE", line_number=1, file_digest="f" * 64, imported_at=sold.now,
    )  # fmt: skip
    write(line, Payout.objects.get(), at=sold.now)
    assert accounts() == {"bank": 1941, "fees": 59, "sales": -2000}
    assert equation() == "EUR 1941 + 59 + 0 + -2000 = 0"


def test_a_payout_that_comes_back(sold: World) -> None:
    told = sold.provider.pay_out([_sale_entry(sold)])  # type: ignore[list-item]
    _bring_in(sold)
    sold.provider.move_payout(told, PayoutStatus.FAILED, failure_code="account_closed")
    _bring_in(sold)
    assert accounts() == {"clearing:stripe": 1941, "fees": 59, "sales": -2000}
    assert equation() == "EUR 1941 + 59 + 0 + -2000 = 0"


def test_each_currency_balances_by_itself(sold: World, fake: FakeProvider) -> None:
    yen = World(provider=fake, order=make_order(now=sold.now, currency="JPY", price_minor=1500), now=sold.now)
    yen.press_pay()
    fake.pay(list(fake.payments.values())[-1])
    look_again(yen)
    assert equation() == "EUR 1941 + 59 + 0 + -2000 = 0; JPY 2941 + 59 + 0 + -3000 = 0"


def test_a_month_is_closed(sold: World) -> None:
    """What the month came to is frozen; the next one begins with its balances."""
    month = sold.now.date().replace(day=1)
    before = equation()
    period = accounting_periods.close(month=month, actor="finance", at=datetime(2026, 12, 1, tzinfo=UTC))
    frozen = {line.account: line.balance_minor for line in accounting_periods.frozen(period)}
    assert frozen == {"clearing:stripe": 1941, "fees": 59, "sales": -2000}
    assert equation() == before == "EUR 1941 + 59 + 0 + -2000 = 0"


# --- any sequence --------------------------------------------------------------------------------------------


def _pay(world: World, choice: random.Random) -> None:
    if not world.attempts:
        world.press_pay()
    amount = choice.choice((None, None, None, 700))
    world.provider.pay(choice.choice(list(world.provider.payments.values())), amount_minor=amount)


def _refund(world: World, choice: random.Random) -> None:
    captures = list(Capture.objects.all())
    if not captures:
        return
    capture = choice.choice(captures)
    told = [each for each in world.provider.payment_of(capture.capture_id).refunds if each.status != "failed"]
    there = sum(each.amount_minor for each in told if each.capture_id == capture.capture_id)
    given = max(there, sum(refund.amount_minor for refund in capture.refunds.exclude(state="failed")))
    if capture.amount_minor - given < 2 or capture.disputes.exists():
        return
    amount = choice.randrange(1, capture.amount_minor - given)
    world.provider.refund_status = choice.choice(("succeeded", "succeeded", "pending", "failed"))
    if choice.random() < 0.5:
        world.refund(amount, capture=capture)
    else:
        payment = world.provider.payment_of(capture.capture_id)
        world.provider.refund_at_provider(payment, capture_id=capture.capture_id, amount_minor=amount)


def _decide_refund(world: World, choice: random.Random) -> None:
    told = list(Refund.objects.exclude(refund_id="").exclude(state="failed"))
    if told:
        refund = choice.choice(told)
        open_ends = ("failed",) if refund.state == "succeeded" else ("succeeded", "failed")
        world.provider.decide_refund(refund.refund_id, choice.choice(open_ends))


def _dispute(world: World, choice: random.Random) -> None:
    undisputed = [each for each in world.provider.payments.values() if each.captures and not each.disputes]
    if undisputed:
        world.provider.dispute(choice.choice(undisputed))


def _decide_dispute(world: World, choice: random.Random) -> None:
    for payment in world.provider.payments.values():
        for dispute in payment.disputes:
            if dispute.status not in ("won", "lost"):
                world.provider.decide(dispute.dispute_id, choice.choice(("won", "lost")))
                return


def _pay_out(world: World, choice: random.Random) -> None:
    provider = world.provider
    entries = [provider.entry(EntryKind.FEE, -choice.randrange(1, 90)), provider.entry(EntryKind.ADJUSTMENT, 5)]
    told = provider.pay_out(entries)
    _bring_in(world)
    if choice.random() < 0.3:
        provider.move_payout(told, PayoutStatus.FAILED, failure_code="account_closed")
        _bring_in(world)


def _look(world: World, choice: random.Random) -> None:
    look_again(world)


def _time_passes(world: World, choice: random.Random) -> None:
    world.wait(minutes=choice.choice((5, 40, 200)))
    world.work()


HAPPENINGS: tuple[Callable[[World, random.Random], None], ...] = (
    _pay, _pay, _refund, _refund, _decide_refund, _dispute, _decide_dispute, _pay_out, _look, _time_passes,
)  # fmt: skip


def _any_history(world: World, seed: int) -> None:
    choice = random.Random(seed)
    with undone():
        world.press_pay()
        for _ in range(choice.randrange(3, 10)):
            choice.choice(HAPPENINGS)(world, choice)
        look_again(world)
        assert [each for each in trial_balance.equations(trial_balance.balance()) if each.remainder_minor] == []
        assert ledger_check.check().findings == [], f"seed {seed}"
        assert rebuilding.check().differences == [], f"seed {seed}"
        assert not any(line.side is None for line in trial_balance.balance())


def _fresh(fake: FakeProvider, order: Order, now: datetime) -> World:
    for held in (fake.payments, fake.by_key):
        held.clear()
    return World(provider=fake, order=order, now=now)


def test_any_sequence_balances(fake: FakeProvider, order: Order, now: datetime) -> None:
    for seed in range(6):
        _any_history(_fresh(fake, order, now), seed)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_many_sequences_balance(fake: FakeProvider, order: Order, now: datetime) -> None:
    for seed in range(100, 100 + MORE):
        _any_history(_fresh(fake, order, now), seed)


def test_the_chart_is_told_here() -> None:
    assert {account.code for account in chart.CHART if account.side is Side.LIABILITY} == {"unapplied", "suspense"}
