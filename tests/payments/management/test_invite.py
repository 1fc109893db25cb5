"""manage.py invite: the first administrator's way in."""

from __future__ import annotations

import io
import json

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from payments.models import AuditRecord
from payments.people import mfa
from payments.roles import Role, roles_of
from tests.staff import enrol, make_staff

pytestmark = pytest.mark.django_db


def run(*line: str) -> str:
    out = io.StringIO()
    call_command("invite", *line, stdout=out)
    return out.getvalue()


def test_the_first_administrator_of_a_fresh_installation(client: Client) -> None:
    told = json.loads(run("ann", "--email", "ann@example.com", "--role", "Admin", "--json"))
    ann = get_user_model().objects.get(username="ann")
    assert (roles_of(ann), ann.is_superuser, ann.has_usable_password()) == ([Role.ADMIN], False, False)
    address = told["link"].removeprefix("http://127.0.0.1:8000")
    assert client.get(address, follow=True).status_code == 200
    assert {row.actor.partition(":")[0] for row in AuditRecord.objects.filter(event="invited")} == {"command"}


def test_again_takes_away_what_there_was() -> None:

    person = make_staff(Role.ADMIN, name="ann")
    enrol(person, at=timezone.now())
    person.is_active = False
    person.save()
    link, summary = run("ann", "--again").splitlines()
    assert link.startswith("http")
    assert "Hand it to ann alone" in summary
    person.refresh_from_db()
    assert person.is_active
    assert not person.has_usable_password()
    assert not mfa.is_enrolled(person)


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (("ann",), "Say who it is"),
        (("ann", "--role", "Admin"), "Say who it is"),
        (("root", "--email", "a@example.com", "--role", "Admin"), "There is an account root already"),
        (("nobody", "--again"), "no account nobody"),
    ],
)
def test_what_cannot_be_done_is_said(line: tuple[str, ...], sentence: str) -> None:
    make_staff(name="root")
    with pytest.raises(CommandError, match=sentence) as refused:
        run(*line)
    assert refused.value.returncode == 2
