"""Amounts that no one should tell: nothing, less than nothing, more than can be kept. The rest of a look is settled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import pytest

from integrations import providers
from integrations.contract import CaptureSnapshot, MovementKind, RefundSnapshot
from integrations.guard import GuardedProvider
from orders.models import Order
from payments.disputes.recording import blocks_refund
from payments.ledger import check as ledger_check
from payments.models import Capture, Case, Dispute, DisputeMovement, Refund
from payments.settlement import LookResult, Outcome, look
from tests.fake_provider import MOMENT, FakeProvider, Payment
from tests.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def world(fake: FakeProvider, order: Order, now: datetime) -> World:
    """An order of 20.00 EUR, paid; no look has seen it yet."""
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    fake.pay(fake.the_payment())
    return world


def look_again(world: World) -> LookResult:
    return look(world.attempt.pk, clock=world.clock, actor="test")


def add_refund(world: World, amount_minor: int, *, status: str = "succeeded", refund_id: str = "re_odd") -> None:
    payment = world.provider.the_payment()
    payment.refunds.append(
        RefundSnapshot(
            refund_id=refund_id,
            capture_id=payment.captures[0].capture_id,
            amount_minor=amount_minor,
            currency="EUR",
            status=status,
        )
    )


class TestNothing:
    """An amount of 0."""

    def test_a_refund_of_nothing_is_told_and_the_rest_is_settled(self, world: World) -> None:
        add_refund(world, 0)
        world.provider.refund_at_provider(world.provider.the_payment(), amount_minor=500)
        assert look_again(world).outcome is Outcome.SETTLED
        assert (world.order.state, Refund.objects.get().amount_minor) == ("partially_refunded", 500)
        told = Case.objects.get(subject_kind="attempt")
        assert (told.kind, told.amount_minor) == ("provider_refund", 0)
        assert "re_odd" in told.theirs
        look_again(world)
        assert Case.objects.filter(subject_kind="attempt").count() == 1
        assert ledger_check.check().findings == []

    def test_one_that_failed_is_nobodys_concern(self, world: World) -> None:
        add_refund(world, 0, status="failed")
        assert look_again(world).outcome is Outcome.SETTLED
        assert (world.order.state, world.cases()) == ("paid", [])

    def test_a_refund_that_we_hold_is_told_as_nothing(self, world: World) -> None:
        payment = world.provider.the_payment()
        world.provider.refund_at_provider(payment, amount_minor=500)
        look_again(world)
        payment.refunds = [replace(payment.refunds[0], amount_minor=0)]
        assert look_again(world).outcome is Outcome.SETTLED
        assert Refund.objects.get().amount_minor == 500, "what went back is never rewritten"
        assert "amount_mismatch" in world.cases()

    @pytest.mark.parametrize("inquiry", [True, False])
    def test_a_dispute_of_nothing_is_recorded_with_its_deadline(self, world: World, inquiry: bool) -> None:
        world.provider.dispute(world.provider.the_payment(), amount_minor=0, inquiry=inquiry)
        assert look_again(world).outcome is Outcome.SETTLED
        dispute = Dispute.objects.get()
        assert (dispute.amount_minor, world.order.state) == (0, "paid")
        assert dispute.respond_by is not None
        assert world.cases() == ["provider_dispute"]
        assert ledger_check.check().findings == []

    def test_a_dispute_lowered_to_nothing_is_followed_to_its_end(self, world: World) -> None:
        dispute_id = world.provider.dispute(world.provider.the_payment())
        look_again(world)
        world.provider.change(dispute_id, amount_minor=0)
        assert look_again(world).outcome is Outcome.SETTLED
        assert Dispute.objects.get().amount_minor == 0
        assert Dispute.objects.get().outstanding() == {"EUR": 2000}, "what the bank holds is told by its entries"
        world.provider.move_money(dispute_id, MovementKind.REINSTATED, amount_minor=2000)
        world.provider.decide(dispute_id, "won", money=False)
        look_again(world)
        assert (Dispute.objects.get().state, world.cases()) == ("won", [])
        assert ledger_check.check().findings == []

    def test_a_dispute_of_nothing_holds_no_refund_up(self, world: World) -> None:
        dispute_id = world.provider.dispute(world.provider.the_payment())
        look_again(world)
        capture = Capture.objects.get()
        assert "undecided" in blocks_refund(capture)
        world.provider.change(dispute_id, amount_minor=0)
        look_again(world)
        assert "undecided" in blocks_refund(capture), "the bank still holds what it took"
        world.provider.move_money(dispute_id, MovementKind.REINSTATED, amount_minor=2000)
        look_again(world)
        assert blocks_refund(capture) == ""
        world.provider.decide(dispute_id, "lost")
        look_again(world)
        assert (Dispute.objects.get().state, blocks_refund(capture)) == ("lost", "")

    def test_an_entry_of_a_dispute_that_moves_nothing(self, world: World) -> None:
        dispute_id = world.provider.dispute(world.provider.the_payment())
        world.provider.move_money(dispute_id, MovementKind.REINSTATED, amount_minor=0, fee_minor=0)
        world.provider.decide(dispute_id, "lost")
        assert look_again(world).outcome is Outcome.SETTLED
        assert sorted(DisputeMovement.objects.values_list("amount_minor", flat=True)) == [0, 2000]
        assert ledger_check.check().findings == []

    def test_a_capture_of_nothing_is_no_money_and_moves_nothing(self, world: World) -> None:
        payment = world.provider.the_payment()
        nothing = CaptureSnapshot(capture_id="ch_none", amount_minor=0, currency="EUR", captured_at=MOMENT)
        payment.captures.append(nothing)
        assert look_again(world).outcome is Outcome.SETTLED
        assert Capture.objects.get().amount_minor == 2000
        assert (world.order.state, world.cases()) == ("paid", ["amount_mismatch"])

    def test_a_capture_of_nothing_alone_pays_no_order(self, world: World) -> None:
        payment = world.provider.the_payment()
        payment.captures = [replace(payment.captures[0], amount_minor=0)]
        assert look_again(world).outcome is Outcome.SETTLED
        assert (Capture.objects.count(), world.order.state) == (0, "placed")
        assert world.cases() == ["amount_mismatch"]


def negative_refund(world: World, payment: Payment, amount: int) -> None:
    add_refund(world, amount)


def negative_dispute(world: World, payment: Payment, amount: int) -> None:
    world.provider.change(world.provider.dispute(payment, inquiry=True), amount_minor=amount)


def negative_movement(world: World, payment: Payment, amount: int) -> None:
    dispute_id = world.provider.dispute(payment, inquiry=True)
    world.provider.move_money(dispute_id, MovementKind.WITHDRAWN, amount_minor=amount)


def negative_capture(world: World, payment: Payment, amount: int) -> None:
    payment.captures = [replace(payment.captures[0], amount_minor=amount)]


def negative_payment(world: World, payment: Payment, amount: int) -> None:
    payment.overrides = {"amount_minor": amount}


@pytest.mark.parametrize("amount", [-1, 2**63])
@pytest.mark.parametrize(
    "tell", [negative_refund, negative_dispute, negative_movement, negative_capture, negative_payment]
)
def test_what_no_amount_can_be_is_no_answer_from_whichever_provider(
    world: World, monkeypatch: pytest.MonkeyPatch, tell: Callable[[World, Payment, int], None], amount: int
) -> None:
    guarded = GuardedProvider(world.provider)
    monkeypatch.setattr(providers, "get", lambda name: guarded)
    tell(world, world.provider.the_payment(), amount)
    result = look_again(world)
    assert result.outcome is Outcome.UNREACHABLE
    assert result.error is not None
    assert "amount" in result.error.message
    assert (world.attempt.look_failures, world.order.state, Capture.objects.count()) == (1, "placed", 0)
    assert world.attempt.next_look_at is not None, "it is asked again: what it says may be mended"
