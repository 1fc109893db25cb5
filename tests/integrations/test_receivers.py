"""What a destination says of its receiver, and what is kept of the receiver's answer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from integrations import delivery, outbox
from integrations.connectors import CONNECTORS
from integrations.connectors.contract import Message, Misconfigured, Receiver, Verdict
from integrations.facts import Fact
from integrations.models import Delivery, Destination, DestinationKind, Failure
from integrations.related import related_to
from tests.integrations.deliveries import SECRET, ScriptedConnector, connecting, make_destination, make_mailbox, tell

pytestmark = pytest.mark.django_db


class Choosy(ScriptedConnector):
    """Wants one option, and to know what came before."""

    facts = frozenset({Fact.ORDER_PAID, Fact.ORDER_PLACED})
    reads_related = True

    def __init__(self, *verdicts: Verdict | Exception) -> None:
        super().__init__(*verdicts)
        self.told: list[tuple[Message, Receiver]] = []

    def check(self, receiver: Receiver) -> None:
        if set(receiver.options) != {"team"}:
            raise Misconfigured("Its options are: team.")

    def build(self, message: Message, receiver: Receiver, *, now: datetime) -> str:
        self.told.append((message, receiver))
        return message.key


def drained(now: datetime) -> delivery.Drained:
    return delivery.drain(clock=lambda: now)


def test_what_the_receiver_calls_it_is_kept(now: datetime) -> None:
    make_destination(now=now)
    (row,) = tell(now=now)
    with connecting(ScriptedConnector(Verdict(delivered=True, external_ids={"invoice": "INV-7"}))):
        drained(now)
    row.refresh_from_db()
    assert row.external_ids == {"invoice": "INV-7"}


def test_ids_of_a_try_that_half_succeeded_stand_beside_those_of_the_next(now: datetime) -> None:
    make_destination(now=now)
    (row,) = tell(now=now)
    half = Verdict(failure=Failure.UNAVAILABLE, external_ids={"party": "4", "invoice": "draft"})
    with connecting(ScriptedConnector(half, Verdict(delivered=True, external_ids={"invoice": "INV-7"}))):
        drained(now)
        drained(now + timedelta(hours=1))
    row.refresh_from_db()
    assert row.external_ids == {"party": "4", "invoice": "INV-7"}


def test_an_earlier_try_that_is_found_brings_its_ids(now: datetime) -> None:
    make_destination(now=now, idempotent=False, lookup_address="http://127.0.0.1:9/")
    (row,) = tell(now=now)
    connector = ScriptedConnector()
    connector.has, connector.external_ids = {row.key}, {"invoice": "INV-7"}
    Delivery.objects.update(outcome_unknown=True)
    with connecting(connector):
        drained(now)
    row.refresh_from_db()
    assert (row.state, row.external_ids, connector.sent) == ("delivered", {"invoice": "INV-7"}, [])


def test_a_message_carries_the_other_facts_of_its_object_at_its_receiver(now: datetime) -> None:
    make_destination(now=now, facts=["order.placed", "order.paid"])
    make_destination(now=now, facts=["order.placed"])
    placed = tell(now=now, fact=Fact.ORDER_PLACED)[0]
    # Both receivers answer alike: which of them is sent to first is for the threads.
    connector = Choosy(*[Verdict(delivered=True, external_ids={"deal": "9"})] * 2)
    with connecting(connector):
        drained(now)
        paid = tell(now=now, fact=Fact.ORDER_PAID)[0]
        drained(now)

    (message,) = [message for message, _ in connector.told if message.key == paid.key]
    (before,) = message.related
    assert (before.key, before.fact, before.delivered) == (placed.key, "order.placed", True)
    assert before.external_ids == {"deal": "9"}
    assert before.payload["number"] == 1042


def test_of_other_orders_nothing_is_carried(now: datetime) -> None:
    make_destination(now=now)
    with transaction.atomic():
        outbox.record("order.paid", subject_kind="order", subject_id=7, payload={}, now=now)
        outbox.record("case.opened", subject_kind="case", subject_id=1042, payload={}, now=now)
    (row,) = tell(now=now)
    assert related_to(row) == ()


def test_kinds_that_do_not_ask_cost_no_query(now: datetime, django_assert_num_queries: Any) -> None:
    make_destination(now=now).signing_secrets(now=now)  # its opening is recorded once an hour
    for _ in range(3):
        tell(now=now)
    with connecting(ScriptedConnector()), django_assert_num_queries(6):
        delivery.claim(now=now, limit=3)


def test_options_and_key_reach_the_connector(now: datetime) -> None:
    make_destination(now=now, options={"team": "night"}, public_key="-----BEGIN PUBLIC KEY-----")
    tell(now=now)
    connector = Choosy()
    with connecting(connector):
        drained(now)
    ((_, receiver),) = connector.told
    assert receiver.options == {"team": "night"}
    assert receiver.public_key == "-----BEGIN PUBLIC KEY-----"
    assert receiver.secrets == (SECRET,)


def refused(destination: Destination) -> str:
    with pytest.raises(ValidationError) as caught:
        destination.clean()
    return " ".join(caught.value.messages)


def test_the_form_refuses_what_the_connector_cannot_use(now: datetime) -> None:
    destination = make_destination(now=now, facts=["order.paid"], options={"colour": "red"})
    with connecting(Choosy()):
        assert refused(destination) == "Its options are: team."
        destination.options = {"team": "night"}
        destination.clean()
        destination.facts = ["order.paid", "case.opened"]
        assert "cannot be told of case.opened" in refused(destination)


def test_mail_is_sent_of_facts_with_a_template_only(now: datetime) -> None:
    mailbox = make_mailbox(now=now)
    mailbox.clean()
    mailbox.facts = ["case.opened"]
    assert "cannot be told of case.opened" in refused(mailbox)


def test_only_mail_goes_without_an_address(now: datetime) -> None:
    make_mailbox(now=now, address="")
    with pytest.raises(IntegrityError, match="destination_has_address"), transaction.atomic():
        make_destination(now=now, kind=DestinationKind.TRYTON, address="")


def test_every_kind_has_its_connector_and_every_connector_its_kind() -> None:
    assert set(CONNECTORS) == set(DestinationKind.values)
