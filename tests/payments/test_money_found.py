"""Money that is found in odd company: several captures at once, second intents, foreign events, orders already paid."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from integrations.contract import InvalidRequest, PaymentStatus, ProviderIds, ProviderMisconfigured
from orders.models import Order
from payments import checkout, inbox, working
from payments.models import Case, PaymentAttempt, ProviderEvent
from payments.models.case import CaseKind
from payments.settlement import look
from tests.factories import make_order
from tests.fake_provider import FakeProvider, Payment
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    return World(provider=fake, order=order, now=now)


@pytest.fixture
def payment(world: World) -> Payment:
    world.press_pay()
    return world.provider.the_payment()


class TestSeveralCapturesInOneAnswer:
    @pytest.mark.parametrize("wrong_first", [True, False])
    def test_the_exact_one_pays_wherever_it_stands_in_the_list(
        self, world: World, payment: Payment, wrong_first: bool
    ) -> None:
        amounts = (1, None) if wrong_first else (None, 1)
        for amount_minor in amounts:
            world.provider.pay(payment, amount_minor=amount_minor)
        look(world.attempt.pk, clock=world.clock, actor="test")
        assert world.order.state == "paid"
        assert world.dispositions() == ["applied", "suspense"]
        assert world.cases() == ["amount_mismatch"]

    def test_looks_go_on_no_longer_while_money_stands_in_suspense(self, world: World, payment: Payment) -> None:
        world.provider.pay(payment, amount_minor=1)
        for _ in range(2):
            look(world.attempt.pk, clock=world.clock, actor="test")
            assert world.attempt.next_look_at is None

    def test_each_late_capture_beyond_the_first_is_a_case_of_its_own(self, world: World, payment: Payment) -> None:
        world.provider.expire(payment)
        world.wait(hours=3)
        world.work()
        assert world.order.state == "expired"
        for _ in range(2):
            world.provider.pay(payment)
            look(world.attempt.pk, clock=world.clock, actor="test")
        assert world.dispositions() == ["unapplied", "unapplied"]
        assert world.cases() == ["double_payment", "late_money"]


class TestHints:
    def test_a_look_that_did_not_ask_about_a_second_intent_leaves_its_hint_alone(
        self, world: World, payment: Payment
    ) -> None:
        world.provider.pay(payment)
        look(world.attempt.pk, clock=world.clock, actor="test")
        second = world.provider.second_intent(payment)
        world.tell(second, "payment_intent.succeeded")
        look(world.attempt.pk, clock=world.clock, actor="return_page")
        assert world.event_states() == ["received"]
        world.work()
        assert world.event_states() == ["processed"]
        assert world.dispositions() == ["applied", "unapplied"]

    def test_another_accounts_event_is_never_used_by_a_look(self, world: World, payment: Payment) -> None:
        world.tell(payment, account="acct_stranger")
        look(world.attempt.pk, clock=world.clock, actor="return_page")
        world.work()
        assert world.event_states() == ["ignored"]
        assert world.cases() == ["wrong_account"]


class TestHandingOut:
    def test_the_page_of_an_order_that_is_paid_already_is_not_handed_out(self, world: World, payment: Payment) -> None:
        world.press_pay()
        first = world.attempt
        world.provider.expire(payment)
        look(first.pk, clock=world.clock, actor="test")
        world.press_pay()
        second = world.attempts[1]
        world.provider.pay(payment)
        look(first.pk, clock=world.clock, actor="test")
        assert world.order.state == "paid"
        assert checkout.resume(attempt_id=second.pk, clock=world.clock).redirect_url == ""

    def test_the_shopper_reads_that_it_is_paid(
        self, world: World, payment: Payment, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = world.attempt
        world.provider.expire(payment)
        look(first.pk, clock=world.clock, actor="test")
        open_page = checkout._have_page_opened

        def late_money_meanwhile(*args: Any, **kwargs: Any) -> PaymentAttempt:
            opened = open_page(*args, **kwargs)
            world.provider.pay(payment)
            look(first.pk, clock=world.clock, actor="test")
            return opened

        monkeypatch.setattr(checkout, "_have_page_opened", late_money_meanwhile)
        with pytest.raises(checkout.CannotPay) as caught:
            world.press_pay()
        assert caught.value.code == "order_paid"


class TestParked:
    def test_a_hint_by_an_id_that_a_look_has_just_learned_is_taken_up(self, world: World, payment: Payment) -> None:
        world.provider.pay(payment)
        world.tell(payment, "refund.created", reference="", ids=ProviderIds(intent_id=payment.intent_id))
        held = inbox.claim(at=world.now, most=5)
        assert held
        working.work_event(held[0], clock=world.clock)
        assert world.event_states() == ["parked"]
        look(world.attempt.pk, clock=world.clock, actor="test")
        world.work()
        assert world.event_states() == ["processed"]

    def test_the_keeper_matches_once_more_before_it_tells(self, world: World, payment: Payment) -> None:
        world.tell(payment)
        ProviderEvent.objects.update(state="parked", next_try_at=None)  # the race between parking and storing the ids
        world.wait(hours=25)
        working.keep_house(clock=world.clock)
        assert not Case.objects.filter(kind=CaseKind.PARKED_EVENT).exists()
        assert world.event_states() == ["received"]


class TestNothingIsDueForEver:
    def test_an_attempt_whose_page_was_refused_is_not_swept_again(self, world: World) -> None:
        world.provider.fail_next = [InvalidRequest("no")]
        with pytest.raises(checkout.CannotPay):
            world.press_pay()
        assert world.attempt.state == "failed"
        world.wait(minutes=5)
        world.work()
        assert world.attempt.next_look_at is None

    def test_an_ended_attempt_without_ids_leaves_the_schedule(self, world: World) -> None:
        world.provider.fail_next = [InvalidRequest("no")]
        with pytest.raises(checkout.CannotPay):
            world.press_pay()
        PaymentAttempt.objects.update(next_look_at=world.now)  # as rows of an earlier version stand
        world.work()
        assert world.attempt.next_look_at is None


class TestALateAnswerToTheOpeningCall:
    def test_takes_back_nothing_that_a_look_has_told_since(self, world: World) -> None:
        world.provider.lose_answer_once = True
        assert world.press_pay().redirect_url == ""
        payment = world.provider.the_payment()
        world.provider.pay(payment)
        world.tell(payment)
        (held,) = inbox.claim(at=world.now, most=1)
        working.work_event(held, clock=world.clock)
        before = world.attempt
        assert (before.state, before.intent_id, before.page_open) == ("paid", payment.intent_id, False)
        world.wait(minutes=1)
        working.work_call(before.calls.get().pk, clock=world.clock)
        after = world.attempt
        assert after.calls.get().state == "answered"
        assert (after.intent_id, after.page_open, after.page_url) == (payment.intent_id, False, "")
        assert after.next_look_at is None


class TestAPageThatWillNotClose:
    def test_is_tried_less_and_less_often(self, world: World, payment: Payment) -> None:
        refused = InvalidRequest("it will not close")
        world.now = world.order.expires_at
        waits = []
        for _ in range(12):
            world.provider.fail_next = [None, refused]
            for job in working._look_jobs(world.clock):
                job()
            due = world.attempt.next_look_at
            assert due is not None
            waits.append(round((due - world.now).total_seconds()))
            world.now = due
        assert waits[0] == 20
        assert waits == sorted(waits)
        assert waits[-1] >= 180
        assert world.attempt.is_live

    def test_nor_is_that_of_an_ended_attempt_asked_about_every_20_s_for_ever(
        self, world: World, payment: Payment
    ) -> None:
        payment.overrides = {"status": PaymentStatus.CANCELLED}
        wait = 0.0
        for _ in range(30):
            world.provider.fail_next = [None, InvalidRequest("it will not close")]
            for job in working._look_jobs(world.clock):
                job()
            due = world.attempt.next_look_at
            assert due is not None
            wait, world.now = (due - world.now).total_seconds(), due
        assert wait >= 180


def test_a_capture_that_the_provider_tells_otherwise_later_is_a_case(world: World, payment: Payment) -> None:
    told = world.provider.pay(payment)
    look(world.attempt.pk, clock=world.clock, actor="test")
    payment.captures = [replace(told, amount_minor=1)]
    look(world.attempt.pk, clock=world.clock, actor="test")
    assert world.balance() == {"clearing:stripe": 1941, "fees": 59, "sales": -2000}
    assert world.cases() == ["amount_mismatch"]


def test_a_provider_that_cannot_be_used_is_refused_with_a_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def misconfigured(name: str) -> None:
        raise ProviderMisconfigured(name, ())

    monkeypatch.setattr(checkout.providers, "get", misconfigured)
    with pytest.raises(checkout.CannotPay) as caught:
        world.press_pay()
    assert caught.value.http_status == 502
    assert world.attempts == []


def test_an_order_that_breaks_its_expiry_keeps_no_other_from_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    second = make_order(now=world.now)
    world.wait(hours=3)
    expire = working.expiry.expire_order

    def breaks(order_id: int, **arguments: Any) -> bool:
        if order_id == world.order_id:
            raise RuntimeError("broken")
        return expire(order_id, **arguments)

    monkeypatch.setattr(working.expiry, "expire_order", breaks)
    working.keep_house(clock=world.clock)
    assert Order.objects.get(pk=second.pk).state == "expired"
