"""Corrections: each mends what its name says, once, and leaves the books balanced; none runs where it does not fit."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import transaction

from integrations.contract import RefundSnapshot, Unavailable
from orders.models import Order, Transition
from payments import actions, approvals, staff_operations
from payments.cases.opening import close_case, open_case
from payments.models import Case, LedgerEntry, PaymentAttempt, ProviderEvent, StaffAction
from payments.models.action import ActionState
from payments.models.case import CaseKind, Resolution
from payments.roles import Role
from payments.staff_operations import NotPossible
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.staff import make_staff
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def world(fake: FakeProvider, now: datetime) -> World:
    return World(provider=fake, order=make_order(now=now), now=now)


Correct = Callable[..., StaffAction]


@pytest.fixture
def correct(world: World) -> Correct:
    """Ask as a Lead, approve as Finance."""
    lead, finance = make_staff(Role.LEAD), make_staff(Role.FINANCE)

    def run(name: str, *, subject_id: int = 0, decide: bool = True, **parameters: Any) -> StaffAction:
        operation = staff_operations.get(name)
        subject = subject_id or world.order_id
        action = actions.request(
            uid=uuid.uuid4(),
            operation=operation,
            subject_id=subject,
            parameters=parameters,
            fingerprint=operation.preview(subject, parameters, at=world.now).fingerprint,
            reason_code=next(iter(operation.reasons)),
            reason="It was agreed on the phone.",
            user=lead,
            via="admin",
            clock=world.clock,
        )
        assert action.state == ActionState.REQUESTED, "a correction always needs a second person"
        if not decide:
            return action
        return approvals.decide(action_id=action.pk, approve=True, note="", user=finance, clock=world.clock)

    return run


def late_payment(world: World) -> None:
    """The page is paid after order and attempt have ended."""
    world.press_pay()
    payment = world.provider.the_payment()
    world.wait(minutes=61)
    world.work()
    assert (world.order.state, world.attempt.state) == ("expired", "cancelled")
    world.provider.pay(payment)
    world.tell(payment)
    world.work()
    assert world.cases() == ["late_money"]


class TestReopenWithLateMoney:
    def test_it_pays_the_order_with_the_money_that_is_there(self, world: World, correct: Correct) -> None:
        late_payment(world)
        assert world.balance() == {"clearing:stripe": 1941, "fees": 59, "unapplied": -2000}
        action = correct("reopen_with_late_money")
        assert action.state == ActionState.EXECUTED
        assert world.order.state == "paid"
        assert world.order.paid_at is not None
        assert world.dispositions() == ["applied"]
        assert world.balance() == {"clearing:stripe": 1941, "fees": 59, "unapplied": 0, "sales": -2000}
        assert world.cases() == []
        assert world.facts()[-2:] == ["order.reopened", "order.paid"]
        rows = Transition.objects.filter(subject_kind="order", cause=f"action:{action.pk}")
        assert list(rows.order_by("sequence").values_list("event", flat=True)) == ["reopened", "paid"]

    def test_money_that_went_back_at_the_provider_pays_nothing(self, world: World, correct: Correct) -> None:
        late_payment(world)
        action = correct("reopen_with_late_money", decide=False)
        payment = world.provider.the_payment()
        [capture] = payment.captures
        payment.overrides["refunds"] = (
            RefundSnapshot(
                refund_id="re_1", capture_id=capture.capture_id, amount_minor=2000, currency="EUR", status="succeeded",
            ),
        )  # fmt: skip
        action = approvals.decide(
            action_id=action.pk, approve=True, note="", user=make_staff(Role.FINANCE), clock=world.clock
        )
        assert action.state == ActionState.OVERTAKEN
        assert (world.order.state, world.balance()) == (
            "expired",
            {"clearing:stripe": -59, "fees": 59, "unapplied": 0},
        )

    def test_while_the_provider_cannot_be_asked_nothing_is_applied(
        self, world: World, correct: Correct, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        late_payment(world)

        def away(*_: Any, **__: Any) -> None:
            raise Unavailable("away")

        monkeypatch.setattr(world.provider, "fetch", away)
        with pytest.raises(NotPossible, match="cannot be asked now"):
            correct("reopen_with_late_money")
        assert world.order.state == "expired"

    def test_a_look_afterwards_changes_nothing(self, world: World, correct: Correct) -> None:
        late_payment(world)
        correct("reopen_with_late_money")
        before = (world.balance(), world.facts(), world.cases())
        world.tell(world.provider.the_payment())
        world.work()
        assert (world.balance(), world.facts(), world.cases()) == before

    def test_without_late_money_it_is_not_offered(self, world: World) -> None:
        world.wait(minutes=61)
        world.work()
        with pytest.raises(NotPossible, match="No late money"):
            staff_operations.get("reopen_with_late_money").preview(world.order_id, {}, at=world.now)

    def test_an_order_that_is_not_over_is_not_reopened(self, world: World) -> None:
        with pytest.raises(NotPossible, match="this one is placed"):
            staff_operations.get("reopen_with_late_money").preview(world.order_id, {}, at=world.now)

    def test_above_the_ceiling_nobody_corrects(self, world: World, settings: Any) -> None:
        late_payment(world)
        settings.CORRECTION_CEILINGS = {"EUR": 1999}
        with pytest.raises(NotPossible, match=r"20\.00 EUR is above 19\.99 EUR"):
            staff_operations.get("reopen_with_late_money").preview(world.order_id, {}, at=world.now)

    def test_approved_twice_at_once_it_happens_once(self, world: World, correct: Correct) -> None:
        late_payment(world)
        action = correct("reopen_with_late_money", decide=False)
        approvals.decide(action_id=action.pk, approve=True, note="", user=make_staff(Role.FINANCE), clock=world.clock)
        for _ in range(2):
            assert actions.execute(action.pk, clock=world.clock).state == ActionState.EXECUTED
        assert world.facts().count("order.paid") == 1


class TestCancelUnpaidOrder:
    def test_an_open_page_is_closed_first(self, world: World, correct: Correct) -> None:
        world.press_pay()
        action = correct("cancel_unpaid_order")
        assert action.state == ActionState.EXECUTED
        assert (world.order.state, world.attempt.state) == ("cancelled", "cancelled")
        assert not world.provider.the_payment().page_open
        assert world.facts()[-1] == "order.cancelled"

    def test_without_any_attempt(self, world: World, correct: Correct) -> None:
        assert correct("cancel_unpaid_order").state == ActionState.EXECUTED
        assert world.order.state == "cancelled"

    def test_paid_between_request_and_approval_it_stays_paid(self, world: World, correct: Correct) -> None:
        world.press_pay()
        action = correct("cancel_unpaid_order", decide=False)
        world.provider.pay(world.provider.the_payment())
        action = approvals.decide(
            action_id=action.pk, approve=True, note="", user=make_staff(Role.FINANCE), clock=world.clock
        )
        assert action.state == ActionState.OVERTAKEN
        assert (world.order.state, world.cases()) == ("paid", [])

    def test_while_the_bank_processes_nothing_is_cancelled(self, world: World, correct: Correct) -> None:
        world.press_pay()
        world.provider.process(world.provider.the_payment())
        with pytest.raises(NotPossible, match="could not end the payment"):
            correct("cancel_unpaid_order")
        assert world.order.state == "placed"
        # It was approved: once the bank says no, the keeper does it.
        world.provider.fail(world.provider.the_payment())
        world.wait(minutes=10)
        assert actions.resume(clock=world.clock, most=5) == 1
        assert world.order.state == "cancelled"

    def test_with_the_provider_away_nothing_is_cancelled(
        self, world: World, correct: Correct, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.press_pay()

        def away(*_: Any, **__: Any) -> None:
            raise Unavailable("away")

        monkeypatch.setattr(world.provider, "fetch", away)
        with pytest.raises(NotPossible, match="could not end the payment"):
            correct("cancel_unpaid_order")
        assert world.order.state == "placed"

    def test_only_what_is_unpaid(self, world: World, correct: Correct) -> None:
        world.press_pay()
        world.provider.pay(world.provider.the_payment())
        world.tell(world.provider.the_payment())
        world.work()
        with pytest.raises(NotPossible, match="this one is paid"):
            correct("cancel_unpaid_order")


class TestReleaseAuthorization:
    def test_the_money_is_given_back_and_the_look_ends_the_attempt(self, world: World, correct: Correct) -> None:
        world.press_pay()
        world.provider.authorize(world.provider.the_payment())
        world.tell(world.provider.the_payment())
        world.work()
        assert world.attempt.state == "authorized"
        action = correct("release_authorization")
        assert action.state == ActionState.EXECUTED
        assert (world.attempt.state, world.order.state) == ("cancelled", "placed")
        assert world.attempt.calls.get(operation="release").state == "answered"

    def test_the_call_is_a_row_before_it_is_sent(
        self, world: World, correct: Correct, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        world.press_pay()
        world.provider.authorize(world.provider.the_payment())
        world.tell(world.provider.the_payment())
        world.work()

        def away(*_: Any, **__: Any) -> None:
            raise Unavailable("no answer")

        monkeypatch.setattr(world.provider, "release", away)
        assert correct("release_authorization").state == ActionState.EXECUTED
        assert world.attempt.calls.get(operation="release").state == "unknown"
        monkeypatch.undo()

    def test_nothing_reserved_nothing_released(self, world: World) -> None:
        with pytest.raises(NotPossible, match="No money is reserved"):
            staff_operations.get("release_authorization").preview(world.order_id, {}, at=world.now)


OFFLINE = {
    "method": "bank_transfer",
    "amount": "20.00",
    "received_on": "2026-11-20",
    "evidence": "Statement 47, line 3",
}


class TestAcceptOfflinePayment:
    def test_it_pays_the_order_with_a_posting_of_its_own(self, world: World, correct: Correct) -> None:
        action = correct("accept_offline_payment", **OFFLINE)
        assert action.state == ActionState.EXECUTED
        assert (world.order.state, world.attempt.state, world.attempt.provider) == ("paid", "paid", "offline")
        assert world.balance() == {"clearing:offline": 2000, "sales": -2000}
        assert world.facts()[-1] == "order.paid"

    def test_an_open_page_is_closed_first_so_that_nobody_pays_twice(self, world: World, correct: Correct) -> None:
        world.press_pay()
        correct("accept_offline_payment", **OFFLINE)
        assert [attempt.state for attempt in world.attempts] == ["cancelled", "paid"]
        assert not world.provider.the_payment().page_open

    def test_money_that_comes_all_the_same_is_a_case(self, world: World, correct: Correct) -> None:
        world.press_pay()
        payment = world.provider.the_payment()
        correct("accept_offline_payment", **OFFLINE)
        world.provider.pay(payment)
        world.tell(payment)
        world.work()
        assert world.dispositions() == ["applied", "unapplied"]
        assert "double_payment" in world.cases() or "late_money" in world.cases()

    def test_an_expired_order_is_taken_up_again(self, world: World, correct: Correct) -> None:
        world.wait(minutes=61)
        world.work()
        assert world.order.state == "expired"
        correct("accept_offline_payment", **OFFLINE)
        assert world.order.state == "paid"
        assert world.facts()[-2:] == ["order.reopened", "order.paid"]

    @pytest.mark.parametrize("amount", ["19.99", "20.001", "2000", "", "twenty", "NaN", "-20.00", "2e1000000"])
    def test_another_amount_is_refused(self, world: World, amount: str) -> None:
        with pytest.raises(NotPossible, match=r"must be over 20\.00 EUR"):
            staff_operations.get("accept_offline_payment").preview(
                world.order_id, {**OFFLINE, "amount": amount}, at=world.now
            )

    @pytest.mark.parametrize("amount", ["20", "20,00", " 20.00 ", "2e1"])
    def test_the_same_amount_may_be_written_otherwise(self, world: World, amount: str) -> None:
        staff_operations.get("accept_offline_payment").preview(
            world.order_id, {**OFFLINE, "amount": amount}, at=world.now
        )

    def test_not_from_the_future(self, world: World) -> None:
        tomorrow = (world.now + timedelta(days=1)).date().isoformat()
        with pytest.raises(NotPossible, match="in the future"):
            staff_operations.get("accept_offline_payment").preview(
                world.order_id, {**OFFLINE, "received_on": tomorrow}, at=world.now
            )

    def test_a_sweep_asks_nobody_about_it(self, world: World, correct: Correct) -> None:
        correct("accept_offline_payment", **OFFLINE)
        asked = len(world.provider.calls) if hasattr(world.provider, "calls") else 0
        world.wait(minutes=120)
        world.work()
        assert world.order.state == "paid"
        assert (len(world.provider.calls) if hasattr(world.provider, "calls") else 0) == asked


@pytest.mark.parametrize(
    "name", ["cancel_unpaid_order", "reopen_with_late_money", "release_authorization", "accept_offline_payment"]
)
def test_an_order_that_does_not_exist_is_a_sentence(name: str, now: datetime) -> None:
    with pytest.raises(NotPossible, match="There is no order 999999"):
        staff_operations.get(name).preview(999999, OFFLINE, at=now)


class TestCases:
    def case(self, order: Order, at: datetime) -> Case:
        with transaction.atomic():
            return open_case(
                CaseKind.AMOUNT_MISMATCH, subject_kind="order", subject_id=order.pk, order=order, stake=order.total,
                ours="Ours.", theirs="Theirs.", suggested_fix="Mend it.", at=at,
            )  # fmt: skip

    def close(self, case: Case, now: datetime, **parameters: Any) -> StaffAction:
        operation = staff_operations.get("close_case")
        return actions.request(
            uid=uuid.uuid4(), operation=operation, subject_id=case.pk, parameters=parameters,
            fingerprint=operation.preview(case.pk, parameters, at=now).fingerprint, reason_code="written_off",
            reason="Agreed with the customer.", user=make_staff(Role.FINANCE), via="admin", clock=lambda: now,
        )  # fmt: skip

    def test_finance_closes_a_case_with_a_resolution(self, order: Order, now: datetime) -> None:
        case = self.case(order, now)
        assert self.close(case, now, resolution="mended", accept_days=None).state == ActionState.EXECUTED
        case.refresh_from_db()
        assert (case.resolution, case.closed_at) == (Resolution.MENDED, now)
        with pytest.raises(NotPossible, match="closed already"):
            staff_operations.get("close_case").preview(case.pk, {"resolution": "mended"}, at=now)

    def test_what_is_still_wrong_is_a_case_again(self, order: Order, now: datetime) -> None:
        case = self.case(order, now)
        self.close(case, now, resolution="mended", accept_days=None)
        assert self.case(order, now).pk != case.pk

    def test_what_was_accepted_is_not_told_again_before_its_time(self, order: Order, now: datetime) -> None:
        case = self.case(order, now)
        self.close(case, now, resolution="accepted", accept_days=30)
        assert self.case(order, now + timedelta(days=29)).pk == case.pk
        again = self.case(order, now + timedelta(days=31))
        assert again.pk != case.pk
        assert again.closed_at is None

    def test_accepted_for_good(self, order: Order, now: datetime) -> None:
        case = self.case(order, now)
        close_case(case, resolution=Resolution.ACCEPTED, at=now)
        assert self.case(order, now + timedelta(days=900)).pk == case.pk


class TestRequeueEvent:
    def test_a_dead_event_is_processed_again(self, world: World, now: datetime) -> None:
        world.press_pay()
        payment = world.provider.the_payment()
        world.tell(payment)
        ProviderEvent.objects.update(state="dead", next_try_at=None, error="broken")
        world.provider.pay(payment)
        operation = staff_operations.get("requeue_event")
        event = ProviderEvent.objects.get()
        foreseen = {change.what: change.after for change in operation.foresee(event.pk, {}, at=now)}
        assert foreseen["payment"] == "stripe: paid"
        action = actions.request(
            uid=uuid.uuid4(), operation=operation, subject_id=event.pk, parameters={},
            fingerprint=operation.preview(event.pk, {}, at=now).fingerprint, reason_code="cause_mended",
            reason="The database is back.", user=make_staff(Role.INTEGRATIONS), via="admin", clock=world.clock,
        )  # fmt: skip
        assert action.state == ActionState.EXECUTED
        world.work()
        assert (world.order.state, world.event_states()) == ("paid", ["processed"])

    def test_foreseeing_changes_nothing(self, world: World, now: datetime) -> None:
        world.press_pay()
        payment = world.provider.the_payment()
        world.tell(payment)
        world.provider.pay(payment)
        ProviderEvent.objects.update(state="dead", next_try_at=None)
        staff_operations.get("requeue_event").foresee(ProviderEvent.objects.get().pk, {}, at=now)
        assert (world.order.state, LedgerEntry.objects.count()) == ("placed", 0)
        assert PaymentAttempt.objects.get().state == "pending"

    @pytest.mark.parametrize("state", ["received", "unverified", "rejected"])
    def test_what_must_not_be_processed_is_refused(self, world: World, state: str, now: datetime) -> None:
        world.press_pay()
        world.tell(world.provider.the_payment())
        ProviderEvent.objects.update(state=state)
        with pytest.raises(NotPossible):
            staff_operations.get("requeue_event").preview(ProviderEvent.objects.get().pk, {}, at=now)


class TestMoneyThatIsGone:
    """Late money that was given back, or is about to be, pays no order: the ledger would say that we hold it."""

    def test_refunded_by_us(self, world: World, correct: Correct) -> None:
        late_payment(world)
        assert correct("refund_the_duplicate").state == ActionState.EXECUTED
        with pytest.raises(NotPossible):
            staff_operations.get("reopen_with_late_money").preview(world.order_id, {}, at=world.now)

    def test_refunded_by_us_after_it_was_asked_for(self, world: World, correct: Correct) -> None:
        late_payment(world)
        action = correct("reopen_with_late_money", decide=False)
        correct("refund_the_duplicate")
        finance = make_staff(Role.FINANCE)
        with suppress(NotPossible):
            approvals.decide(action_id=action.pk, approve=True, note="", user=finance, clock=world.clock)
        assert (world.order.state, world.facts().count("order.paid")) == ("expired", 0)

    def test_refunded_in_part_at_the_provider(self, world: World) -> None:
        late_payment(world)
        payment = world.provider.the_payment()
        [capture] = payment.captures
        payment.overrides["refunds"] = (
            RefundSnapshot(
                refund_id="re_1", capture_id=capture.capture_id, amount_minor=1, currency="EUR", status="succeeded",
            ),
        )  # fmt: skip
        world.tell(payment)
        world.work()
        assert "provider_refund" in world.cases()
        with pytest.raises(NotPossible):
            staff_operations.get("reopen_with_late_money").preview(world.order_id, {}, at=world.now)
