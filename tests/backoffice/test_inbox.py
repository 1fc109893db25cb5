"""The inbox's pages: masked to who may see it, raw after a recorded reveal to who asked, for five minutes."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse

from integrations.contract import Mode, Notification, ProviderIds
from integrations.models.keys import DecryptionRecord
from payments import inbox
from payments.models import AuditRecord, ProviderEvent, StaffAction
from payments.roles import Role
from tests.backoffice.people import signed_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("recent_step_up")]

BODY = {
    "id": "evt_1",
    "type": "checkout.session.completed",
    "data": {"object": {"id": "cs_1", "customer_details": {"email": "ann@example.com", "name": "<b>Ann</b>"}}},
}


@pytest.fixture
def event(now: datetime) -> ProviderEvent:
    told = Notification(
        provider="stripe", event_id="evt_1", type="checkout.session.completed", mode=Mode.TEST, account="",
        created_at=now, object_ids=("cs_1",), ids=ProviderIds(page_id="cs_1"), reference="", relevant=True,
        api_version="2026-10-28.endive",
    )  # fmt: skip
    inbox.receive(told, body=json.dumps(BODY).encode(), at=now)
    return ProviderEvent.objects.get()


def page(client: Client, event: ProviderEvent) -> str:
    return client.get(reverse("admin:payments_providerevent_change", args=[event.pk])).content.decode()


def reveal(client: Client, event: ProviderEvent) -> Any:
    url = reverse("backoffice:act", args=["reveal_payload", event.pk])
    shown = client.get(url).content.decode()
    form = {name: re.search(rf'name="{name}" value="([^"]*)"', shown)[1] for name in ("uid", "fingerprint")}  # type: ignore[index]
    return client.post(
        url, {**form, "stage": "confirm", "reason_code": "defect", "reason": "Looking for a parsing defect."}
    )


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.LEAD, Role.INTEGRATIONS, Role.AUDITOR])
def test_the_page_shows_ids_and_states_and_no_person(event: ProviderEvent, role: Role) -> None:
    shown = page(signed_in(role), event)
    assert "cs_1" in shown
    assert "ann@example.com" not in shown
    assert "Ann" not in shown.replace("Annotations", "")


def test_each_masked_view_is_recorded(event: ProviderEvent) -> None:
    page(signed_in(Role.SUPPORT), event)
    record = DecryptionRecord.objects.get()
    assert record.purpose == "masked"
    assert record.actor.startswith("user:")


@pytest.mark.parametrize("role", [Role.FINANCE, Role.ADMIN])
def test_who_has_no_business_with_it_sees_no_inbox(event: ProviderEvent, role: Role) -> None:
    answer = signed_in(role).get(reverse("admin:payments_providerevent_change", args=[event.pk]))
    assert answer.status_code == 403


def test_revealed_to_who_asked_with_a_record_of_each_showing(event: ProviderEvent) -> None:
    client = signed_in(Role.INTEGRATIONS)
    reveal(client, event)
    action = StaffAction.objects.get()
    url = reverse("backoffice:payload", args=[action.pk])
    shown = client.get(url)
    assert "ann@example.com" in shown.content.decode()
    assert "<b>Ann</b>" not in shown.content.decode(), "shown as text"
    assert "no-store" in shown.headers["Cache-Control"]
    client.get(url)
    records = DecryptionRecord.objects.filter(purpose="reveal")
    assert [record.reason for record in records] == ["Looking for a parsing defect."] * 2
    assert AuditRecord.objects.filter(event="revealed", subject_kind="event", subject_id=event.pk).exists()


def test_after_five_minutes_it_is_gone(event: ProviderEvent) -> None:
    client = signed_in(Role.LEAD)
    reveal(client, event)
    url = reverse("backoffice:payload", args=[StaffAction.objects.get().pk])
    with time_machine.travel(StaffAction.objects.get().finished_at + timedelta(minutes=5)):  # type: ignore[operator]
        assert client.get(url).status_code == 302
    assert not DecryptionRecord.objects.filter(purpose="reveal").exists()


def test_nobody_sees_what_another_revealed(event: ProviderEvent) -> None:
    reveal(signed_in(Role.LEAD), event)
    url = reverse("backoffice:payload", args=[StaffAction.objects.get().pk])
    assert signed_in(Role.AUDITOR).get(url).status_code == 403


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE, Role.ADMIN])
def test_who_may_not_reveal_does_not(event: ProviderEvent, role: Role) -> None:
    client = signed_in(role)
    url = reverse("backoffice:act", args=["reveal_payload", event.pk])
    assert client.get(url).status_code == 403
    assert client.post(url, {"stage": "confirm"}).status_code == 403


def test_the_buttons_say_why_they_cannot_be_pressed(event: ProviderEvent) -> None:
    shown = page(signed_in(Role.SUPPORT), event)
    assert "Your roles do not let you reveal the raw payload. Lead and Integrations and Auditor can." in shown
    shown = page(signed_in(Role.INTEGRATIONS), event)
    assert "It is waiting to be processed already." in shown


@pytest.mark.parametrize("body", [b"\xff\xfe", b"{", b"[" * 100_000, b'"text"', b"NaN"])
def test_a_body_that_cannot_be_read_breaks_no_page(event: ProviderEvent, body: bytes) -> None:
    from integrations import encryption

    sealed = encryption.seal(body, table="payments_providerevent", column="body_sealed", row=event.uid)
    ProviderEvent.objects.update(body_sealed=sealed)
    assert "Payload, masked" in page(signed_in(Role.SUPPORT), event)


def test_the_list_opens(event: ProviderEvent) -> None:
    shown = signed_in(Role.AUDITOR).get(reverse("admin:payments_providerevent_changelist"))
    assert "evt_1" in shown.content.decode()
