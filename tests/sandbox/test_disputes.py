"""Disputes: what the cardholder's bank takes back, the evidence against it, its decision, and the money behind it."""

from __future__ import annotations

import json
from typing import Any, TypeVar, cast

import pytest
import stripe

from integrations.sandbox.control import ControlError, SandboxControl
from tests.sandbox import shapes
from tests.sandbox.process import Receiver
from tests.sandbox.shop import DECLINED, new_session

CHARGED_BACK = "4000000000000259"
INQUIRED = "4000000000001976"
DAY = 24 * 3600
Answer = TypeVar("Answer", bound=stripe.StripeObject)


def checked(obj: Answer) -> Answer:
    """Passes an answer on when the raw body fits the SDK's annotations."""
    assert obj.last_response is not None
    assert shapes.problems(json.loads(obj.last_response.body)) == []
    return obj


def pay(client: stripe.StripeClient, control: SandboxControl, card: str) -> str:
    """The intent over 49.90 EUR that was paid with this card."""
    return control.pay(new_session(client).id, card=card).payment_intent


def dispute_of(client: stripe.StripeClient, intent: str) -> stripe.Dispute:
    """The intent's only dispute."""
    [dispute] = checked(client.v1.disputes.list({"payment_intent": intent})).data
    return dispute


def answer(client: stripe.StripeClient, dispute: stripe.Dispute, text: str, **more: Any) -> stripe.Dispute:
    """Sends one text as evidence."""
    params = cast("Any", {"evidence": {"uncategorized_text": text}, **more})
    return checked(client.v1.disputes.update(dispute.id, params))


def told(client: stripe.StripeClient) -> list[str]:
    """The types of all dispute events, oldest first. Each event is held against the SDK."""
    events = checked(client.v1.events.list({"limit": 100})).data[::-1]
    return [event.type.removeprefix("charge.dispute.") for event in events if "dispute" in event.type]


def entries(client: stripe.StripeClient, dispute: stripe.Dispute) -> list[tuple[str, str, int, int, int]]:
    """What a dispute did to the balance, oldest first: the object and the list must agree."""
    listed = checked(client.v1.balance_transactions.list({"source": dispute.id})).data[::-1]
    assert [entry.id for entry in dispute.balance_transactions] == [entry.id for entry in listed]
    assert all(sum(detail.amount for detail in entry.fee_details) == entry.fee for entry in listed)
    return [(entry.type, entry.reporting_category, entry.amount, entry.fee, entry.net) for entry in listed]


WITHDRAWN = ("adjustment", "dispute", -4990, 1500, -6490)
REINSTATED = ("adjustment", "dispute_reversal", 4990, -1500, 6490)


def test_a_chargeback(client: stripe.StripeClient, control: SandboxControl) -> None:
    intent = pay(client, control, CHARGED_BACK)
    listed = dispute_of(client, intent)
    dispute = checked(client.v1.disputes.retrieve(listed.id, {"expand": ["charge", "payment_intent"]}))
    assert dispute.id.startswith("du_")
    assert (dispute.status, dispute.reason) == ("needs_response", "fraudulent")
    assert (dispute.amount, dispute.currency, dispute.is_charge_refundable) == (4990, "eur", False)
    assert isinstance(dispute.charge, stripe.Charge)
    assert (dispute.charge.disputed, dispute.charge.paid, dispute.charge.amount_refunded) == (True, True, 0)
    assert isinstance(dispute.payment_intent, stripe.PaymentIntent)
    assert (dispute.payment_intent.id, dispute.payment_intent.status) == (intent, "succeeded")
    assert entries(client, dispute) == [WITHDRAWN]
    details = dispute.evidence_details
    assert (details.has_evidence, details.submission_count, details.past_due) == (False, 0, False)
    assert details.due_by is not None
    assert (details.due_by + 1) % DAY == 0, "the end of a day in UTC"
    assert 8 * DAY <= details.due_by + 1 - dispute.created <= 9 * DAY
    assert control.effects()[0].withdrawn_minor == 4990


def test_the_dispute_is_told_between_charge_and_intent(
    client: stripe.StripeClient, control: SandboxControl, receiver: Receiver
) -> None:
    pay(client, control, CHARGED_BACK)
    events = client.v1.events.list().data[::-1]
    assert [event.type for event in events] == [
        "payment_intent.created",
        "charge.succeeded",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "payment_intent.succeeded",
        "checkout.session.completed",
        "charge.updated",
    ]
    receiver.wait_for(lambda: len(receiver.received) == len(events))
    assert [problem for sent in receiver.received for problem in shapes.problems(sent.event)] == []


def test_an_authorisation_is_disputed_once_it_is_captured(client: stripe.StripeClient) -> None:
    intent = client.v1.payment_intents.create(
        {
            "amount": 1000,
            "currency": "eur",
            "capture_method": "manual",
            "confirm": True,
            "payment_method": "pm_card_createDispute",
            "allowed_payment_method_types": ["card"],
        }
    )
    assert client.v1.disputes.list().data == []
    client.v1.payment_intents.capture(intent.id, {"amount_to_capture": 700})
    assert dispute_of(client, intent.id).amount == 700


def test_lists(client: stripe.StripeClient, control: SandboxControl) -> None:
    intents = [pay(client, control, CHARGED_BACK) for _ in range(3)]
    disputes = client.v1.disputes
    newest_first = [dispute_of(client, intent).id for intent in reversed(intents)]
    assert [dispute.id for dispute in checked(disputes.list()).data] == newest_first
    assert [dispute.id for dispute in disputes.list({"limit": 1}).auto_paging_iter()] == newest_first
    page = disputes.list({"limit": 1, "starting_after": newest_first[0]})
    assert ([dispute.id for dispute in page.data], page.has_more) == (newest_first[1:2], True)
    charge = client.v1.charges.list({"payment_intent": intents[0]}).data[0].id
    by_charge = checked(disputes.list({"charge": charge, "expand": ["data.charge"]})).data
    assert [dispute.id for dispute in by_charge] == [newest_first[2]]
    control.advance_clock(seconds=1000)
    late = dispute_of(client, pay(client, control, CHARGED_BACK))
    assert [dispute.id for dispute in disputes.list({"created": {"gte": late.created}}).data] == [late.id]
    assert disputes.list({"payment_intent": "pi_none"}).data == []


def test_evidence_is_staged_then_submitted(client: stripe.StripeClient, control: SandboxControl) -> None:
    dispute = dispute_of(client, pay(client, control, CHARGED_BACK))
    assert dispute.evidence.customer_email_address == "shopper@shop.example"
    staged = answer(client, dispute, "It was delivered.", submit=False, metadata={"seen": "by Ann"})
    details = staged.evidence_details
    assert (staged.status, details.has_evidence, details.submission_count) == ("needs_response", True, 0)
    assert staged.metadata["seen"] == "by Ann"
    sent = checked(client.v1.disputes.update(dispute.id, {"submit": True}))
    details = sent.evidence_details
    assert (sent.status, details.submission_count, details.submission_method) == ("under_review", 1, "manual")
    assert sent.evidence.uncategorized_text == "It was delivered."
    assert details.past_due is False
    with pytest.raises(stripe.InvalidRequestError, match="has already been submitted"):
        answer(client, dispute, "And signed for.")
    assert told(client) == ["created", "funds_withdrawn", "updated", "updated"]


def test_metadata_alone_submits_nothing(client: stripe.StripeClient, control: SandboxControl) -> None:
    dispute = dispute_of(client, pay(client, control, CHARGED_BACK))
    client.v1.disputes.update(dispute.id, {"metadata": {"a": "1", "b": "2"}})
    changed = checked(client.v1.disputes.update(dispute.id, {"metadata": {"a": "", "c": "3"}}))
    assert (changed.status, changed.metadata.to_dict()) == ("needs_response", {"b": "2", "c": "3"})
    emptied = client.v1.disputes.update(dispute.id, {"metadata": ""})
    assert emptied.metadata.to_dict() == {}


def test_evidence_that_comes_too_late_says_so(client: stripe.StripeClient, control: SandboxControl) -> None:
    dispute = dispute_of(client, pay(client, control, CHARGED_BACK))
    control.advance_clock(seconds=9 * DAY)
    assert answer(client, dispute, "Sorry.").evidence_details.past_due is True


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"evidence": {"colour": "red"}}, "evidence[colour]"),
        ({"evidence": {"receipt": "file_1"}}, "evidence[receipt]"),
        ({"evidence": {"customer_name": ""}}, "evidence[customer_name]"),
        ({"evidence": {"uncategorized_text": "x" * 20_001}}, "evidence[uncategorized_text]"),
        ({"evidence": dict.fromkeys(
            ("access_activity_log", "cancellation_policy_disclosure", "cancellation_rebuttal", "product_description",
             "duplicate_charge_explanation", "refund_policy_disclosure", "refund_refusal_explanation",
             "uncategorized_text"), "x" * 20_000)}, "evidence"),
        ({"submit": True}, "submit"),
        ({"submit": "maybe"}, "submit"),
        ({"status": "won"}, "status"),
    ],
)  # fmt: skip
def test_what_is_no_evidence(
    client: stripe.StripeClient, control: SandboxControl, params: dict[str, Any], param: str
) -> None:
    dispute = dispute_of(client, pay(client, control, CHARGED_BACK))
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.disputes.update(dispute.id, cast("Any", params))
    assert refused.value.param == param
    assert dispute_of(client, str(dispute.payment_intent)).to_dict() == dispute.to_dict()


@pytest.mark.parametrize("by", ["evidence", "the bank"])
def test_won_gives_money_and_fee_back(client: stripe.StripeClient, control: SandboxControl, by: str) -> None:
    intent = pay(client, control, CHARGED_BACK)
    dispute = dispute_of(client, intent)
    with pytest.raises(stripe.InvalidRequestError, match="has been charged back; cannot issue a refund") as refused:
        client.v1.refunds.create({"payment_intent": intent})
    assert refused.value.code == "charge_disputed"
    if by == "evidence":
        assert answer(client, dispute, "winning_evidence").status == "under_review", "the answer is older"
    else:
        control.move_dispute(dispute.id, status="under_review")
        control.move_dispute(dispute.id, status="won")
    won = dispute_of(client, intent)
    assert (won.status, won.is_charge_refundable) == ("won", True)
    assert entries(client, won) == [WITHDRAWN, REINSTATED]
    assert told(client) == ["created", "funds_withdrawn", "updated", "funds_reinstated", "closed"]
    assert client.v1.charges.list({"payment_intent": intent}).data[0].disputed is True
    assert client.v1.refunds.create({"payment_intent": intent}).status == "succeeded"
    [effect] = control.effects()
    assert (effect.captured_minor, effect.refunded_minor, effect.withdrawn_minor) == (4990, 4990, 0)


@pytest.mark.parametrize("by", ["evidence", "the bank", "us"])
def test_lost_moves_no_more_money(client: stripe.StripeClient, control: SandboxControl, by: str) -> None:
    intent = pay(client, control, CHARGED_BACK)
    dispute = dispute_of(client, intent)
    if by == "evidence":
        answer(client, dispute, "losing_evidence")
    elif by == "the bank":
        control.move_dispute(dispute.id, status="lost")
    else:
        assert checked(client.v1.disputes.close(dispute.id)).status == "lost"
    lost = dispute_of(client, intent)
    assert (lost.status, lost.is_charge_refundable) == ("lost", False)
    assert entries(client, lost) == [WITHDRAWN]
    assert told(client)[2:] == (["updated", "closed"] if by == "evidence" else ["closed"])
    with pytest.raises(stripe.InvalidRequestError, match="charged back"):
        client.v1.refunds.create({"payment_intent": intent})
    with pytest.raises(stripe.InvalidRequestError, match="This dispute is already closed"):
        client.v1.disputes.close(dispute.id)
    with pytest.raises(stripe.InvalidRequestError, match="This dispute is already closed"):
        client.v1.disputes.update(dispute.id, {"metadata": {"a": "b"}})


def test_only_a_chargeback_that_waits_for_us_can_be_closed(
    client: stripe.StripeClient, control: SandboxControl
) -> None:
    dispute = dispute_of(client, pay(client, control, INQUIRED))
    with pytest.raises(stripe.InvalidRequestError, match="only a dispute in needs_response can be closed"):
        client.v1.disputes.close(dispute.id)


def test_an_inquiry_moves_no_money(client: stripe.StripeClient, control: SandboxControl) -> None:
    intent = pay(client, control, INQUIRED)
    dispute = dispute_of(client, intent)
    assert (dispute.status, dispute.is_charge_refundable) == ("warning_needs_response", True)
    assert dispute.payment_method_details is not None
    assert dispute.payment_method_details.card is not None
    assert dispute.payment_method_details.card.case_type == "inquiry"
    assert client.v1.charges.list({"payment_intent": intent}).data[0].disputed is True
    assert client.v1.refunds.create({"payment_intent": intent, "amount": 100}).status == "succeeded"
    assert answer(client, dispute, "It was delivered.").status == "warning_under_review"
    control.move_dispute(dispute.id, status="warning_closed")
    assert entries(client, dispute_of(client, intent)) == []
    assert told(client) == ["created", "updated", "closed"]


@pytest.mark.parametrize("by", ["evidence", "the bank"])
def test_an_inquiry_that_escalates(client: stripe.StripeClient, control: SandboxControl, by: str) -> None:
    intent = pay(client, control, INQUIRED)
    dispute = dispute_of(client, intent)
    control.advance_clock(seconds=20 * DAY)
    if by == "evidence":
        assert answer(client, dispute, "escalate_inquiry_evidence").status == "warning_under_review"
    else:
        control.move_dispute(dispute.id, status="needs_response")
    escalated = dispute_of(client, intent)
    assert (escalated.status, escalated.is_charge_refundable) == ("needs_response", False)
    assert escalated.payment_method_details is not None
    assert escalated.payment_method_details.card is not None
    assert escalated.payment_method_details.card.case_type == "chargeback"
    assert escalated.evidence_details.due_by is not None
    assert escalated.evidence_details.due_by >= dispute.created + 28 * DAY, "a new term"
    assert entries(client, escalated) == [WITHDRAWN]
    assert told(client)[-2:] == ["updated", "funds_withdrawn"]
    assert answer(client, dispute, "winning_evidence").evidence_details.past_due is False
    assert dispute_of(client, intent).status == "won"


def test_after_a_full_refund_nothing_is_withdrawn(client: stripe.StripeClient, control: SandboxControl) -> None:
    intent = pay(client, control, INQUIRED)
    client.v1.refunds.create({"payment_intent": intent})
    with pytest.raises(ControlError, match="nothing more is withdrawn"):
        control.move_dispute(dispute_of(client, intent).id, status="needs_response")
    assert told(client) == ["created"]


def test_a_payment_disputed_weeks_later(client: stripe.StripeClient, control: SandboxControl) -> None:
    intent = pay(client, control, "5555555555554444")
    control.advance_clock(seconds=40 * DAY)
    made = control.dispute(payment_intent=intent, reason="product_not_received", amount=1000)
    assert shapes.problems(made) == []
    dispute = dispute_of(client, intent)
    assert (dispute.id, dispute.reason, dispute.amount) == (made["id"], "product_not_received", 1000)
    assert [entry.amount for entry in dispute.balance_transactions] == [-1000]
    assert client.v1.charges.list({"payment_intent": intent}).data[0].disputed is True


def test_what_cannot_be_disputed(client: stripe.StripeClient, control: SandboxControl) -> None:
    debit = new_session(client)
    by_debit = control.pay(debit.id, method="debit").payment_intent
    control.settle(debit.id)
    for intent in (pay(client, control, DECLINED), by_debit):
        with pytest.raises(ControlError, match="took no money from a card"):
            control.dispute(payment_intent=intent)
    paid = pay(client, control, "4242424242424242")
    for amount in (0, 4991):
        with pytest.raises(ControlError, match="must be between 1 and 4990"):
            control.dispute(payment_intent=paid, amount=amount)
    with pytest.raises(ControlError, match="Invalid reason"):
        control.dispute(payment_intent=paid, reason="whim")
    assert client.v1.disputes.list().data == []


@pytest.mark.parametrize(
    ("card", "before", "status", "refusal"),
    [
        (CHARGED_BACK, [], "warning_closed", "is needs_response: it can become under_review, won, lost"),
        (CHARGED_BACK, ["under_review"], "needs_response", "is under_review: it can become won, lost"),
        (CHARGED_BACK, ["won"], "lost", "is won: it can become nothing else"),
        (INQUIRED, [], "won", "is warning_needs_response: it can become warning_under_review"),
        (INQUIRED, ["warning_closed"], "needs_response", "is warning_closed: it can become nothing else"),
        (CHARGED_BACK, [], "prevented", "Invalid status"),
    ],
)
def test_steps_that_no_bank_takes(
    client: stripe.StripeClient, control: SandboxControl, card: str, before: list[str], status: str, refusal: str
) -> None:
    dispute = dispute_of(client, pay(client, control, card))
    for step in before:
        control.move_dispute(dispute.id, status=step)
    with pytest.raises(ControlError, match=refusal):
        control.move_dispute(dispute.id, status=status)
