"""The first page: each role sees its own queue, cases, signals and charts, and nothing else."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.utils import timezone

from orders.money import Money
from payments.cases.opening import open_case
from payments.models import Case, ProviderEvent
from payments.models.case import CaseKind
from payments.roles import Role
from payments.states import EventState
from tests.staff import make_staff, sign_in

pytestmark = pytest.mark.django_db

MONEY, ALERT = "Paid more than once", "Events wait too long"


@pytest.fixture(autouse=True)
def trouble() -> None:
    """One case of money, and an event that has waited for an hour, which is an alert with its case."""
    at = timezone.now()
    told: dict[str, Any] = {"ours": "a", "theirs": "b", "suggested_fix": "c", "at": at}
    with transaction.atomic():
        for number in (1, 2):
            open_case(
                CaseKind.DOUBLE_PAYMENT, subject_kind="capture", subject_id=number, stake=Money(1050, "EUR"), **told
            )
        open_case(CaseKind.STALE_EVENTS, subject_kind="inbox", subject_id=0, **told)
    ProviderEvent.objects.create(
        provider="stripe", event_id="evt_1", type="t", mode="test", state=EventState.RECEIVED, body_sealed=b"",
        body_sha256="", provider_created_at=at, received_at=at - timedelta(hours=1),
    )  # fmt: skip


def home_of(*roles: Role) -> str:
    answer = sign_in(Client(), make_staff(*roles)).get("/admin/")
    assert answer.status_code == 200
    page = answer.content.decode()
    return page[page.index('class="home"') : page.index("<h2>Screens</h2>")]


@pytest.mark.parametrize(
    ("role", "signals", "money", "alerts"),
    [
        (Role.SUPPORT, True, False, True),
        (Role.LEAD, True, True, True),
        (Role.FINANCE, False, True, False),
        (Role.INTEGRATIONS, True, False, True),
        (Role.AUDITOR, True, True, True),
        (Role.ADMIN, False, False, False),
    ],
)
def test_each_role_sees_what_the_table_lets_it_see(role: Role, signals: bool, money: bool, alerts: bool) -> None:
    home = home_of(role)
    assert ('id="home-signals"' in home) is signals
    assert (MONEY in home) is money
    assert (ALERT in home) is alerts
    assert ('id="home-cases"' in home) is (money or alerts)


def test_an_alert_leads_to_its_runbook_and_to_its_rows() -> None:
    home = home_of(Role.INTEGRATIONS)
    assert 'href="/admin/runbooks/stale-events/"' in home
    assert 'href="/admin/payments/providerevent/?state__exact=received"' in home


def test_open_cases_by_kind_with_the_money_at_stake() -> None:
    assert re.search(r"Paid more than once</a>: 2; at stake 21\.00 EUR", home_of(Role.FINANCE))


def test_ones_own_cases_come_first_and_others_not_at_all() -> None:
    mine, theirs = make_staff(Role.FINANCE), make_staff(Role.FINANCE)
    first, second = Case.objects.filter(kind=CaseKind.DOUBLE_PAYMENT).order_by("pk")
    first.owner, second.owner = theirs, mine
    first.save()
    second.save()
    page = sign_in(Client(), mine).get("/admin/").content.decode()
    assert f"Case {second.pk}: " in page
    assert f"Case {first.pk}: " not in page
