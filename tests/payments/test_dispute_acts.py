"""Answering a dispute: staged, then submitted once, whoever asks how often; or accepted. Lead asks, Finance agrees."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from integrations.contract import EvidenceText, InvalidRequest, MovementKind, Unavailable
from orders.models import Order
from payments import actions, approvals, staff_operations
from payments.disputes import evidence
from payments.disputes import recording as disputes
from payments.disputes.acts import EvidenceForm
from payments.models import Capture, Dispute, ProviderCall, StaffAction
from payments.models.action import ActionState
from payments.roles import Role
from payments.staff_operations import NotPossible
from tests.factories import make_order
from tests.fake_disputes import RESPOND_BY
from tests.fake_provider import FakeProvider, Payment
from tests.staff import make_staff
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)

PROOF = {
    "shipping_carrier": "DHL",
    "shipping_tracking_number": "JJD0099",
    "shipping_date": "2026-11-21",
    "shipping_address": "1 Main Street, Springfield",
    "uncategorized_text": "It was handed over on the 21st.",
}


class Desk:
    """A shop with a disputed order, a Lead who asks and a colleague in Finance who decides."""

    def __init__(self, world: World, payment: Payment, dispute_id: str) -> None:
        self.world = world
        self.payment = payment
        self.dispute_id = dispute_id
        self.lead, self.finance = make_staff(Role.LEAD), make_staff(Role.FINANCE)

    @property
    def dispute(self) -> Dispute:
        return Dispute.objects.get(dispute_id=self.dispute_id)

    @property
    def bank(self) -> Any:
        """Return what the provider holds for this dispute."""
        return self.world.provider.evidence[self.dispute_id]

    def ask(self, name: str, *, user: Any = None, **parameters: Any) -> StaffAction:
        operation = staff_operations.get(name)
        preview = operation.preview(self.dispute.pk, parameters, at=self.world.now)
        return actions.request(
            uid=uuid.uuid4(),
            operation=operation,
            subject_id=self.dispute.pk,
            parameters=parameters,
            fingerprint=preview.fingerprint,
            reason_code=next(iter(operation.reasons)),
            reason="It was agreed on the phone.",
            user=user or self.lead,
            via="admin",
            clock=self.world.clock,
        )

    def agree(self, action: StaffAction) -> StaffAction:
        return approvals.decide(action_id=action.pk, approve=True, note="", user=self.finance, clock=self.world.clock)

    def do(self, name: str, **parameters: Any) -> StaffAction:
        action = self.ask(name, **parameters)
        assert action.state == ActionState.REQUESTED, "a second person decides"
        return self.agree(action)

    def why_not(self, name: str) -> str:
        try:
            staff_operations.get(name).check(self.dispute.pk, at=self.world.now)
        except NotPossible as error:
            return str(error)
        return ""


@pytest.fixture
def desk(fake: FakeProvider, now: Any) -> Desk:
    return open_desk(fake, now)


def open_desk(fake: FakeProvider, now: Any, **dispute: Any) -> Desk:
    world = World(provider=fake, order=make_order(now=now), now=now)
    world.press_pay()
    payment = fake.the_payment()
    fake.pay(payment)
    world.tell(payment)
    dispute_id = fake.dispute(payment, **dispute)
    world.tell(payment, "charge.dispute.created")
    world.work()
    return Desk(world, payment, dispute_id)


class TestStaging:
    def test_the_provider_holds_the_pack_and_the_bank_sees_nothing(self, desk: Desk) -> None:
        action = desk.do("stage_dispute_evidence", **PROOF)
        assert action.state == ActionState.EXECUTED
        texts = desk.bank.texts
        assert texts[EvidenceText.SHIPPING_TRACKING_NUMBER] == "JJD0099"
        assert texts[EvidenceText.CUSTOMER_EMAIL] == desk.world.order.email
        assert f"Order {desk.world.order.number} over 20.00 EUR" in texts[EvidenceText.PRODUCT_DESCRIPTION]
        assert texts[EvidenceText.STATEMENT].startswith("It was handed over on the 21st.\n\nWhat happened")
        assert "Stripe took 20.00 EUR" in texts[EvidenceText.STATEMENT]
        assert (desk.bank.submitted, desk.dispute.state) == (0, "open")
        assert evidence.staged(desk.dispute) == texts

    def test_it_can_be_staged_again_and_what_is_left_out_stays(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        desk.do("stage_dispute_evidence", shipping_carrier="UPS")
        assert desk.bank.texts[EvidenceText.SHIPPING_CARRIER] == "UPS"
        assert desk.bank.texts[EvidenceText.SHIPPING_TRACKING_NUMBER] == "JJD0099", "as the preview said"
        assert evidence.staged(desk.dispute) == desk.bank.texts

    def test_the_form_begins_with_what_was_staged_last(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        assert staff_operations.get("stage_dispute_evidence").parameters_for(desk.dispute.pk) == PROOF

    def test_the_preview_masks_the_address_and_names_what_is_missing(self, desk: Desk) -> None:
        preview = staff_operations.get("stage_dispute_evidence").preview(desk.dispute.pk, {}, at=desk.world.now)
        assert desk.world.order.email not in str(preview.as_json())
        assert preview.warnings == (
            "For this reason banks also look for: Carrier, Tracking number, Shipped on, Shipped to.",
        )

    def test_more_than_the_provider_takes_is_not_asked_for(self, desk: Desk) -> None:
        capabilities = desk.world.provider.capabilities
        object.__setattr__(capabilities, "evidence_max_characters", 100)
        try:
            with pytest.raises(NotPossible, match="characters; Stripe takes 100"):
                desk.ask("stage_dispute_evidence", **PROOF)
        finally:
            object.__setattr__(capabilities, "evidence_max_characters", 150_000)

    def test_a_pack_that_changed_after_the_request_is_not_sent(self, desk: Desk) -> None:
        action = desk.ask("stage_dispute_evidence", **PROOF)
        was = desk.world.order.email
        Order.objects.update(email=f"{was[:1]}lfred@{was.partition('@')[2]}")  # masked, it reads as before
        assert desk.agree(action).state == ActionState.OVERTAKEN
        assert desk.bank.texts == {}

    @pytest.mark.parametrize("name", ["uncategorized_text", "shipping_address"])
    def test_a_card_number_is_refused(self, name: str) -> None:
        form = EvidenceForm({name: "Paid with 4242 4242 4242 4242."})
        assert not form.is_valid()
        assert "looks like a card number" in str(form.errors[name])

    def test_a_tracking_number_may_look_like_one(self) -> None:
        form = EvidenceForm({"shipping_tracking_number": "4242424242424242", "shipping_date": "2026-11-21"})
        assert form.is_valid()
        assert form.cleaned_data == {
            "shipping_tracking_number": "4242424242424242",
            "shipping_date": "2026-11-21",
        }, "plain JSON, without what is empty"


class TestSubmitting:
    def test_it_goes_to_the_bank_once(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        action = desk.do("submit_dispute_evidence")
        assert action.state == ActionState.EXECUTED
        assert (desk.bank.submitted, desk.dispute.state) == (1, "under_review")
        assert desk.dispute.evidence_submitted_at == desk.world.now
        assert desk.why_not("submit_dispute_evidence").startswith("The bank has the evidence since ")
        assert desk.why_not("stage_dispute_evidence").endswith("It takes evidence once.")

    def test_nothing_staged_is_not_submitted(self, desk: Desk) -> None:
        assert desk.why_not("submit_dispute_evidence").startswith("No evidence is staged.")

    def test_two_requests_submit_once(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        first, second = desk.ask("submit_dispute_evidence"), desk.ask("submit_dispute_evidence")
        assert desk.agree(first).state == ActionState.EXECUTED
        assert desk.agree(second).state == ActionState.OVERTAKEN
        assert ProviderCall.objects.filter(operation="evidence").count() == desk.bank.submitted == 1

    def test_evidence_changed_after_the_request_is_not_submitted(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        action = desk.ask("submit_dispute_evidence")
        desk.do("stage_dispute_evidence", **{**PROOF, "shipping_carrier": "UPS"})
        assert desk.agree(action).state == ActionState.OVERTAKEN
        assert desk.bank.submitted == 0

    def test_a_lost_answer_is_asked_for_again_under_the_same_key_and_blocks_a_second(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        action = desk.ask("submit_dispute_evidence")
        desk.world.provider.lose_answer_once = True
        desk.agree(action)
        call = ProviderCall.objects.get(operation="evidence")
        assert (call.state, desk.bank.submitted) == ("unknown", 1)
        assert desk.dispute.state == "under_review", "the look after it told what happened"

        desk.world.wait(minutes=1)
        desk.world.work()
        assert ProviderCall.objects.get(operation="evidence").state == "answered"
        keys = [what for verb, what in desk.world.provider.calls if verb == "submit_evidence"]
        assert keys == [call.idempotency_key] * 2
        assert desk.bank.submitted == 1

    def test_while_its_outcome_is_unknown_nobody_submits_again(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        action = desk.ask("submit_dispute_evidence")
        desk.world.provider.fail_next = [None, Unavailable("503")]  # the look before it, then the call
        desk.agree(action)
        assert (desk.dispute.state, desk.bank.submitted) == ("open", 0)
        assert "is on its way and has no answer yet" in desk.why_not("submit_dispute_evidence")

        desk.world.wait(minutes=1)
        desk.world.work()
        assert (desk.dispute.state, desk.bank.submitted) == ("under_review", 1)

    def test_after_the_keys_lifetime_the_call_is_given_up_and_a_look_comes_first(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        action = desk.ask("submit_dispute_evidence")
        desk.world.provider.fail_next = [None, Unavailable("503"), None]
        desk.agree(action)
        desk.world.wait(hours=25)
        desk.world.work()
        assert ProviderCall.objects.get(operation="evidence").state == "abandoned"
        assert desk.bank.submitted == 0

        asked = len(desk.world.provider.calls)
        desk.do("submit_dispute_evidence")
        assert [verb for verb, _ in desk.world.provider.calls[asked:]] == ["fetch", "submit_evidence", "fetch"]
        assert desk.bank.submitted == 1

    def test_submitted_in_the_providers_dashboard_meanwhile(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        action = desk.ask("submit_dispute_evidence")
        desk.world.provider.change(desk.dispute_id, status="under_review", evidence_submitted=True)
        assert desk.agree(action).state == ActionState.OVERTAKEN
        assert desk.bank.submitted == 0

    def test_refused_by_the_provider_it_is_a_case_and_may_be_asked_again(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        action = desk.ask("submit_dispute_evidence")
        desk.world.provider.fail_next = [None, InvalidRequest("the evidence is too long")]
        desk.agree(action)
        assert desk.world.cases() == ["call_refused", "provider_dispute"]
        assert desk.why_not("submit_dispute_evidence") == ""

    def test_while_the_provider_cannot_be_asked_nothing_is_sent(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        action = desk.ask("submit_dispute_evidence")
        desk.world.provider.fail_next = [Unavailable("503")]
        with pytest.raises(NotPossible, match="cannot be asked now"):
            desk.agree(action)
        assert not ProviderCall.objects.filter(operation="evidence").exists()

    def test_after_the_deadline_the_preview_says_so(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        late = RESPOND_BY + timedelta(minutes=1)
        preview = staff_operations.get("submit_dispute_evidence").preview(desk.dispute.pk, {}, at=late)
        assert preview.warnings[0].startswith("The deadline was 2026-11-30 09:00 UTC")

    def test_an_answered_inquiry_stays_one(self, fake: FakeProvider, now: Any) -> None:
        desk = open_desk(fake, now, inquiry=True)
        desk.do("stage_dispute_evidence", **PROOF)
        desk.do("submit_dispute_evidence")
        assert (desk.dispute.state, desk.dispute.awaits_answer) == ("inquiry", False)
        assert "It takes evidence once." in desk.why_not("submit_dispute_evidence")

    def test_an_answered_inquiry_that_becomes_a_chargeback_is_answered_anew(self, fake: FakeProvider, now: Any) -> None:
        desk = open_desk(fake, now, inquiry=True)
        desk.do("stage_dispute_evidence", **PROOF)
        desk.do("submit_dispute_evidence")
        desk.world.wait(days=2)
        desk.world.provider.decide(desk.dispute_id, "open")
        desk.world.tell(desk.payment, "charge.dispute.funds_withdrawn")
        desk.world.work()
        assert (desk.dispute.state, desk.dispute.awaits_answer) == ("open", True)
        assert desk.why_not("stage_dispute_evidence") == desk.why_not("submit_dispute_evidence") == ""
        desk.do("submit_dispute_evidence")
        assert (desk.dispute.state, desk.bank.submitted) == ("under_review", 1)
        assert "It takes evidence once." in desk.why_not("submit_dispute_evidence")
        keys = [what for verb, what in desk.world.provider.calls if verb == "submit_evidence"]
        assert len(set(keys)) == 2, "another question, another answer"


class TestAccepting:
    def test_it_is_lost_and_written_off(self, desk: Desk) -> None:
        desk.do("accept_dispute")
        assert desk.dispute.state == "lost"
        assert desk.world.balance() == {
            "clearing:stripe": -1559, "dispute_losses": 2000, "disputes": 0, "fees": 1559, "sales": -2000,
        }  # fmt: skip
        assert "has ended: it is lost" in desk.why_not("accept_dispute")

    def test_not_after_the_bank_has_our_answer(self, desk: Desk) -> None:
        desk.do("stage_dispute_evidence", **PROOF)
        desk.do("submit_dispute_evidence")
        assert "It takes evidence once." in desk.why_not("accept_dispute")

    def test_an_inquiry_is_refunded_instead(self, fake: FakeProvider, now: Any) -> None:
        assert "refund the payment instead" in open_desk(fake, now, inquiry=True).why_not("accept_dispute")


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE, Role.AUDITOR, Role.ADMIN, Role.INTEGRATIONS])
def test_only_a_lead_asks(desk: Desk, role: Role) -> None:
    with pytest.raises(PermissionDenied):
        desk.ask("accept_dispute", user=make_staff(role, name=f"asks-{role}"))
    assert desk.dispute.state == "open"


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.LEAD, Role.AUDITOR, Role.ADMIN])
def test_only_finance_agrees(desk: Desk, role: Role) -> None:
    action = desk.ask("accept_dispute")
    desk.finance = make_staff(role, name=f"agrees-{role}")
    with pytest.raises(PermissionDenied):
        desk.agree(action)
    assert desk.dispute.state == "open"


class TestRefundsWhileDisputed:
    @pytest.mark.parametrize(
        ("status", "blocked"),
        [("open", True), ("under_review", True), ("lost", True), ("won", False)],
    )
    def test_a_chargeback_blocks_a_refund_until_it_is_won(self, desk: Desk, status: str, blocked: bool) -> None:
        if status != "open":
            desk.world.provider.decide(desk.dispute_id, status)
        desk.world.tell(desk.payment, "charge.dispute.updated")
        desk.world.work()
        assert bool(disputes.blocks_refund(Capture.objects.get())) is blocked
        assert disputes.warns_refund(Capture.objects.get()) == ""

    def test_an_inquiry_warns(self, fake: FakeProvider, now: Any) -> None:
        open_desk(fake, now, inquiry=True)
        assert disputes.blocks_refund(Capture.objects.get()) == ""
        assert "The bank inquires about this payment" in disputes.warns_refund(Capture.objects.get())


def test_late_money_that_is_disputed_pays_no_order(fake: FakeProvider, now: Any) -> None:
    world = World(provider=fake, order=make_order(now=now), now=now)
    world.press_pay()
    payment = fake.the_payment()
    world.wait(minutes=61)
    world.work()
    fake.pay(payment)
    world.tell(payment)
    world.work()
    operation = staff_operations.get("reopen_with_late_money")
    operation.check(world.order_id, at=world.now)
    dispute_id = fake.dispute(payment)
    world.tell(payment, "charge.dispute.created")
    world.work()
    with pytest.raises(NotPossible, match="No late money"):
        operation.check(world.order_id, at=world.now)
    assert Order.objects.get().state == "expired"
    fake.change(dispute_id, status="won")
    fake.move_money(dispute_id, MovementKind.REINSTATED)
    world.tell(payment, "charge.dispute.closed")
    world.work()
    operation.check(world.order_id, at=world.now)
