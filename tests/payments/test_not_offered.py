"""What a provider does not offer is not asked of it, and the back office says so in words."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from integrations import providers
from integrations.contract import EntryKind
from orders.models import Order
from payments import checkout, offers, staff_operations, working
from payments.ledger import check as ledger_check
from payments.models import Dispute, Payout
from payments.monitoring import watch
from payments.offers import Offer
from payments.payouts import mirror as payout_mirror
from payments.roles import Role
from payments.staff_operations import NotPossible
from tests.backoffice.people import signed_in
from tests.fake_provider import FakeProvider
from tests.fake_that_offers_nothing import FakeThatOffersNothing
from tests.world import World

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> FakeThatOffersNothing:
    provider = FakeThatOffersNothing()
    monkeypatch.setattr(providers, "get", lambda name: provider)
    monkeypatch.setattr(providers, "enabled", lambda: ("nmi",))
    return provider


@pytest.fixture
def world(bare: FakeThatOffersNothing, order: Order, now: datetime) -> World:
    """A paid order there."""
    world = World(provider=bare, order=order, now=now)
    world.press_pay("nmi")
    checkout.pay_with_token(
        order_id=order.pk, reference=world.attempt.reference, token="tok", clock=world.clock, actor="shopper"
    )
    assert world.order.state == "paid"
    return world


def test_days_of_workers_ask_for_nothing_that_is_not_offered(
    world: World, bare: FakeThatOffersNothing, settings: Any
) -> None:
    settings.RECONCILE_SCHEDULED = True
    bare.dispute(bare.the_payment())
    world.tell(bare.the_payment(), "a hint")
    world.refund(500)
    for _ in range(4):
        world.work()
        working.keep_house(clock=world.clock)
        watch.once_a_minute(world.now)
        assert working.keeping_due(world.now) in (True, False)
        world.wait(hours=13)
    assert bare.asked_in_vain == []
    assert (world.order.state, world.refund_states()) == ("partially_refunded", ["succeeded"])
    assert ledger_check.check().findings == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["reconcile", "--provider", "nmi"], "does not list its payments"),
        (["reconcile"], "No provider that lists its payments"),
        (["fetch_events", "--provider", "nmi"], "lists no events"),
        (["fetch_events"], "No provider that lists its events"),
    ],
)
def test_commands_say_so(world: World, bare: FakeThatOffersNothing, command: list[str], says: str) -> None:
    with pytest.raises(CommandError, match=says):
        call_command(*command)
    assert bare.asked_in_vain == []


def test_one_order_is_reconciled_all_the_same(world: World, bare: FakeThatOffersNothing) -> None:
    call_command("reconcile", "--order", str(world.order.number))  # it would exit where something is wrong
    assert bare.asked_in_vain == []


def test_its_payouts_are_not_mirrored(world: World, bare: FakeThatOffersNothing) -> None:
    with pytest.raises(payout_mirror.Unoffered, match="does not tell its payouts"):
        payout_mirror.mirror("nmi", clock=world.clock)
    assert bare.asked_in_vain == []


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("stage_dispute_evidence", {"uncategorized_text": "It was delivered."}),
        ("submit_dispute_evidence", {}),
        ("accept_dispute", {}),
    ],
)
def test_a_dispute_is_answered_in_its_own_dashboard(
    world: World, bare: FakeThatOffersNothing, name: str, parameters: dict[str, str]
) -> None:
    bare.dispute(bare.the_payment())
    checkout.look(world.attempt.pk, clock=world.clock, actor="test")
    operation = staff_operations.get(name)
    with pytest.raises(NotPossible, match="NMI takes no evidence from here"):
        operation.preview(Dispute.objects.get().pk, parameters, at=world.now)
    assert bare.asked_in_vain == []


def test_evidence_where_disputes_are_answered_without_it(world: World, bare: FakeThatOffersNothing) -> None:
    bare.capabilities = replace(bare.capabilities, disputes=True)
    bare.dispute(bare.the_payment())
    checkout.look(world.attempt.pk, clock=world.clock, actor="test")
    with pytest.raises(NotPossible, match="NMI takes no evidence from here: send it in its dashboard"):
        staff_operations.get("stage_dispute_evidence").preview(
            Dispute.objects.get().pk, {"uncategorized_text": "It was delivered."}, at=world.now
        )


def test_a_part_is_given_back_once_it_is_settled(world: World, settings: Any) -> None:
    settings.REFUND_LIMITS = {"EUR": 10_000}
    operation = staff_operations.get("refund")
    parameters = operation.parameters_for(world.order_id)
    warned = operation.preview(world.order_id, {**parameters, "amount": "5.00"}, at=world.now).warnings
    assert "NMI gives a part back only once the payment is settled" in " ".join(warned)
    assert operation.preview(world.order_id, {**parameters, "amount": "20.00"}, at=world.now).warnings == ()


LISTS = (
    ("payments_payout", Offer.PAYOUTS),
    ("payments_balanceentry", Offer.BALANCE),
    ("payments_dispute", Offer.DISPUTES),
    ("payments_dispute", Offer.DISPUTE_OUTCOME),
    ("payments_reconciliationrun", Offer.LISTS),
    ("payments_providerevent", Offer.EVENTS),
    ("payments_capture", Offer.FEES),
)


@pytest.mark.parametrize(("model", "offer"), LISTS)
def test_a_list_names_who_does_not_offer_what_it_is_made_of(
    world: World, bare: FakeThatOffersNothing, monkeypatch: pytest.MonkeyPatch, model: str, offer: Offer
) -> None:
    url = reverse(f"admin:{model}_changelist")
    client = signed_in(Role.FINANCE, Role.AUDITOR, Role.LEAD)
    said = f"Not offered by NMI: {offer}.".replace("'", "&#x27;")
    assert said in client.get(url).content.decode()
    assert bare.asked_in_vain == []

    bare.capabilities = replace(FakeProvider.capabilities)
    assert "Not offered by" not in client.get(url).content.decode()
    assert offers.not_offered(offer) == ""


def test_every_offer_stands_at_a_list() -> None:
    assert {offer for _, offer in LISTS} == set(Offer)


def test_payouts_without_a_list_of_the_balance(fake: FakeProvider, order: Order, now: datetime) -> None:
    """As at Square: what a payout is made of is told, what moved the balance is not."""
    world = World(provider=fake, order=order, now=now)
    world.press_pay()
    fake.pay(fake.the_payment())
    checkout.look(world.attempt.pk, clock=world.clock, actor="test")
    fake.capabilities = replace(fake.capabilities, balance_entries=False)
    capture = fake.the_payment().captures[0]
    fake.pay_out([fake.entry(EntryKind.PAYMENT, 2000, fee_minor=59, source_id=capture.capture_id)])
    world.now = now + timedelta(days=3)
    done = payout_mirror.mirror("stripe", clock=world.clock)
    assert (done.error, done.complete) == (None, True)
    assert "list_balance_entries" not in [verb for verb, _ in fake.calls]
    assert Payout.objects.get().remainder_minor == 0
