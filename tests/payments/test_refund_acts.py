"""Who may refund how much, what is sent for it, what is refused: the act `refund`, the correction of a duplicate."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from integrations.contract import RefundReason, Unavailable
from payments import actions, approvals, staff_operations
from payments.models import Capture, Refund, StaffAction
from payments.models.action import ActionState
from payments.refunds.acts import is_within_limit
from payments.roles import Role
from payments.settlement import look
from payments.staff_operations import NotPossible
from tests.factories import make_order
from tests.fake_provider import FakeProvider
from tests.staff import make_staff
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)

Ask = Callable[..., StaffAction]


@pytest.fixture(autouse=True)
def limits(settings: Any) -> None:
    settings.REFUND_LIMITS = {"EUR": 1000}


@pytest.fixture
def world(fake: FakeProvider, now: datetime) -> World:
    """A paid order of 20.00 EUR."""
    world = World(provider=fake, order=make_order(now=now), now=now)
    world.press_pay()
    world.provider.pay(world.provider.the_payment())
    look(world.attempt.pk, clock=world.clock, actor="test")
    return world


@pytest.fixture
def ask(world: World) -> Ask:
    """Ask for an act as a person of this role."""
    people: dict[Role, Any] = {}

    def run(role: Role, name: str = "refund", *, uid: uuid.UUID | None = None, **parameters: Any) -> StaffAction:
        user = people.setdefault(role, make_staff(role))
        operation = staff_operations.get(name)
        if name == "refund":
            parameters = {**operation.parameters_for(world.order_id), **parameters}
        return actions.request(
            uid=uid or uuid.uuid4(),
            operation=operation,
            subject_id=world.order_id,
            parameters=parameters,
            fingerprint=operation.preview(world.order_id, parameters, at=world.now).fingerprint,
            reason_code=next(iter(operation.reasons)),
            reason="It was agreed on the phone.",
            user=user,
            via="admin",
            clock=world.clock,
        )

    return run


def approve(action: StaffAction, world: World, role: Role = Role.FINANCE) -> StaffAction:
    return approvals.decide(action_id=action.pk, approve=True, note="", user=make_staff(role), clock=world.clock)


class TestWhoMay:
    def test_a_lead_refunds_up_to_the_limit_alone(self, world: World, ask: Ask) -> None:
        action = ask(Role.LEAD, amount="10.00")
        refund = Refund.objects.get()
        assert action.state == ActionState.EXECUTED
        assert (refund.state, refund.amount_minor, refund.action, refund.made_by) == ("succeeded", 1000, action, "ours")
        assert (world.order.state, action.result["reference"]) == ("partially_refunded", refund.reference)

    def test_above_the_limit_finance_agrees(self, world: World, ask: Ask) -> None:
        action = ask(Role.LEAD, amount="10.01")
        assert (action.state, Refund.objects.count()) == (ActionState.REQUESTED, 0)
        with pytest.raises(PermissionDenied):
            approve(action, world, Role.SUPPORT)
        assert approve(action, world).state == ActionState.EXECUTED
        assert Refund.objects.get().amount_minor == 1001

    def test_many_small_ones_are_one_large_one(self, world: World, ask: Ask) -> None:
        assert ask(Role.LEAD, amount="6").state == ActionState.EXECUTED
        assert ask(Role.LEAD, amount="4").state == ActionState.EXECUTED
        assert ask(Role.LEAD, amount="0.01").state == ActionState.REQUESTED

    def test_support_always_asks(self, world: World, ask: Ask) -> None:
        action = ask(Role.SUPPORT, amount="1")
        assert action.state == ActionState.REQUESTED
        approve(action, world)
        assert world.refund_states() == ["succeeded"]

    @pytest.mark.parametrize("role", [Role.FINANCE, Role.ADMIN, Role.AUDITOR, Role.INTEGRATIONS])
    def test_nobody_else_asks(self, ask: Ask, role: Role) -> None:
        with pytest.raises(PermissionDenied):
            ask(role, amount="1")
        assert not Refund.objects.exists()

    def test_a_currency_without_a_limit_needs_a_second_person(self, settings: Any, ask: Ask) -> None:
        settings.REFUND_LIMITS = {"USD": 1000}
        assert ask(Role.LEAD, amount="0.01").state == ActionState.REQUESTED

    def test_the_limit_itself_is_within(self, world: World) -> None:
        capture = Capture.objects.get()
        assert is_within_limit(capture.amount, before_minor=-1000)
        assert not is_within_limit(capture.amount, before_minor=-999)


class TestOnce:
    def test_the_same_form_twice_is_one_refund(self, world: World, ask: Ask) -> None:
        uid = uuid.uuid4()
        first = ask(Role.LEAD, uid=uid, amount="5")
        operation = staff_operations.get("refund")
        again = actions.request(
            uid=uid, operation=operation, subject_id=world.order_id, parameters={}, fingerprint="", reason_code="",
            reason="", user=first.requested_by, via="admin", clock=world.clock,
        )  # fmt: skip
        assert again == first
        assert [verb for verb, _ in world.provider.calls].count("refund") == Refund.objects.count() == 1

    def test_what_somebody_else_refunded_meanwhile_overtakes_the_request(self, world: World, ask: Ask) -> None:
        waiting = ask(Role.SUPPORT, amount="15")
        ask(Role.LEAD, amount="10")
        assert approve(waiting, world).state == ActionState.OVERTAKEN
        assert Refund.objects.count() == 1

    def test_a_refund_at_the_provider_that_nobody_had_told_us_of_overtakes_it(self, world: World, ask: Ask) -> None:
        waiting = ask(Role.SUPPORT, amount="20")
        world.provider.refund_at_provider(world.provider.the_payment(), amount_minor=500)
        assert approve(waiting, world).state == ActionState.OVERTAKEN
        assert list(Refund.objects.values_list("made_by", flat=True)) == ["theirs"]

    def test_while_the_provider_is_away_it_is_written_down_and_sent_later(self, world: World, ask: Ask) -> None:
        world.provider.fail_next = [Unavailable("away")] * 3
        action = ask(Role.LEAD, amount="5")
        assert (action.state, world.refund_states()) == (ActionState.EXECUTED, ["requested"])
        world.sweep_until(lambda: world.refund_states() == ["succeeded"], limit_minutes=10)
        assert [verb for verb, _ in world.provider.calls].count("refund") == 2
        assert len(world.provider.the_payment().refunds) == 1


class TestRefused:
    @pytest.mark.parametrize(
        ("amount", "why"),
        [
            ("20.01", r"Only 20\.00 EUR"),
            ("0", "more than nothing"),
            ("-1", "in digits"),
            ("1.234", "has 2 decimals"),
            ("1e3", "in digits"),
            ("1,000.00", "in digits"),
            ("١", "in digits"),
            ("", "in digits"),
            ("9" * 15, "left to refund|too large"),
        ],
    )
    def test_an_amount_that_is_none(self, ask: Ask, amount: str, why: str) -> None:
        with pytest.raises(NotPossible, match=why):
            ask(Role.LEAD, amount=amount)
        assert not Refund.objects.exists()

    @pytest.mark.parametrize("capture", ["0", "999999", "x", "٣", "1" * 30, ""])
    def test_another_capture(self, ask: Ask, capture: str) -> None:
        with pytest.raises(NotPossible, match="no such capture"):
            ask(Role.LEAD, amount="1", capture=capture)

    def test_another_orders_capture(self, world: World, ask: Ask, now: datetime) -> None:
        other = World(provider=world.provider, order=make_order(now=now), now=now)
        other.press_pay()
        foreign = world.provider.pay(list(world.provider.payments.values())[1])
        look(other.attempt.pk, clock=other.clock, actor="test")
        with pytest.raises(NotPossible, match="no such capture"):
            ask(Role.LEAD, amount="1", capture=str(Capture.objects.get(capture_id=foreign.capture_id).pk))

    def test_an_order_of_which_nothing_was_taken(self, now: datetime) -> None:
        order = make_order(now=now)
        with pytest.raises(NotPossible, match="nothing to refund"):
            staff_operations.get("refund").check(order.pk, at=now)

    def test_all_of_it_is_refunded(self, world: World, ask: Ask) -> None:
        ask(Role.LEAD, amount="10")
        approve(ask(Role.LEAD), world)
        with pytest.raises(NotPossible, match="All of capture"):
            staff_operations.get("refund").check(world.order_id, at=world.now)

    @pytest.mark.parametrize(
        ("state", "refused"),
        [("open", True), ("under_review", True), ("lost", True), ("inquiry", False), ("won", False)],
    )
    def test_money_that_the_bank_has_taken_back_already(
        self, world: World, ask: Ask, state: str, refused: bool
    ) -> None:
        dispute(world, state)
        if refused:
            with pytest.raises(NotPossible, match="twice"):
                ask(Role.LEAD, amount="1")
            return
        preview = staff_operations.get("refund").preview(
            world.order_id, staff_operations.get("refund").parameters_for(world.order_id), at=world.now
        )
        assert bool(preview.warnings) is (state == "inquiry")


class TestTheDuplicate:
    @pytest.fixture
    def duplicate(self, world: World) -> Capture:
        told = world.provider.pay(world.provider.the_payment())
        look(world.attempt.pk, clock=world.clock, actor="test")
        return Capture.objects.get(capture_id=told.capture_id)

    def test_it_gives_that_capture_back_and_ends_its_case(self, world: World, ask: Ask, duplicate: Capture) -> None:
        assert world.cases() == ["double_payment"]
        action = ask(Role.LEAD, "refund_the_duplicate")
        assert action.state == ActionState.REQUESTED, "a correction always needs a second person"
        approve(action, world)
        refund = Refund.objects.get()
        assert (refund.capture, refund.amount, refund.reason) == (duplicate, duplicate.amount, RefundReason.DUPLICATE)
        assert (world.order.state, world.attempt.state, world.cases()) == ("paid", "paid", [])
        assert world.balance()["unapplied"] == 0

    def test_nothing_is_twice(self, world: World, ask: Ask) -> None:
        with pytest.raises(NotPossible, match="No money beyond"):
            ask(Role.LEAD, "refund_the_duplicate")

    def test_once(self, world: World, ask: Ask, duplicate: Capture) -> None:
        approve(ask(Role.LEAD, "refund_the_duplicate"), world)
        with pytest.raises(NotPossible, match="is refunded, or about to be"):
            ask(Role.LEAD, "refund_the_duplicate")

    def test_beyond_the_ceiling_nobody_corrects(
        self, world: World, ask: Ask, duplicate: Capture, settings: Any
    ) -> None:
        settings.CORRECTION_CEILINGS = {"EUR": 1999}
        with pytest.raises(NotPossible, match="CORRECTION_CEILINGS"):
            ask(Role.LEAD, "refund_the_duplicate")


def dispute(world: World, state: str) -> None:
    """Let the bank claim the money back, in this state."""
    claim = world.provider.dispute(world.provider.the_payment(), inquiry=state == "inquiry")
    if state not in ("open", "inquiry"):
        world.provider.decide(claim, state)
    look(world.attempt.pk, clock=world.clock, actor="test")
