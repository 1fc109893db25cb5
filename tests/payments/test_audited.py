"""Every model a person can change is watched; a row and its entry commit together or not at all."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from auditlog.models import LogEntry
from auditlog.registry import auditlog
from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.db import DatabaseError, IntegrityError

from integrations import breaker
from integrations.facts import Fact
from integrations.models import Destination
from orders.models import Price, Product
from payments.audit.audited import NOT_WATCHED, WATCHED
from payments.cases.opening import open_case
from payments.models import Case
from payments.models.case import CaseKind
from tests.audit_rows import audit_away
from tests.factories import make_product
from tests.staff import enrol, make_staff

pytestmark = pytest.mark.django_db


def entries(row: Any) -> list[Any]:
    """Return what the audit log says of a row, oldest first."""
    return list(LogEntry.objects.get_for_object(row).order_by("pk"))


def last_changes(row: Any) -> dict[str, Any]:
    changes: dict[str, Any] = entries(row)[-1].changes
    return changes


def test_every_model_is_watched_or_has_a_reason_not_to_be() -> None:
    labels = {model._meta.label for model in apps.get_models(include_auto_created=True)}
    assert labels == set(WATCHED) | set(NOT_WATCHED)
    assert not set(WATCHED) & set(NOT_WATCHED)
    assert {model._meta.label for model in auditlog.get_models()} == set(WATCHED)


def test_fields_named_for_watching_exist() -> None:
    for label, how in WATCHED.items():
        names = {field.name for field in apps.get_model(label)._meta.get_fields()}
        assert {*how.only, *how.never, *how.masked, *how.many} <= names, label


def test_no_secret_field_is_watched_in_clear() -> None:
    """Binary columns are sealed values; a password's hash is worth guessing at."""
    for label, how in WATCHED.items():
        for field in apps.get_model(label)._meta.fields:
            secret = field.get_internal_type() == "BinaryField" or field.name in ("password", "digest", "secret")
            seen = field.name in how.only if how.only else field.name not in how.never
            assert not (secret and seen and field.name not in how.masked), f"{label}.{field.name}"


def test_a_password_is_told_to_have_changed_and_no_more() -> None:
    person = make_staff()
    person.set_password("another password, long")
    person.save()
    assert last_changes(person) == {"password": ["[masked]", "[masked]"]}


def test_roles_given_and_taken() -> None:
    person = make_staff()
    group = Group.objects.create(name="Clerks")
    person.groups.add(group)
    assert last_changes(person) == {"groups": {"type": "m2m", "operation": "add", "objects": ["Clerks"]}}
    person.groups.remove(group)
    assert last_changes(person) == {"groups": {"type": "m2m", "operation": "delete", "objects": ["Clerks"]}}
    permission = Permission.objects.get(codename="do_note")
    group.permissions.add(permission)
    assert last_changes(group)["permissions"]["objects"] == [str(permission)]


def test_signing_in_is_no_change_of_a_person() -> None:
    person = make_staff()
    before = len(entries(person))
    person.last_login = person.date_joined
    person.save()
    assert len(entries(person)) == before


def test_prices(now: datetime) -> None:
    price = Price.objects.get(product=make_product(price_minor=1000))
    price.amount_minor = 900
    price.save()
    assert last_changes(price) == {"amount_minor": ["1000", "900"]}
    key = price.pk
    price.delete()
    assert LogEntry.objects.filter(object_id=key, action=LogEntry.Action.DELETE).exists()


def test_a_receivers_secrets_are_not_told(now: datetime) -> None:
    receiver = Destination(
        name="CRM",
        kind="webhook",
        address="https://crm.example/in",
        idempotent=True,
        facts=[Fact.ORDER_PAID],
        created_at=now,
    )
    receiver.set_signing_secrets(["whsec_" + "A" * 32])
    receiver.save()
    receiver.refresh_from_db()
    receiver.active, receiver.disabled_reason = False, "It is being moved"
    receiver.save()
    assert set(last_changes(receiver)) == {"active", "disabled_reason"}
    assert "secrets_sealed" not in entries(receiver)[0].changes


def test_a_pause_is_told_and_what_the_machine_sees_is_not(now: datetime) -> None:
    stripe = breaker.Subject(provider="stripe")
    breaker.note(stripe, breaker.Seen(sign=breaker.Sign.AWAY), now=now)
    paused = breaker.pause(stripe, actor="user:7", reason="double charges", now=now)
    assert last_changes(paused) == {
        "state": ["closed", "paused"],
        "actor": ["", "user:7"],
        "reason": ["", "double charges"],
    }
    breaker.resume(stripe, actor="user:7", reason="mended", now=now)
    assert len(entries(paused)) == 2


def test_a_case_seen_again_is_no_change(now: datetime) -> None:
    about = {"subject_kind": "event", "subject_id": 1, "ours": "a", "theirs": "b", "suggested_fix": "c", "at": now}
    case = open_case(CaseKind.PARKED_EVENT, **about)  # type: ignore[arg-type]
    open_case(CaseKind.PARKED_EVENT, **{**about, "theirs": "d"})  # type: ignore[arg-type]
    assert [entry.action for entry in entries(case)] == [LogEntry.Action.CREATE]


def test_an_authenticators_key_and_counters_are_not_told(now: datetime) -> None:
    person = make_staff()
    enrol(person, at=now)
    told = LogEntry.objects.filter(content_type__model="totpdevice")
    assert told.exists()
    assert {name for entry in told for name in entry.changes} <= {"user", "name", "confirmed", "confirmed_at"}


@pytest.mark.django_db(transaction=True)
class TestOneTransaction:
    """The rows here are saved as views do it: outside any transaction of the caller's."""

    def test_a_save_that_fails_leaves_no_entry(self) -> None:
        product = make_product()
        before = len(entries(product))
        product.max_quantity, product.name = 0, "Renamed"
        with pytest.raises(IntegrityError):
            product.save()
        assert len(entries(product)) == before

    def test_no_row_without_its_entry(self) -> None:
        product = make_product()
        with audit_away():
            with pytest.raises(DatabaseError, match="permission denied"):
                make_product(sku="NEW")
            product.name = "Renamed"
            with pytest.raises(DatabaseError, match="permission denied"):
                product.save()
            with pytest.raises(DatabaseError, match="permission denied"):
                product.delete()
        assert list(Product.objects.values_list("name", flat=True)) == [f"Thing {product.sku}"]

    def test_no_role_without_its_entry(self) -> None:
        person = get_user_model().objects.create_user("bob")
        group = Group.objects.create(name="Clerks")
        with audit_away(), pytest.raises(DatabaseError, match="permission denied"):
            person.groups.add(group)
        assert not person.groups.exists()

    def test_who_acted_cannot_be_deleted(self) -> None:
        """Their name would go from the log. They are deactivated instead."""
        from payments.audit import recording as audit

        person, product = get_user_model().objects.create_user("bob"), make_product()
        with audit.acting(actor=person):
            product.name = "Renamed"
            product.save()
        with pytest.raises(DatabaseError):
            person.delete()
        assert get_user_model().objects.filter(pk=person.pk).exists()


def test_the_first_case_of_a_kind_names_its_worker(now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("Q_CLUSTER_NAME", "look")
    case = Case.objects.create(
        kind=CaseKind.DEAD_EVENT, subject_kind="event", subject_id=1, opened_at=now, last_seen_at=now,
        ours="a", theirs="b", suggested_fix="c",
    )  # fmt: skip
    assert entries(case)[0].additional_data["actor"] == "worker:look"
