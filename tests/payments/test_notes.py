"""Notes: kept once, by who may, without card numbers, and never changed."""

from __future__ import annotations

import uuid
from datetime import datetime

import pytest
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError, transaction

from orders.models import Order
from payments import notes
from payments.models import Note
from payments.roles import Role
from tests.staff import make_staff

pytestmark = pytest.mark.django_db


def add(
    order: Order, role: Role, now: datetime, *, text: str = "She will call again.", uid: uuid.UUID | None = None
) -> Note:
    return notes.add(order=order, user=make_staff(role), text=text, uid=uid or uuid.uuid4(), at=now)


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.LEAD, Role.FINANCE])
def test_who_may(order: Order, now: datetime, role: Role) -> None:
    assert add(order, role, now).text == "She will call again."


@pytest.mark.parametrize("role", [Role.INTEGRATIONS, Role.AUDITOR, Role.ADMIN])
def test_who_may_not(order: Order, now: datetime, role: Role) -> None:
    with pytest.raises(PermissionDenied, match="Support and Lead and Finance can"):
        add(order, role, now)
    assert not Note.objects.exists()


def test_the_same_form_twice_is_one_note(order: Order, now: datetime) -> None:
    uid = uuid.uuid4()
    first = add(order, Role.SUPPORT, now, uid=uid)
    assert add(order, Role.SUPPORT, now, text="Another text.", uid=uid).pk == first.pk
    assert Note.objects.get().text == "She will call again."


def test_card_numbers_and_nothing_are_not_kept(order: Order, now: datetime) -> None:
    assert add(order, Role.LEAD, now, text="Card 4242 4242 4242 4242\x00").text == "Card [card]\ufffd"
    with pytest.raises(notes.EmptyNote):
        add(order, Role.LEAD, now, text=" \n ")


@pytest.mark.parametrize("change", [lambda rows: rows.update(text="x"), lambda rows: rows.delete()])
def test_a_note_is_never_changed(order: Order, now: datetime, change: object) -> None:
    add(order, Role.LEAD, now)
    with pytest.raises(DatabaseError), transaction.atomic():
        change(Note.objects.all())  # type: ignore[operator]
    assert Note.objects.get().text == "She will call again."
