"""The pages of cases: worked by Finance, read by who may, with one history."""

from __future__ import annotations

import uuid
from datetime import datetime

import pytest
from django.db import DatabaseError, transaction
from django.urls import reverse

from orders.models import Order
from payments.cases.opening import open_case
from payments.models import Case, CaseNote
from payments.models.case import CaseKind
from payments.roles import Role
from tests.backoffice.people import client_of, signed_in
from tests.staff import make_staff

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("recent_step_up")]


@pytest.fixture
def case(order: Order, now: datetime) -> Case:
    with transaction.atomic():
        return open_case(
            CaseKind.AMOUNT_MISMATCH, subject_kind="order", subject_id=order.pk, order=order, stake=order.total,
            ours="We asked for 20.00 EUR.", theirs="stripe says <script>alert(1)</script>", suggested_fix="Return it.",
            at=now,
        )  # fmt: skip


def url(case: Case) -> str:
    return reverse("admin:payments_case_change", args=[case.pk])


def test_the_page_sets_ours_against_theirs_as_text(case: Case) -> None:
    shown = signed_in(Role.FINANCE).get(url(case)).content.decode()
    assert "We asked for 20.00 EUR." in shown
    assert "<script>alert" not in shown
    assert "20.00 EUR" in shown
    assert "Close the case…" in shown


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.INTEGRATIONS, Role.ADMIN])
def test_who_may_not_see_cases(case: Case, role: Role) -> None:
    client = signed_in(role)
    seen = client.get(url(case))
    # Whoever sees cases of messages is told that there is no such case among theirs.
    assert seen.status_code == (403 if role is Role.ADMIN else 302)
    assert client.post(reverse("backoffice:take_case", args=[case.pk])).status_code == 403
    noted = client.post(reverse("backoffice:note_case", args=[case.pk]), {"uid": uuid.uuid4(), "text": "x"})
    assert noted.status_code == 403
    assert not CaseNote.objects.exists()


def test_an_alert_is_worked_on_by_integrations_and_not_by_finance(now: datetime) -> None:
    with transaction.atomic():
        alert = open_case(
            CaseKind.STALE_EVENTS, subject_kind="inbox", subject_id=0, ours="a", theirs="b", suggested_fix="c", at=now
        )
    on_call, finance = signed_in(Role.INTEGRATIONS), signed_in(Role.FINANCE)
    shown = on_call.get(url(alert)).content.decode()
    assert "/admin/runbooks/stale-events/" in shown
    assert reverse("backoffice:act", args=["close_alert", alert.pk]) in shown
    assert on_call.post(reverse("backoffice:take_case", args=[alert.pk])).status_code == 302
    alert.refresh_from_db()
    assert alert.owner is not None
    assert finance.get(url(alert)).status_code == 302
    assert finance.post(reverse("backoffice:take_case", args=[alert.pk])).status_code == 403
    for act in ("close_case", "close_alert"):
        refused = finance.post(
            reverse("backoffice:act", args=[act, alert.pk]), {"stage": "preview", "resolution": "mended"}
        )
        assert refused.status_code in (403, 409), act


def test_nobody_sees_the_other_areas_cases_in_the_list(case: Case, now: datetime) -> None:
    with transaction.atomic():
        open_case(
            CaseKind.STALE_EVENTS, subject_kind="inbox", subject_id=0, ours="a", theirs="b", suggested_fix="c", at=now
        )
    kinds = {
        role: {row.kind for row in signed_in(role).get("/admin/payments/case/").context["cl"].result_list}
        for role in (Role.FINANCE, Role.INTEGRATIONS, Role.SUPPORT, Role.LEAD)
    }
    assert kinds == {
        Role.FINANCE: {case.kind},
        Role.INTEGRATIONS: {CaseKind.STALE_EVENTS},
        Role.SUPPORT: {CaseKind.STALE_EVENTS},
        Role.LEAD: {case.kind, CaseKind.STALE_EVENTS},
    }


@pytest.mark.parametrize("role", [Role.LEAD, Role.AUDITOR])
def test_who_may_only_read(case: Case, role: Role) -> None:
    client = signed_in(role)
    shown = client.get(url(case)).content.decode()
    assert "Take it on" not in shown
    assert "Your roles do not let you close the case. Finance can." in shown
    assert client.post(reverse("backoffice:take_case", args=[case.pk])).status_code == 403


def test_taken_noted_once_and_closed(case: Case) -> None:
    person = make_staff(Role.FINANCE)
    client = client_of(person)
    client.post(reverse("backoffice:take_case", args=[case.pk]))
    form = {"uid": uuid.uuid4(), "text": "Rang the bank. Card 4242 4242 4242 4242."}
    for _ in range(2):
        client.post(reverse("backoffice:note_case", args=[case.pk]), form)
    note = CaseNote.objects.get()
    assert "4242 4242" not in note.text
    case.refresh_from_db()
    assert case.owner == person
    assert "Rang the bank." in client.get(url(case)).content.decode()
    with pytest.raises(DatabaseError), transaction.atomic():
        CaseNote.objects.all().delete()


def test_a_closed_case_is_taken_by_nobody(case: Case, now: datetime) -> None:
    from payments.cases.opening import close_case
    from payments.models.case import Resolution

    close_case(case, resolution=Resolution.NO_ERROR, at=now)
    client = signed_in(Role.FINANCE)
    shown = client.post(reverse("backoffice:take_case", args=[case.pk]), follow=True).content.decode()
    assert "This case is closed already." in shown
    assert "This case is closed already." in client.get(url(case)).content.decode()


@pytest.mark.parametrize("query", ["", "?money=yes", "?money=no", "?kind=amount_mismatch", "?q=1"])
def test_the_list_filters(case: Case, query: str) -> None:
    answer = signed_in(Role.AUDITOR).get(reverse("admin:payments_case_changelist") + query)
    assert answer.status_code == 200
