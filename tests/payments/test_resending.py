"""A mail sent again: to the shopper alone, under a key of its own, by who may, not too often, and recorded."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from integrations import delivery, repeats
from integrations.connectors.contract import Verdict
from integrations.facts import Fact
from integrations.failure import Failure
from integrations.models import Delivery, DeliveryRepeat, DeliveryReplay, OutboxEvent
from orders import facts
from orders.models import Order
from payments import resending
from payments.resending import MOST_A_DAY, NoReason, letters, resend
from payments.roles import Role
from payments.staff_operations import NotPossible
from payments.timeline import Chip, timeline_of
from tests.factories import make_order
from tests.integrations.deliveries import make_destination, make_mailbox
from tests.staff import make_staff

pytestmark = pytest.mark.django_db

WHY = "She never got it."


@pytest.fixture
def paid(order: Order, now: datetime) -> Order:
    """An order whose fact went to the shopper's mailbox, a fixed mailbox and a CRM."""
    make_mailbox(now=now, name="Shopper")
    make_mailbox(now=now, name="Warehouse", address="warehouse@example.com")
    make_destination(now=now, name="CRM", facts=[Fact.ORDER_PAID.value])
    with transaction.atomic():
        facts.record(Fact.ORDER_PAID, order, at=now)
    return order


def deliver(now: datetime, verdict: Verdict | None = None) -> None:
    for claimed in delivery.claim(now=now, limit=99):
        delivery.mark(claimed, verdict or Verdict(delivered=True), now=now)


def mail(order: Order) -> int:
    (letter,) = letters(order)
    return letter.delivery_id


def send(order: Order, now: datetime, *, user: Any = None, **changes: Any) -> str:
    asked = {"delivery_id": mail(order), "reason": WHY, "at": now, **changes}
    return resend(order, user=user or make_staff(Role.SUPPORT), **asked)


def test_only_the_shopper_hears_of_it_again(paid: Order, now: datetime) -> None:
    deliver(now)
    ann = make_staff(Role.SUPPORT)
    assert send(paid, now + timedelta(minutes=1), user=ann) == "The mail is sent once more."
    again = Delivery.objects.get(state="queued")
    first = Delivery.objects.get(pk=mail(paid))
    assert (again.destination, again.event, again.repeats) == (first.destination, first.event, first)
    assert again.key != first.key
    assert OutboxEvent.objects.count() == 1
    assert Delivery.objects.count() == 4
    record = DeliveryRepeat.objects.get()
    assert (record.delivery, record.actor, record.reason) == (again, f"user:{ann.pk}", WHY)
    deliver(now + timedelta(minutes=2))
    assert not Delivery.objects.exclude(state="delivered").exists()
    titles = [entry.title for entry in timeline_of(paid, chip=Chip.PEOPLE).entries]
    assert titles == ["Mail “order.paid” to be sent once more"]


def test_not_while_it_is_on_its_way(paid: Order, now: datetime) -> None:
    with pytest.raises(NotPossible, match=r"It is on its way; the next try is at 12:00 UTC\."):
        send(paid, now)
    deliver(now)
    send(paid, now)
    with pytest.raises(NotPossible, match="on its way"):
        send(paid, now)
    assert DeliveryRepeat.objects.count() == 1


def test_a_dead_mail_is_tried_again_under_its_old_key(paid: Order, now: datetime) -> None:
    deliver(now, Verdict(failure=Failure.PERMANENT, hopeless=True))
    assert send(paid, now) == "The mail that had been given up is tried again."
    assert Delivery.objects.get(state="queued").pk == mail(paid)
    assert (DeliveryReplay.objects.get().reason, DeliveryRepeat.objects.count()) == (WHY, 0)


def test_a_repetition_that_died_is_tried_again_itself(paid: Order, now: datetime) -> None:
    deliver(now)
    send(paid, now)
    deliver(now, Verdict(failure=Failure.PERMANENT, hopeless=True))
    send(paid, now)
    assert Delivery.objects.get(state="queued").repeats_id == mail(paid)
    assert DeliveryRepeat.objects.count() == 1


def test_not_too_often(paid: Order, now: datetime) -> None:
    deliver(now)
    for _ in range(MOST_A_DAY):
        send(paid, now)
        deliver(now)
    with pytest.raises(NotPossible, match="Call the customer"):
        send(paid, now)
    send(paid, now + timedelta(days=1, minutes=1))


@pytest.mark.parametrize("role", [Role.INTEGRATIONS, Role.AUDITOR, Role.ADMIN])
def test_who_may_not(paid: Order, now: datetime, role: Role) -> None:
    deliver(now)
    with pytest.raises(PermissionDenied):
        send(paid, now, user=make_staff(role))


def test_only_with_a_reason_and_only_mails_of_this_order(paid: Order, now: datetime) -> None:
    deliver(now)
    with pytest.raises(NoReason):
        send(paid, now, reason=" \x00 x ")
    crm = Delivery.objects.get(destination__name="CRM")
    warehouse = Delivery.objects.get(destination__name="Warehouse")
    for foreign in (crm, warehouse):
        with pytest.raises(NotPossible, match="no such mail"):
            send(paid, now, delivery_id=foreign.pk)
    other = make_order(now=now)
    with pytest.raises(NotPossible, match="No mail to the shopper was ever due"):
        resend(other, delivery_id=mail(paid), user=make_staff(Role.LEAD), reason=WHY, at=now)
    with transaction.atomic():
        facts.record(Fact.ORDER_PAID, other, at=now)
    with pytest.raises(NotPossible, match="no such mail"):
        resend(other, delivery_id=mail(paid), user=make_staff(Role.LEAD), reason=WHY, at=now)
    make_mailbox(now=now, name="Other")
    Delivery.objects.get(pk=mail(paid)).destination.__class__.objects.filter(name="Shopper").update(active=False)
    with pytest.raises(NotPossible, match="switched off"):
        send(paid, now)
    assert not DeliveryRepeat.objects.exists()


def test_the_database_lets_nothing_but_a_delivered_mail_be_repeated(paid: Order, now: datetime) -> None:
    queued = Delivery.objects.get(pk=mail(paid))
    with pytest.raises(IntegrityError, match="only a delivered mail"), transaction.atomic():
        repeats.repeat_mail(queued, actor="user:1", reason=WHY, now=now)
    deliver(now)
    with pytest.raises(IntegrityError, match="only a delivered mail"), transaction.atomic():
        repeats.repeat_mail(Delivery.objects.get(destination__name="CRM"), actor="user:1", reason=WHY, now=now)
    again = repeats.repeat_mail(Delivery.objects.get(pk=queued.pk), actor="user:1", reason=WHY, now=now)
    with pytest.raises(IntegrityError, match="only a delivered mail"), transaction.atomic():
        repeats.repeat_mail(again, actor="user:1", reason=WHY, now=now)
    with pytest.raises(IntegrityError, match="never changes"), transaction.atomic():
        Delivery.objects.filter(pk=again.pk).update(repeats=None)
    with pytest.raises(IntegrityError, match="delivery_first_once_a_receiver"), transaction.atomic():
        Delivery.objects.create(event=queued.event, destination=queued.destination, queued_at=now, not_before=now)


def test_an_order_without_mail_says_so(order: Order) -> None:
    with pytest.raises(NotPossible, match="No mail to the shopper was ever due for this order"):
        resending.check_resend(order, user=make_staff(Role.SUPPORT))
