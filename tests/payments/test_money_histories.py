"""Captures, fees, refunds of ours and theirs, disputes, payouts, doubled events, lost answers and kills: any sequence.

In the end the ledger balances and is right by `verify_ledger` and `rebuild_check`, what we say the provider holds is
what it holds, ours refunded at most what was captured, each payout is explained to the cent or a Case.
"""

from __future__ import annotations

import os
import random
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from integrations import failpoints
from integrations.contract import (
    BalanceEntry,
    EntryKind,
    InvalidRequest,
    MovementKind,
    PayoutStatus,
    ProviderError,
    RateLimited,
    RefundRequest,
    RefundSnapshot,
    Unavailable,
)
from payments import actions, rebuilding, staff_operations
from payments.checkout import CannotPay
from payments.ledger import check as ledger_check
from payments.ledger import trial_balance
from payments.models import Capture, Case, DisputeMovement, Payout, ProviderCall, Refund, StaffAction
from payments.models.action import ActionState
from payments.payouts import mirror as payout_mirror
from payments.payouts.mirror import Busy, mirror
from payments.roles import Role
from payments.settlement import look
from payments.staff_operations import NotPossible
from payments.states import HELD_REFUNDS, UNDECIDED_REFUNDS, CallState
from tests.factories import make_order
from tests.fake_provider import FakeProvider, Payment
from tests.payments.test_histories import undone
from tests.staff import make_staff
from tests.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

MORE = int(os.environ.get("MONEY_HISTORIES", "25"))
"""How many more histories the slow part plays; docs/faults.md says what a long run found."""

UNFINISHED = (CallState.PREPARED, CallState.SENT, CallState.UNKNOWN)
QUIET_AFTER_MINUTES = (1, 2, 5, 10, 30, 60, 300, 900, 1500, 1500)


class Killed(BaseException):
    """What no handler catches, as the death of a process is."""


class Death:
    """Kills at the n-th failpoint that is passed, whichever it is. Leases of the dead stay behind."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.after = 0
        self.died_at: list[str] = []
        self._dead = False
        for name, module in list(sys.modules.items()):
            ours = name.partition(".")[0] in ("payments", "orders", "integrations")
            if ours and getattr(module, "failpoint", None) is failpoints.failpoint and module is not failpoints:
                monkeypatch.setattr(module, "failpoint", self._pass)
        release = payout_mirror._release
        monkeypatch.setattr(payout_mirror, "_release", lambda *a, **b: None if self._dead else release(*a, **b))

    @contextmanager
    def near(self, choice: random.Random) -> Iterator[None]:
        """Let whoever works in this block die now and then."""
        self.after = choice.randrange(1, 14) if choice.random() < 0.4 else 0
        with suppress(Killed):
            yield
        self.after, self._dead = 0, False

    def _pass(self, name: str) -> None:
        self.after -= 1
        if self.after == 0:
            self.died_at.append(name)
            self._dead = True
            raise Killed(name)


class Story:
    """One order, its provider and its people, and what may happen to its money."""

    def __init__(self, fake: FakeProvider, now: datetime, choice: random.Random, lead: Any) -> None:
        currency = choice.choice(("EUR", "EUR", "EUR", "JPY"))
        self.world = World(provider=fake, order=make_order(now=now, currency=currency), now=now)
        fake.knows_references = choice.random() < 0.7
        self.fake, self.choice, self.lead, self.currency = fake, choice, lead, currency
        self.entered: dict[tuple[str, str], BalanceEntry] = {}
        self.paid_out: set[str] = set()
        self.strange_minor = 0
        self.made: Counter[str] = Counter()
        fake.refund = self._refund  # type: ignore[method-assign]

    # --- what happens at the provider ------------------------------------------------------------------------

    def pay(self) -> None:
        amount = self.choice.choice((None, None, None, None, 700))
        payment = self._payment()
        if payment is None:
            return
        self.fake.pay(payment, amount_minor=amount)
        if self.choice.random() < 0.3:  # the fee is told later
            *before, last = payment.captures
            payment.captures = [*before, replace(last, fee_minor=None)]

    def fee_is_told(self) -> None:
        for payment in self._payments():
            payment.captures = [replace(each, fee_minor=59) for each in payment.captures]

    def refund_there(self) -> None:
        payment = self._payment(paid=True)
        if payment is None or payment.disputes:
            return
        capture = self.choice.choice(payment.captures)
        try:
            self.fake.refund_at_provider(
                payment,
                capture_id=capture.capture_id,
                amount_minor=self.choice.choice((100, 300, None)),
                status=self.choice.choice(("succeeded", "pending", "failed")),
            )
        except InvalidRequest:
            return

    def refund_is_decided(self) -> None:
        told = [refund for payment in self._payments() for refund in payment.refunds if refund.status != "failed"]
        if told:
            refund = self.choice.choice(told)
            self.fake.decide_refund(refund.refund_id, self.choice.choice(("succeeded", "failed")), why="account closed")

    def dispute(self) -> None:
        payment = self._payment(paid=True)
        if payment is not None and not payment.disputes:
            self.fake.dispute(payment, inquiry=self.choice.random() < 0.3)

    def dispute_is_decided(self) -> None:
        for payment in self._payments():
            for dispute in payment.disputes:
                if dispute.status == "inquiry":
                    self.fake.decide(dispute.dispute_id, self.choice.choice(("closed", "open")))
                elif dispute.status == "open":
                    money = self.choice.random() < 0.7
                    self.fake.decide(dispute.dispute_id, self.choice.choice(("won", "lost")), money=money)
                elif dispute.status == "won" and len(dispute.movements) == 1:
                    self.fake.move_money(dispute.dispute_id, MovementKind.REINSTATED)

    def payout(self) -> None:
        self._enter()
        entries = [entry for entry in self.entered.values() if entry.entry_id not in self.paid_out]
        if self.choice.random() < 0.2:  # of which nobody here knows
            entries.append(self._entry(EntryKind.PAYMENT, 50, source_id="ch_strange"))
            self.strange_minor += 50
        if self.choice.random() < 0.3:
            entries.append(self._entry(EntryKind.FEE, -7))
            entries.append(self._entry(EntryKind.ADJUSTMENT, 5))
        if not entries:
            return
        self.paid_out |= {entry.entry_id for entry in entries}
        missing = self.choice.choice((0, 0, 0, 0, 1))
        automatic = self.choice.random() < 0.85
        self._now(self.fake.pay_out(entries, missing_minor=missing, automatic=automatic))

    def payout_is_decided(self) -> None:
        told = [each for each in self.fake.payouts.values() if each.status is PayoutStatus.PAID]
        if told:
            self.fake.move_payout(self.choice.choice(told), PayoutStatus.FAILED, failure_code="account_closed")

    # --- what happens here -----------------------------------------------------------------------------------

    def press_pay(self) -> None:
        try:
            self.world.press_pay()
        except CannotPay:
            return

    def refund_here(self) -> None:
        """A lead refunds; the provider refuses, is away, or answers and is not heard."""
        troubles: list[ProviderError] = [Unavailable("away"), RateLimited("slow down"), InvalidRequest("refused")]
        self.fake.refund_status = self.choice.choice(("succeeded", "succeeded", "pending", "failed"))
        operation = staff_operations.get("refund")
        try:
            told = operation.parameters_for(self.world.order_id)
            if self.choice.random() < 0.6:
                told["amount"] = "100" if self.currency == "JPY" else "1.00"
            preview = operation.preview(self.world.order_id, told, at=self.world.now)
            self.fake.lose_answer_once = self.choice.random() < 0.3
            if self.choice.random() < 0.3:  # the look before it is answered, the refund is not, or the look after it
                self.fake.fail_next = [None, self.choice.choice((None, *troubles)), Unavailable("away")]
            actions.request(
                uid=uuid.uuid4(), operation=operation, subject_id=self.world.order_id, parameters=told,
                fingerprint=preview.fingerprint, reason_code="goodwill", reason="They were very patient.",
                user=self.lead, via="admin", clock=self.world.clock,
            )  # fmt: skip
        except NotPossible:
            return
        finally:
            self.fake.fail_next, self.fake.lose_answer_once = [], False

    def events(self) -> None:
        payment = self._payment()
        if payment is not None:
            kind = self.choice.choice(("charge.succeeded", "charge.refunded", "refund.failed", "charge.dispute.closed"))
            for number in range(self.choice.choice((1, 2))):
                name = f"evt_{self.choice.random()}" if number else ""
                self.world.tell(payment, kind, event_id=name)
            self.world.work()

    def look(self) -> None:
        for attempt in self.world.attempts:
            look(attempt.pk, clock=self.world.clock, actor="test")

    def time_passes(self) -> None:
        self.world.wait(minutes=self.choice.choice((1, 5, 40, 200)))
        self.world.work()

    def keeper(self) -> None:
        actions.resume(clock=self.world.clock, most=10)
        self._mirror()

    # --- the end ---------------------------------------------------------------------------------------------

    def grows_quiet(self) -> None:
        """Let time pass until nothing is under way, whatever was lost on the way; then all is looked at once more."""
        self.fake.refund_status = "succeeded"
        for minutes in QUIET_AFTER_MINUTES:
            self.world.wait(minutes=minutes)
            self._decide_pending()
            actions.resume(clock=self.world.clock, most=10)
            self.world.work()
            if not self._under_way():
                break
        assert not self._under_way()
        self.fee_is_told()
        self.look()
        self._enter()
        for _ in range(3):  # what the balance hints at is looked at in between
            self.world.wait(minutes=16)
            self._mirror()
            self.world.work()

    def is_right(self) -> None:
        equations = trial_balance.equations(trial_balance.balance())
        assert [each for each in equations if each.remainder_minor] == []
        assert ledger_check.check().findings == []
        assert rebuilding.check().differences == []
        for capture in Capture.objects.all():
            ours = capture.refunds.filter(made_by="ours", state__in=HELD_REFUNDS)
            assert sum(ours.values_list("amount_minor", flat=True)) <= capture.amount_minor
        told = [refund for payment in self._payments() for refund in payment.refunds]
        gone = sum(refund.amount_minor for refund in told if refund.status == "succeeded")
        assert sum(Refund.objects.filter(state="succeeded").values_list("amount_minor", flat=True)) == gone
        assert set(self.made.values()) <= {0, 1}, "one effect a key"
        held = sum(entry.net_minor for entry in self.fake.balance if entry.currency == self.currency)
        assert self.world.balance().get("clearing:stripe", 0) == held - self.strange_minor, "what the provider holds"
        for payout in Payout.objects.filter(automatic=True):
            has_case = Case.objects.filter(kind="payout_remainder", subject_id=payout.pk, closed_at=None).exists()
            assert payout.is_explained != has_case, str(payout)
        assert self.world.forbidden() == Case.objects.filter(kind="forbidden_transition").count()

    # -----------------------------------------------------------------------------------------------------------

    def _refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
        """Refund as the provider does, counting what each key has made."""
        before = sum(len(payment.refunds) for payment in self._payments())
        try:
            return FakeProvider.refund(self.fake, request, idempotency_key=idempotency_key)
        finally:
            self.made[idempotency_key] += sum(len(payment.refunds) for payment in self._payments()) - before

    def _under_way(self) -> bool:
        return (
            Refund.objects.filter(state__in=UNDECIDED_REFUNDS).exists()
            or ProviderCall.objects.filter(state__in=UNFINISHED, kind="moves_money").exists()
            or StaffAction.objects.filter(state=ActionState.REQUESTED).exists()
        )

    def _payments(self) -> list[Payment]:
        return list(self.fake.payments.values())

    def _payment(self, *, paid: bool = False) -> Payment | None:
        found = [payment for payment in self._payments() if payment.captures or not paid]
        return self.choice.choice(found) if found else None

    def _decide_pending(self) -> None:
        for payment in self._payments():
            for told in payment.refunds:
                if told.status == "pending":
                    self.fake.decide_refund(told.refund_id, "succeeded")

    def _mirror(self) -> None:
        try:
            mirror("stripe", clock=self.world.clock)
        except Busy:
            return

    def _enter(self) -> None:
        """Let everything that moved the provider's balance stand in it."""
        for payment in self._payments():
            for capture in payment.captures:
                self._once(EntryKind.PAYMENT, capture.capture_id, capture.amount_minor, fee_minor=59)
            for refund in payment.refunds:
                if refund.status == "succeeded" or (EntryKind.REFUND, refund.refund_id) in self.entered:
                    self._once(EntryKind.REFUND, refund.refund_id, -refund.amount_minor)
                    if refund.status == "failed":
                        self._once(EntryKind.REFUND_FAILURE, refund.refund_id, refund.amount_minor)
            for dispute in payment.disputes:
                for each in dispute.movements:
                    taken = each.kind is MovementKind.WITHDRAWN
                    kind = EntryKind.DISPUTE if taken else EntryKind.DISPUTE_REVERSAL
                    amount = -each.amount_minor if taken else each.amount_minor
                    if (kind, each.entry_id) not in self.entered:
                        self.entered[kind, each.entry_id] = self._entry(
                            kind, amount, fee_minor=each.fee_minor, source_id=dispute.dispute_id, entry_id=each.entry_id
                        )

    def _once(self, kind: EntryKind, source_id: str, amount_minor: int, *, fee_minor: int = 0) -> None:
        if (kind, source_id) not in self.entered:
            self.entered[kind, source_id] = self._entry(kind, amount_minor, fee_minor=fee_minor, source_id=source_id)

    def _entry(self, kind: EntryKind, amount_minor: int, **told: Any) -> BalanceEntry:
        moment = self.world.now - timedelta(seconds=1)
        return self.fake.entry(kind, amount_minor, currency=self.currency, created_at=moment, **told)

    def _now(self, payout: Any) -> None:
        """Let the payout have been made at this moment, its entry in the balance too."""
        moment = self.world.now - timedelta(seconds=1)
        self.fake.payouts[payout.payout_id] = replace(payout, created_at=moment, arrives_at=moment + timedelta(days=1))
        *before, last = self.fake.balance
        self.fake.balance = [*before, replace(last, created_at=moment)]


HAPPENINGS: tuple[Callable[[Story], None], ...] = (
    *(Story.pay, Story.fee_is_told, Story.press_pay, Story.refund_here, Story.refund_here, Story.refund_here),
    *(Story.refund_there, Story.refund_is_decided, Story.dispute, Story.dispute_is_decided, Story.payout),
    *(Story.payout_is_decided, Story.events, Story.events, Story.look, Story.time_passes, Story.keeper, Story.keeper),
)


def _play(fake: FakeProvider, now: datetime, death: Death, lead: Any, seed: int) -> None:
    choice = random.Random(seed)
    FakeProvider.__init__(fake)
    with undone():
        story = Story(fake, now, choice, lead)
        story.press_pay()
        story.pay()
        story.look()
        for _ in range(choice.randrange(4, 16)):
            with death.near(choice):
                choice.choice(HAPPENINGS)(story)
            transaction.get_connection().check_constraints()  # what would have been committed by now could be
        story.grows_quiet()
        story.is_right()


@pytest.fixture
def death(monkeypatch: pytest.MonkeyPatch) -> Death:
    return Death(monkeypatch)


@pytest.fixture
def lead(db: None, settings: Any) -> Any:
    settings.REFUND_LIMITS = {"EUR": 100_000, "JPY": 100_000}
    return make_staff(Role.LEAD)


def test_any_money_history_ends_right(fake: FakeProvider, now: datetime, death: Death, lead: Any) -> None:
    for seed in range(25):
        try:
            _play(fake, now, death, lead, seed)
        except BaseException:
            print(f"seed {seed}, died at {death.died_at[-3:]}")
            raise
    assert len(set(death.died_at)) > 8, "deaths in many places"
    assert DisputeMovement.objects.count() == 0, "each history is undone"


@pytest.mark.timeout(7200)
def test_many_money_histories_end_right(fake: FakeProvider, now: datetime, death: Death, lead: Any) -> None:
    for seed in range(1000, 1000 + MORE):
        try:
            _play(fake, now, death, lead, seed)
        except BaseException:
            print(f"seed {seed}, died at {death.died_at[-3:]}")
            raise
    print(f"{MORE} histories, {len(death.died_at)} deaths: {Counter(death.died_at).most_common()}")
