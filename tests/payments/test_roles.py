"""The roles table: what it gives, what it gives to nobody by accident, and how drift is found."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.core.management import call_command

from payments.people import role_groups
from payments.roles import PERMISSIONS, TABLE, Area, Role, Verb, check_may, held_by, may, permissions_of
from tests.staff import make_staff

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("role", list(Role))
def test_a_person_may_what_the_table_says_and_nothing_else(role: Role) -> None:
    person = make_staff(role)
    for area in Area:
        given = TABLE[area].get(role)
        assert may(person, Verb.VIEW, area) == (given is not None)
        for verb in (Verb.DO, Verb.REQUEST, Verb.APPROVE):
            assert may(person, verb, area) == (given is verb), (role, verb, area)


def test_the_administrator_moves_no_money() -> None:
    money = {Area.REFUND, Area.REFUND_ABOVE, Area.CORRECTION, Area.DISPUTE, Area.FINANCE}
    assert not money & {area for area in Area if Role.ADMIN in TABLE[area]}


def test_a_superuser_without_a_role_may_nothing() -> None:
    boss = get_user_model().objects.create_superuser("boss")
    assert not held_by(boss)


def test_a_permission_given_to_one_person_opens_nothing() -> None:
    person = make_staff(Role.SUPPORT)
    person.user_permissions.add(Permission.objects.get(codename="approve_correction"))
    assert not may(person, Verb.APPROVE, Area.CORRECTION)


@pytest.mark.parametrize("off", ["is_active", "is_staff"])
def test_who_is_no_staff_any_more_may_nothing(off: str) -> None:
    person = make_staff(*Role)
    setattr(person, off, False)
    assert not held_by(person)


def test_a_refusal_names_who_can() -> None:
    with pytest.raises(PermissionDenied, match=r"Your roles do not let you approve corrections\. Finance can\."):
        check_may(make_staff(Role.LEAD), Verb.APPROVE, Area.CORRECTION)


def test_every_permission_of_the_table_exists() -> None:
    names = {name for name, _ in PERMISSIONS}
    assert set.union(*(permissions_of(role) for role in Role)) <= names
    in_database = Permission.objects.filter(content_type__app_label="payments", codename__in=names)
    assert in_database.count() == len(names) == len(PERMISSIONS)


def test_sync_roles_finds_and_mends_drift(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sync_roles")
    assert role_groups.drift() == []
    group = Group.objects.get(name=Role.SUPPORT)
    group.permissions.add(Permission.objects.get(codename="approve_refund"))
    group.permissions.add(Permission.objects.get(content_type__app_label="auth", codename="change_user"))
    group.permissions.remove(Permission.objects.get(codename="do_note"))
    Group.objects.get(name=Role.LEAD).delete()
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        call_command("sync_roles", "--check", "--json")
    assert ended.value.code == 3
    report = json.loads(capsys.readouterr().out)
    assert report["differences"] == [
        "Support lacks do_note.",
        "Support has approve_refund, which the table does not give.",
        "Support has auth.change_user, which the table does not give.",
        "The group Lead is missing.",
    ]
    call_command("sync_roles")
    call_command("sync_roles", "--check")


def test_groups_of_other_names_are_left_alone() -> None:
    other = Group.objects.create(name="Newsletter")
    other.permissions.add(Permission.objects.first())  # type: ignore[arg-type]
    role_groups.sync()
    assert other.permissions.count() == 1
    assert role_groups.drift() == []


def test_migrate_makes_missing_groups_and_leaves_drift_to_be_found() -> None:
    assert role_groups.drift() == [], "made by the migrate that made this database"
    Group.objects.get(name=Role.LEAD).delete()
    Group.objects.get(name=Role.SUPPORT).permissions.clear()
    assert role_groups.create_missing(using="default") == [Role.LEAD]
    found = role_groups.drift()
    assert found
    assert all(sentence.startswith("Support lacks ") for sentence in found)


def test_a_half_migrated_database_gets_no_half_groups() -> None:
    Group.objects.all().delete()
    Permission.objects.filter(codename="do_note").delete()
    assert role_groups.create_missing(using="default") == []
    assert not Group.objects.exists()
