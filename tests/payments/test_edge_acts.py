"""Acts at the edge: replays with their canary, pauses, receivers, integration keys. Rows only; workers send."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import transaction

from integrations import credentials, outbox
from integrations.models import Breaker, Credential, Delivery, DeliveryAttempt, DeliveryReplay, Destination
from payments import actions, approvals, staff_operations
from payments.dead_letter_acts import DeadLettersForm
from payments.models import StaffAction
from payments.models.action import ActionState
from payments.roles import Role
from payments.staff_operations import NotPossible
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)
WHY = "The receiver says that it is mended."


@pytest.fixture
def receiver(now: datetime) -> Destination:
    return Destination.objects.create(
        name="ERP", kind="webhook", address="https://erp.example/in", idempotent=True, created_at=now,
        facts=["case.opened"],
    )  # fmt: skip


def dead_letters(receiver: Destination, count: int, *, now: datetime) -> list[int]:
    """Let so many facts die at the receiver of the same error."""
    with transaction.atomic():
        for number in range(count):
            outbox.record("case.opened", subject_kind="case", subject_id=number + 1, payload={}, now=now)
    letters = Delivery.objects.filter(destination=receiver, state="queued")
    letters.update(state="sending", tries=1)
    letters = Delivery.objects.filter(destination=receiver, state="sending")
    letters.update(
        state="dead", died_at=now, dead_reason="permanent", last_failure="permanent", error_fingerprint="f" * 16
    )
    return list(Delivery.objects.filter(state="dead").order_by("pk").values_list("pk", flat=True))


def cleaned(**chosen: Any) -> dict[str, Any]:
    form = DeadLettersForm(chosen)
    assert form.is_valid(), form.errors
    return dict(form.cleaned_data)


def ask(
    user: Any, name: str, *, now: datetime, subject_id: int = 0, parameters: dict[str, Any] | None = None
) -> StaffAction:
    operation, parameters = staff_operations.get(name), parameters or {}
    return actions.request(
        uid=uuid.uuid4(), operation=operation, subject_id=subject_id, parameters=parameters,
        fingerprint=operation.preview(subject_id, parameters, at=now).fingerprint,
        reason_code=next(iter(operation.reasons)), reason=WHY, user=user, via="admin", clock=lambda: now,
    )  # fmt: skip


def deliver(delivery: Delivery, *, now: datetime, outcome: str = "delivered") -> None:
    """Let a worker try it once."""
    delivery.refresh_from_db()
    Delivery.objects.filter(pk=delivery.pk).update(state="sending", tries=delivery.tries + 1)
    DeliveryAttempt.objects.create(
        delivery=delivery, number=delivery.tries + 1, started_at=now, finished_at=now, outcome=outcome
    )
    if outcome == "delivered":
        Delivery.objects.filter(pk=delivery.pk).update(state="delivered", delivered_at=now)
    else:
        Delivery.objects.filter(pk=delivery.pk).update(state="dead", died_at=now, dead_reason="permanent")


class TestReplay:
    def test_the_canary_goes_first_and_all_that_are_alike_after_it(self, receiver: Destination, now: datetime) -> None:
        dead_letters(receiver, 5, now=now)
        chosen = cleaned(destination=receiver.pk, error="f" * 16)
        person = make_staff(Role.INTEGRATIONS)
        with pytest.raises(NotPossible, match="Replay one of them first"):
            ask(person, "replay_dead_letters", now=now, parameters=chosen)
        canary = ask(person, "replay_canary", now=now, parameters=chosen)
        assert canary.state == ActionState.EXECUTED
        assert Delivery.objects.filter(state="queued").count() == 1
        with pytest.raises(NotPossible, match="has not arrived: waiting"):
            ask(person, "replay_dead_letters", now=now, parameters=chosen)
        deliver(Delivery.objects.get(state="queued"), now=now)
        done = ask(person, "replay_dead_letters", now=now, parameters=chosen)
        assert (done.state, done.result) == (ActionState.EXECUTED, {"queued": 4})
        assert Delivery.objects.filter(state="queued").count() == 4
        assert set(DeliveryReplay.objects.values_list("actor", "reason")) == {(f"user:{person.pk}", WHY)}

    def test_a_canary_that_fails_holds_the_others_back(self, receiver: Destination, now: datetime) -> None:
        dead_letters(receiver, 3, now=now)
        chosen = cleaned(destination=receiver.pk)
        person = make_staff(Role.INTEGRATIONS)
        ask(person, "replay_canary", now=now, parameters=chosen)
        deliver(Delivery.objects.get(state="queued"), now=now, outcome="failed")
        with pytest.raises(NotPossible, match="has not arrived: failed"):
            ask(person, "replay_dead_letters", now=now, parameters=chosen)

    def test_the_canary_of_another_set_counts_for_nothing(self, receiver: Destination, now: datetime) -> None:
        dead_letters(receiver, 3, now=now)
        person = make_staff(Role.INTEGRATIONS)
        ask(person, "replay_canary", now=now, parameters=cleaned(destination=receiver.pk))
        deliver(Delivery.objects.get(state="queued"), now=now)
        with pytest.raises(NotPossible, match="Replay one of them first"):
            ask(person, "replay_dead_letters", now=now, parameters=cleaned())

    def test_one_alone_needs_no_canary(self, receiver: Destination, now: datetime) -> None:
        ids = dead_letters(receiver, 3, now=now)
        done = ask(make_staff(Role.INTEGRATIONS), "replay_dead_letters", now=now, parameters=cleaned(ids=str(ids[1])))
        assert done.result == {"queued": 1}
        assert Delivery.objects.get(state="queued").pk == ids[1]

    def test_above_fifty_a_lead_must_agree(self, receiver: Destination, now: datetime) -> None:
        dead_letters(receiver, 52, now=now)
        chosen = cleaned(destination=receiver.pk)
        person = make_staff(Role.INTEGRATIONS)
        ask(person, "replay_canary", now=now, parameters=chosen)
        deliver(Delivery.objects.get(state="queued"), now=now)
        asked = ask(person, "replay_dead_letters", now=now, parameters=chosen)
        assert asked.state == ActionState.REQUESTED
        with pytest.raises(PermissionDenied):
            approvals.decide(
                action_id=asked.pk, approve=True, note="", user=make_staff(Role.FINANCE), clock=lambda: now
            )
        done = approvals.decide(
            action_id=asked.pk, approve=True, note="", user=make_staff(Role.LEAD), clock=lambda: now
        )
        assert done.result == {"queued": 51}

    def test_letters_that_died_since_the_preview_are_not_swept_along(
        self, receiver: Destination, now: datetime
    ) -> None:
        dead_letters(receiver, 52, now=now)
        chosen = cleaned(destination=receiver.pk)
        person = make_staff(Role.INTEGRATIONS)
        ask(person, "replay_canary", now=now, parameters=chosen)
        deliver(Delivery.objects.get(state="queued"), now=now)
        asked = ask(person, "replay_dead_letters", now=now, parameters=chosen)
        dead_letters(receiver, 1, now=now)
        done = approvals.decide(
            action_id=asked.pk, approve=True, note="", user=make_staff(Role.LEAD), clock=lambda: now
        )
        assert done.state == ActionState.OVERTAKEN
        assert not Delivery.objects.filter(state="queued").exists()

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.LEAD, Role.FINANCE, Role.AUDITOR, Role.ADMIN])
    def test_who_may_not(self, receiver: Destination, role: Role, now: datetime) -> None:
        dead_letters(receiver, 1, now=now)
        with pytest.raises(PermissionDenied):
            ask(make_staff(role), "replay_canary", now=now, parameters=cleaned())
        assert not DeliveryReplay.objects.exists()

    @pytest.mark.parametrize("ids", ["x", "1;2", "-1", "9" * 30, "1,,x"])
    def test_ids_that_are_none(self, ids: str) -> None:
        assert not DeadLettersForm({"ids": ids}).is_valid()


class TestPausing:
    def test_a_receiver_is_paused_and_resumed(self, receiver: Destination, now: datetime) -> None:
        person = make_staff(Role.INTEGRATIONS)
        assert ask(person, "pause_receiver", now=now, subject_id=receiver.pk).state == ActionState.EXECUTED
        row = Breaker.objects.get(destination=receiver)
        assert (row.state, row.actor, row.reason) == ("paused", f"user:{person.pk}", WHY)
        with pytest.raises(NotPossible, match="paused already"):
            ask(person, "pause_receiver", now=now, subject_id=receiver.pk)
        ask(person, "resume_receiver", now=now, subject_id=receiver.pk)
        assert Breaker.objects.get(destination=receiver).state == "closed"

    def test_a_provider_is_paused(self, now: datetime, settings: Any) -> None:
        settings.PAYMENTS_PROVIDERS = ("stripe",)
        person = make_staff(Role.INTEGRATIONS)
        preview = staff_operations.get("pause_provider").preview(0, {"provider": "stripe"}, at=now)
        assert preview.warnings == ("It is the only provider: nobody can pay until it is resumed.",)
        ask(person, "pause_provider", now=now, parameters={"provider": "stripe"})
        assert Breaker.objects.get(provider="stripe").state == "paused"
        ask(person, "resume_provider", now=now, parameters={"provider": "stripe"})
        assert Breaker.objects.get(provider="stripe").state == "closed"

    def test_a_receiver_is_disabled_and_enabled_with_what_it_missed(self, receiver: Destination, now: datetime) -> None:
        person = make_staff(Role.INTEGRATIONS)
        ask(person, "disable_receiver", now=now, subject_id=receiver.pk)
        later = now + timedelta(minutes=5)
        with transaction.atomic():
            outbox.record("case.opened", subject_kind="case", subject_id=1, payload={}, now=later)
        assert not Delivery.objects.exists()
        done = ask(person, "enable_receiver", now=later, subject_id=receiver.pk, parameters={"catch_up": True})
        assert done.result == {"queued": 1}
        assert Delivery.objects.count() == 1

    def test_a_receiver_is_enabled_however_much_happens_meanwhile(self, receiver: Destination, now: datetime) -> None:
        """In a shop that sells, one more fact is missed between preview and confirmation."""
        ask(make_staff(Role.INTEGRATIONS), "disable_receiver", now=now, subject_id=receiver.pk)
        operation = staff_operations.get("enable_receiver")
        seen = operation.preview(receiver.pk, {"catch_up": True}, at=now)
        with transaction.atomic():
            outbox.record("case.opened", subject_kind="case", subject_id=1, payload={}, now=now)
        again = operation.preview(receiver.pk, {"catch_up": True}, at=now)
        assert again.fingerprint == seen.fingerprint
        assert again.warnings == ("Facts it has missed so far: 1.",)

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.LEAD, Role.FINANCE, Role.AUDITOR, Role.ADMIN])
    def test_who_may_not(self, receiver: Destination, role: Role, now: datetime) -> None:
        with pytest.raises(PermissionDenied):
            ask(make_staff(role), "pause_receiver", now=now, subject_id=receiver.pk)
        assert not Breaker.objects.exists()


RECEIVER = {
    "name": "CRM", "kind": "webhook", "address": "https://crm.example/in", "lookup_address": "", "idempotent": True,
    "ordered": False, "facts": ["order.paid"], "owner": "Sales systems", "public_key": "", "options": {},
}  # fmt: skip


class TestReceivers:
    def test_asked_for_by_integrations_approved_by_an_administrator(self, now: datetime) -> None:
        asked = ask(make_staff(Role.INTEGRATIONS), "set_up_receiver", now=now, parameters=RECEIVER)
        assert asked.state == ActionState.REQUESTED
        approvals.decide(action_id=asked.pk, approve=True, note="", user=make_staff(Role.ADMIN), clock=lambda: now)
        assert Destination.objects.get().facts == ["order.paid"]

    @pytest.mark.parametrize(
        "wrong",
        [{"address": "http://crm.example/in"}, {"address": ""}, {"facts": ["order.lost"]}, {"idempotent": False}],
    )
    def test_what_nothing_could_be_sent_with_is_refused(self, wrong: dict[str, Any], now: datetime) -> None:
        with pytest.raises(NotPossible):
            staff_operations.get("set_up_receiver").preview(0, {**RECEIVER, **wrong}, at=now)

    def test_a_change_shows_what_changes(self, receiver: Destination, now: datetime) -> None:
        told = staff_operations.get("change_receiver").parameters_for(receiver.pk) | {"options": {}, "owner": "Ops"}
        preview = staff_operations.get("change_receiver").preview(receiver.pk, told, at=now)
        assert [(change.what, change.before, change.after) for change in preview.changes] == [("owner", "–", "Ops")]

    def test_a_staged_secret_signs_once_approved_and_the_one_before_for_the_overlap(
        self, receiver: Destination, now: datetime
    ) -> None:
        receiver.set_signing_secrets(["whsec_old"])
        receiver.stage_secret("whsec_new")
        receiver.save()
        assert receiver.signing_secrets(now=now) == ("whsec_old",)
        asked = ask(
            make_staff(Role.INTEGRATIONS), "activate_receiver_secret", now=now, subject_id=receiver.pk,
            parameters={"overlap_hours": 1},
        )  # fmt: skip
        approvals.decide(action_id=asked.pk, approve=True, note="", user=make_staff(Role.ADMIN), clock=lambda: now)
        receiver.refresh_from_db()
        assert receiver.signing_secrets(now=now) == ("whsec_new", "whsec_old")
        assert receiver.signing_secrets(now=now + timedelta(hours=1)) == ("whsec_new",)
        assert receiver.staged_secret_sealed is None

    def test_an_approval_is_for_the_secret_it_was_asked_for(self, receiver: Destination, now: datetime) -> None:
        receiver.stage_secret("whsec_one")
        receiver.save()
        asked = ask(
            make_staff(Role.INTEGRATIONS), "activate_receiver_secret", now=now, subject_id=receiver.pk,
            parameters={"overlap_hours": 0},
        )  # fmt: skip
        receiver.stage_secret("whsec_other")
        receiver.save()
        done = approvals.decide(
            action_id=asked.pk, approve=True, note="", user=make_staff(Role.ADMIN), clock=lambda: now
        )
        assert done.state == ActionState.OVERTAKEN


class TestKeys:
    def stage(self, now: datetime, value: str = "sk_test_" + "a" * 24) -> Credential:
        return credentials.stage(
            provider="stripe", name="api_key", value=value, owner="Payments", actor="user:1",
            reason="Planned rotation.",
            at=now,
        )  # fmt: skip

    def test_staged_activated_by_two_and_revoked(self, now: datetime) -> None:
        key, person = self.stage(now), make_staff(Role.INTEGRATIONS)
        asked = ask(person, "activate_key", now=now, subject_id=key.pk, parameters={"overlap_hours": 24})
        assert asked.state == ActionState.REQUESTED
        assert "aaaa" not in str(asked.parameters) + str(asked.preview)
        approvals.decide(action_id=asked.pk, approve=True, note="", user=make_staff(Role.ADMIN), clock=lambda: now)
        key.refresh_from_db()
        assert key.active_from == now
        with pytest.raises(NotPossible, match="does not wait"):
            ask(person, "activate_key", now=now, subject_id=key.pk, parameters={"overlap_hours": 24})
        asked = ask(person, "revoke_key", now=now, subject_id=key.pk)
        approvals.decide(action_id=asked.pk, approve=True, note="", user=make_staff(Role.ADMIN), clock=lambda: now)
        key.refresh_from_db()
        assert (key.revoked_at, key.value_sealed) == (now, None)

    @pytest.mark.parametrize("role", [Role.SUPPORT, Role.LEAD, Role.FINANCE, Role.AUDITOR, Role.ADMIN])
    def test_who_may_not_ask(self, role: Role, now: datetime) -> None:
        key = self.stage(now)
        with pytest.raises(PermissionDenied):
            ask(make_staff(role), "revoke_key", now=now, subject_id=key.pk)
