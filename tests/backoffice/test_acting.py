"""The pages of a dangerous act, by Django's test client: what is shown, what is refused, what a refresh does."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from django.test import Client
from django.urls import reverse

from integrations.models import Destination
from orders.models import Order
from payments import staff_operations
from payments.backoffice import step_up
from payments.backoffice.acting import ConfirmForm
from payments.models import StaffAction
from payments.models.action import ActionState
from payments.roles import Role
from tests.backoffice.people import signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("recent_step_up")]


def url_of(order: Order, name: str = "cancel_unpaid_order") -> str:
    return reverse("backoffice:act", args=[name, order.pk])


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found, f"no hidden {name}"
    return found[1]


def confirmation(client: Client, order: Order, name: str = "cancel_unpaid_order", **more: str) -> dict[str, str]:
    """Open the preview, and return the form a person would send."""
    page = client.get(url_of(order, name)).content.decode()
    return {
        "stage": "confirm",
        "uid": hidden(page, "uid"),
        "fingerprint": hidden(page, "fingerprint"),
        "reason_code": "customer_asked",
        "reason": "The customer rang and asked for it.",
        **more,
    }


def test_the_preview_says_what_changes_and_that_a_second_person_decides(order: Order) -> None:
    page = signed_in(Role.LEAD).get(url_of(order)).content.decode()
    assert f"Order {order.number} over 20.00 EUR is cancelled" in page
    assert "A second person decides." in page
    assert "order.cancelled" in page
    assert not StaffAction.objects.exists()


def test_requested_by_one_approved_by_another(order: Order) -> None:
    lead, finance = signed_in(Role.LEAD), signed_in(Role.FINANCE)
    answer = lead.post(url_of(order), confirmation(lead, order))
    action = StaffAction.objects.get()
    assert answer.url == action.get_absolute_url()  # type: ignore[attr-defined]
    own = lead.get(action.get_absolute_url()).content.decode()
    assert "You asked for this yourself" in own
    assert 'value="approve"' not in own
    page = finance.get(action.get_absolute_url()).content.decode()
    assert 'value="approve"' in page
    decided = finance.post(
        reverse("backoffice:decide", args=[action.pk]), {"decision": "approve", "note": "Fine."}, follow=True
    )
    assert "Executed: done as the preview said." in decided.content.decode()
    order.refresh_from_db(fields=["paid_at"])
    assert Order.objects.values_list("state", flat=True).get(pk=order.pk) == "cancelled"


def test_sent_again_it_shows_the_same_result(order: Order) -> None:
    lead = signed_in(Role.LEAD)
    form = confirmation(lead, order)
    first, second = lead.post(url_of(order), form), lead.post(url_of(order), form)
    assert first.url == second.url  # type: ignore[attr-defined]
    assert StaffAction.objects.count() == 1


def test_sent_again_after_it_was_done_it_shows_what_was_done(order: Order) -> None:
    lead, finance = signed_in(Role.LEAD), signed_in(Role.FINANCE)
    form = confirmation(lead, order)
    lead.post(url_of(order), form)
    action = StaffAction.objects.get()
    finance.post(reverse("backoffice:decide", args=[action.pk]), {"decision": "approve"})
    again = lead.post(url_of(order), form)
    assert again.status_code == 302
    assert again.url == action.get_absolute_url()  # type: ignore[attr-defined]


@pytest.mark.parametrize("missing", ["reason", "reason_code", "uid", "fingerprint"])
def test_an_incomplete_form_does_nothing(order: Order, missing: str) -> None:
    lead = signed_in(Role.LEAD)
    answer = lead.post(url_of(order), confirmation(lead, order, **{missing: ""}))
    assert answer.status_code == 422
    assert not StaffAction.objects.exists()


def test_a_tampered_fingerprint_does_nothing(order: Order) -> None:
    lead = signed_in(Role.LEAD)
    answer = lead.post(url_of(order), confirmation(lead, order, fingerprint="0" * 64))
    assert answer.status_code == 409
    assert "Something changed since you looked" in answer.content.decode()
    assert not StaffAction.objects.exists()


def test_without_step_up_nothing_happens(order: Order, recent_step_up: dict[str, bool]) -> None:
    lead = signed_in(Role.LEAD)
    form = confirmation(lead, order)
    recent_step_up["recent"] = False
    answer = lead.post(url_of(order), form)
    assert answer.status_code == 422
    assert "Show that it is you" in answer.content.decode()
    assert not StaffAction.objects.exists()


def test_without_step_up_nobody_decides(order: Order, recent_step_up: dict[str, bool]) -> None:
    lead, finance = signed_in(Role.LEAD), signed_in(Role.FINANCE)
    lead.post(url_of(order), confirmation(lead, order))
    recent_step_up["recent"] = False
    finance.post(reverse("backoffice:decide", args=[StaffAction.objects.get().pk]), {"decision": "approve"})
    assert StaffAction.objects.get().state == ActionState.REQUESTED


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE, Role.INTEGRATIONS, Role.AUDITOR, Role.ADMIN])
def test_who_may_not_ask_sees_no_preview(order: Order, role: Role) -> None:
    client = signed_in(role)
    assert client.get(url_of(order)).status_code == 403
    assert client.post(url_of(order), {"stage": "confirm"}).status_code == 403


def test_a_stranger_is_sent_to_sign_in(order: Order) -> None:
    answer = Client().get(url_of(order))
    assert answer.status_code == 302
    assert "/login/" in answer.url  # type: ignore[attr-defined]


def test_no_such_act_and_no_such_order(order: Order) -> None:
    lead = signed_in(Role.LEAD)
    assert lead.get(reverse("backoffice:act", args=["set_status", order.pk])).status_code == 404
    answer = lead.get(reverse("backoffice:act", args=["cancel_unpaid_order", 999999]))
    assert (answer.status_code, "There is no order 999999." in answer.content.decode()) == (200, True)


def test_an_act_with_a_form_asks_first_then_previews(order: Order) -> None:
    lead = signed_in(Role.LEAD)
    url = url_of(order, "accept_offline_payment")
    assert 'name="evidence"' in lead.get(url).content.decode()
    told = {"method": "cash", "amount": "20.00", "received_on": "2026-11-20", "evidence": "Till roll 12"}
    incomplete = lead.post(url, {"stage": "preview", **told, "evidence": ""})
    assert "This field is required" in incomplete.content.decode()
    page = lead.post(url, {"stage": "preview", **told}).content.decode()
    assert "Till roll 12" in page
    form = {
        "stage": "confirm", **told, "uid": hidden(page, "uid"), "fingerprint": hidden(page, "fingerprint"),
        "reason_code": "at_the_counter", "reason": "Paid in cash this morning.",
    }  # fmt: skip
    assert lead.post(url, {**form, "evidence": "Another one"}).status_code == 409  # not what was previewed
    assert lead.post(url, form).status_code == 302
    assert StaffAction.objects.get().parameters["evidence"] == "Till roll 12"


def test_hostile_text_is_shown_as_text(order: Order) -> None:
    lead = signed_in(Role.LEAD)
    hostile = "<script>alert(1)</script> is what they wrote"
    lead.post(url_of(order), confirmation(lead, order, reason=hostile))
    page = lead.get(StaffAction.objects.get().get_absolute_url()).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_requester_takes_it_back(order: Order) -> None:
    lead = signed_in(Role.LEAD)
    lead.post(url_of(order), confirmation(lead, order))
    lead.post(reverse("backoffice:withdraw", args=[StaffAction.objects.get().pk]))
    assert StaffAction.objects.get().state == ActionState.WITHDRAWN


def test_the_list_shows_a_person_what_concerns_them(order: Order) -> None:
    lead = signed_in(Role.LEAD)
    lead.post(url_of(order), confirmation(lead, order))
    url = reverse("admin:payments_staffaction_changelist")
    for role, sees in ((Role.FINANCE, True), (Role.AUDITOR, True), (Role.ADMIN, True), (Role.SUPPORT, False)):
        page = signed_in(role).get(url)
        assert page.status_code == 200
        assert ("Cancel unpaid order" in page.content.decode()) == sees, role
    page = signed_in(Role.SUPPORT).get(StaffAction.objects.get().get_absolute_url())
    assert page.status_code in (302, 403)


def test_no_form_of_an_act_uses_a_name_of_the_confirmation() -> None:
    """Both stand in one form; two fields of one name would let the last one win."""
    taken = {*ConfirmForm.base_fields, *step_up.StepUpForm.base_fields, "stage", "csrfmiddlewaretoken"}
    for kind in staff_operations.all_operations():
        if kind.form_class is not None:
            assert not taken & set(kind.form_class.base_fields), kind.name


def test_an_act_with_a_form_by_hand_is_previewed_and_confirmed_alike(order: Order, now: datetime) -> None:
    """What the confirmation sends on is what was previewed, field by field."""
    from tests.payments.test_edge_acts import dead_letters

    receiver = Destination.objects.create(
        name="ERP", kind="webhook", address="https://erp.example/in", idempotent=True, created_at=now,
        facts=["case.opened"],
    )  # fmt: skip
    dead_letters(receiver, 2, now=now)
    client, url = signed_in(Role.INTEGRATIONS), reverse("backoffice:act", args=["replay_canary", 0])
    chosen = {"destination": str(receiver.pk), "fact": "", "error": "f" * 16, "ids": ""}
    page = client.post(url, {"stage": "preview", **chosen}).content.decode()
    sent = {name: hidden(page, name) for name in ("destination", "error", "uid", "fingerprint")}
    form = {**sent, "stage": "confirm", "reason_code": "try_out", "reason": "To see whether it works."}
    assert client.post(url, form).status_code == 302
    assert StaffAction.objects.get().state == ActionState.EXECUTED
