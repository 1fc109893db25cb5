"""The hands of `manage.py trigger`: at which provider it is played, and what a provider does not do."""

from __future__ import annotations

import inspect

import pytest
from django.utils import timezone

from orders.models import Order
from orders.transitions import move, operation
from payments.management.demo.faults import Stage
from payments.management.demo.hands import HANDS, CannotTrigger, Hand
from payments.management.demo.place import Addresses
from payments.management.demo.stand_ins import STAND_INS
from payments.models import PaymentAttempt

ADDRESSES = Addresses(
    shop="http://127.0.0.1:1", receiver="http://127.0.0.1:2", sandboxes=dict.fromkeys(STAND_INS, "http://127.0.0.1:3")
)
WORKS = {name for name, member in vars(Hand).items() if inspect.isfunction(member) and not name.startswith("_")}


def stage(number: int | None = None, *, wanted: str = "") -> Stage:
    return Stage(ADDRESSES, number, timezone.now, wanted=wanted)


def begin(order: Order) -> PaymentAttempt:
    """An attempt at PayPal, as checkout makes it."""
    return PaymentAttempt.objects.create(
        order=order,
        provider="paypal",
        amount_minor=order.total_minor,
        currency=order.currency,
        created_at=order.placed_at,
        mode="test",
    )


def test_there_is_one_at_each_provider_of_the_demo() -> None:
    assert HANDS.keys() == STAND_INS.keys()
    for hand in HANDS.values():
        assert hand.label
        assert hand.api.startswith("/")


@pytest.mark.parametrize("name", HANDS)
def test_each_work_is_done_or_refused_with_a_sentence(name: str) -> None:
    """What a provider does not do stays the base's refusal; what every provider does must not be left out."""
    hand = HANDS[name]
    for work in WORKS:
        if getattr(hand, work) is getattr(Hand, work):
            assert "_lacks" in inspect.getsource(getattr(Hand, work)), f"{name} leaves {work} out"


def test_a_refusal_names_the_provider() -> None:
    with pytest.raises(CannotTrigger, match="NMI tells no payouts"):
        HANDS["nmi"]("http://127.0.0.1:1").pay_out(currency="EUR")


@pytest.mark.django_db(transaction=True)
class TestWhere:
    def test_a_new_order_goes_where_it_is_asked_to(self, order: Order) -> None:
        assert stage(order.pk, wanted="square").provider == "square"
        assert stage(order.pk).provider == next(iter(STAND_INS))

    def test_an_attempt_that_lives_stays_where_it_is(self, order: Order) -> None:
        begin(order)
        assert stage(order.pk).provider == "paypal"
        assert stage(order.pk, wanted="square").provider == "paypal"

    def test_after_one_that_has_ended_another_may_begin_elsewhere(self, order: Order) -> None:
        with operation():
            move(begin(order), "failed", actor="test", cause="test", at=order.placed_at)
        assert stage(order.pk).provider == "paypal"
        assert stage(order.pk, wanted="square").provider == "square"

    def test_without_an_order_it_is_the_first_or_the_one_asked_for(self) -> None:
        assert stage(wanted="nmi").provider == "nmi"
        assert stage().provider == "stripe"

    def test_an_order_that_nobody_can_pay_is_told(self, order: Order) -> None:
        Order.objects.filter(pk=order.pk).update(state="placed")
        with pytest.raises(CannotTrigger, match="There is no order 424242"):
            _ = stage(424242).order
