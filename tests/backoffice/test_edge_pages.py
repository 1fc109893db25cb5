"""Pages of what goes out, by Django's test client: dead letters, receivers and their secrets, integration keys."""

from __future__ import annotations

from datetime import datetime

import pytest
from django.urls import reverse

from integrations.models import Credential, Delivery, Destination
from payments.roles import Role
from tests.backoffice.people import signed_in
from tests.payments.test_edge_acts import dead_letters

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("recent_step_up")]


@pytest.fixture
def receiver(now: datetime) -> Destination:
    return Destination.objects.create(
        name="<b>ERP</b>", kind="webhook", address="https://erp.example/in", idempotent=True, created_at=now,
        facts=["case.opened"],
    )  # fmt: skip


def test_dead_letters_stand_together_by_what_they_died_of(receiver: Destination, now: datetime) -> None:
    dead_letters(receiver, 3, now=now)
    page = signed_in(Role.INTEGRATIONS).get(reverse("backoffice:dead_letters")).content.decode()
    assert "3 for &lt;b&gt;ERP&lt;/b&gt;" in page
    assert "Replay all 3…" in page
    assert "Replay one first…" in page
    page = signed_in(Role.SUPPORT).get(reverse("backoffice:dead_letters")).content.decode()
    assert "3 for" in page
    assert "Replay all" not in page


@pytest.mark.parametrize("role", [Role.FINANCE, Role.ADMIN])
def test_who_may_not_see_them(role: Role) -> None:
    assert signed_in(role).get(reverse("backoffice:dead_letters")).status_code == 403


def test_the_way_to_the_canary_is_filled_in(receiver: Destination, now: datetime) -> None:
    dead_letters(receiver, 2, now=now)
    url = reverse("backoffice:act", args=["replay_canary", 0]) + f"?destination={receiver.pk}&error={'f' * 16}"
    page = signed_in(Role.INTEGRATIONS).get(url).content.decode()
    assert f'value="{"f" * 16}"' in page
    assert f'<option value="{receiver.pk}" selected>' in page


def test_a_delivery_says_what_can_be_done(receiver: Destination, now: datetime) -> None:
    [first, _] = dead_letters(receiver, 2, now=now)
    page = signed_in(Role.INTEGRATIONS).get(reverse("admin:integrations_delivery_change", args=[first]))
    assert f"replay_dead_letters/0/?ids={first}" in page.content.decode()
    Delivery.objects.filter(pk=first).update(state="queued", died_at=None, dead_reason="")
    page = signed_in(Role.INTEGRATIONS).get(reverse("admin:integrations_delivery_change", args=[first]))
    assert "Only a dead letter is replayed." in page.content.decode()


def test_a_provider_is_paused_from_the_list_of_breakers_though_it_never_failed() -> None:
    url = reverse("admin:integrations_breaker_changelist")
    page = signed_in(Role.INTEGRATIONS).get(url).content.decode()
    for act in ("pause_provider", "resume_provider"):
        assert f'href="{reverse("backoffice:act", args=[act, 0])}"' in page
    page = signed_in(Role.SUPPORT).get(url).content.decode()
    assert "Pause a provider" in page
    assert "act/pause_provider" not in page


def test_a_secret_is_made_shown_once_and_staged(receiver: Destination, now: datetime) -> None:
    client = signed_in(Role.INTEGRATIONS)
    url = reverse("backoffice:stage_receiver_secret", args=[receiver.pk])
    answer = client.post(url, {"value": ""})
    page = answer.content.decode()
    made = page.partition("whsec_")[2].partition("<")[0]
    assert len(made) >= 40
    assert "no-store" in answer.headers["Cache-Control"]
    assert made not in client.get(url).content.decode()
    assert made not in client.get(reverse("admin:integrations_destination_change", args=[receiver.pk])).content.decode()
    receiver.refresh_from_db()
    assert receiver.staged_secret_sealed is not None
    assert receiver.secrets_sealed is None, "without effect until it is approved"


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.LEAD, Role.FINANCE, Role.AUDITOR, Role.ADMIN])
def test_who_may_stage_nothing(receiver: Destination, role: Role) -> None:
    client = signed_in(role)
    assert client.post(reverse("backoffice:stage_receiver_secret", args=[receiver.pk]), {}).status_code == 403
    assert client.post(reverse("backoffice:stage_key"), {}).status_code == 403
    receiver.refresh_from_db()
    assert receiver.staged_secret_sealed is None


def test_without_step_up_no_secret(receiver: Destination, recent_step_up: dict[str, bool]) -> None:
    recent_step_up["recent"] = False
    client = signed_in(Role.INTEGRATIONS)
    assert (
        "whsec_"
        not in client.post(
            reverse("backoffice:stage_receiver_secret", args=[receiver.pk]), {"value": ""}
        ).content.decode()
    )
    client.post(reverse("backoffice:stage_key"), {**KEY, "value": "sk_test_" + "b" * 24})
    assert not Credential.objects.exists()


KEY = {"what": "stripe api_key", "owner": "Payments", "scope": "payments", "reason": "Planned rotation."}


def test_a_key_is_taken_in_and_never_shown(now: datetime) -> None:
    client = signed_in(Role.INTEGRATIONS)
    value = "sk_test_" + "c" * 24
    answer = client.post(reverse("backoffice:stage_key"), {**KEY, "value": value}, follow=True)
    page = answer.content.decode()
    key = Credential.objects.get()
    assert key.fingerprint in page
    assert value not in page
    assert "Activate the key…" in page
    assert value not in client.get(reverse("admin:integrations_credential_changelist")).content.decode()


def test_a_key_of_the_other_mode_is_refused_without_repeating_it() -> None:
    value = "sk_live_" + "d" * 24
    page = signed_in(Role.INTEGRATIONS).post(reverse("backoffice:stage_key"), {**KEY, "value": value}).content.decode()
    assert not Credential.objects.exists()
    assert value not in page
    assert "errorlist" in page


def test_a_secret_its_kind_cannot_work_with_is_refused(receiver: Destination) -> None:
    client = signed_in(Role.INTEGRATIONS)
    page = client.post(
        reverse("backoffice:stage_receiver_secret", args=[receiver.pk]), {"value": "whsec_abc!de"}
    ).content.decode()
    assert "errorlist" in page
    assert "whsec_abc!de" not in page
    receiver.refresh_from_db()
    assert receiver.staged_secret_sealed is None
