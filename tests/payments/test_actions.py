"""Dangerous acts: done once, as previewed, by who may, with a second person where one is needed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction

from orders.models import Order
from orders.money import Money
from payments import actions, approvals, staff_operations
from payments.actions import BadReason
from payments.models import Approval, StaffAction
from payments.models.action import ActionState, Decision
from payments.roles import Area, Role
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation
from tests.factories import make_order
from tests.staff import make_staff

pytestmark = pytest.mark.django_db(transaction=True)

WHY = "The customer asked for it on the phone."


class Rename(StaffOperation):
    """Changes an order's e-mail address: a harmless act for tests."""

    name = "test_rename"
    label = "Rename"
    subject_kind = "order"
    area = Area.CORRECTION
    reasons: ClassVar[dict[str, str]] = {"asked": "The customer asked"}
    done: ClassVar[list[int]] = []
    afterwards: ClassVar[list[int]] = []
    refuse_execution = False

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        order = Order.objects.get(pk=subject_id)
        if order.email == parameters["email"]:
            raise NotPossible("It has that address already.")
        return Preview(
            summary=f"Order {order.number} gets another address.",
            changes=(Change(what="e-mail", before=order.email, after=parameters["email"]),),
            stake=Money(500, "EUR"),
            order_id=order.pk,
        )

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        Order.objects.select_for_update().get(pk=subject_id)

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        if self.refuse_execution:
            raise NotPossible("Not now.")
        Order.objects.filter(pk=action.subject_id).update(email=action.parameters["email"])
        self.done.append(action.pk)
        return {"email": action.parameters["email"]}

    def after(self, action: StaffAction, *, clock: Any) -> None:
        self.afterwards.append(action.pk)


class NoteDown(Rename):
    """The same in an area where a Lead may act alone."""

    name = "test_note_down"
    area = Area.NOTE


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    staff_operations.register(Rename)
    staff_operations.register(NoteDown)
    Rename.done.clear()
    Rename.afterwards.clear()
    yield
    for kind in (Rename, NoteDown):
        del staff_operations._registry[kind.name]


@pytest.fixture
def clock(now: datetime) -> Any:
    return lambda: now


@pytest.fixture
def order(now: datetime) -> Order:
    return make_order(now=now)


def ask(
    user: Any, order: Order, *, clock: Any, name: str = "test_rename", uid: uuid.UUID | None = None, **more: Any
) -> StaffAction:
    operation = staff_operations.get(name)
    parameters = {"email": "new@example.com"}
    asked: dict[str, Any] = {
        "uid": uid or uuid.uuid4(),
        "parameters": parameters,
        "fingerprint": operation.preview(order.pk, parameters, at=clock()).fingerprint,
        "reason_code": "asked",
        "reason": WHY,
        **more,
    }
    return actions.request(operation=operation, subject_id=order.pk, user=user, via="admin", clock=clock, **asked)


def fingerprint_of(name: str, order: Order, clock: Any) -> str:
    return staff_operations.get(name).preview(order.pk, {"email": "new@example.com"}, at=clock()).fingerprint


def email_of(order: Order) -> str:
    return Order.objects.values_list("email", flat=True).get(pk=order.pk)


def test_who_may_do_it_does_it_at_once(order: Order, clock: Any) -> None:
    action = ask(make_staff(Role.LEAD), order, clock=clock, name="test_note_down")
    assert (action.state, action.result) == (ActionState.EXECUTED, {"email": "new@example.com"})
    assert email_of(order) == "new@example.com"
    assert Rename.done == Rename.afterwards == [action.pk]
    assert not Approval.objects.exists()


def test_who_may_only_ask_waits_for_a_second_person(order: Order, clock: Any, now: datetime) -> None:
    lead, finance = make_staff(Role.LEAD), make_staff(Role.FINANCE)
    action = ask(lead, order, clock=clock)
    assert action.state == ActionState.REQUESTED
    assert action.approval.expires_at == now + timedelta(hours=24)
    assert email_of(order) == "shopper@example.com"
    action = approvals.decide(action_id=action.pk, approve=True, note="Checked.", user=finance, clock=clock)
    assert action.state == ActionState.EXECUTED
    assert email_of(order) == "new@example.com"
    approval = Approval.objects.get()
    assert (approval.decision, approval.decided_by) == (Decision.APPROVED, finance)


def test_nobody_approves_their_own(order: Order, clock: Any) -> None:
    both = make_staff(Role.LEAD, Role.FINANCE)
    action = ask(both, order, clock=clock)
    with pytest.raises(PermissionDenied, match="You asked for this yourself"):
        approvals.decide(action_id=action.pk, approve=True, note="", user=both, clock=clock)
    assert email_of(order) == "shopper@example.com"
    with pytest.raises(IntegrityError, match="approval_by_somebody_else"):  # and the database agrees
        Approval.objects.update(decision=Decision.APPROVED, decided_by=both, decided_at=clock())


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.LEAD, Role.INTEGRATIONS, Role.AUDITOR, Role.ADMIN])
def test_who_has_no_role_for_it_decides_nothing(role: Role, order: Order, clock: Any) -> None:
    action = ask(make_staff(Role.LEAD), order, clock=clock)
    with pytest.raises(PermissionDenied, match="Finance can"):
        approvals.decide(action_id=action.pk, approve=True, note="", user=make_staff(role), clock=clock)
    assert StaffAction.objects.get().state == ActionState.REQUESTED


@pytest.mark.parametrize("role", [Role.SUPPORT, Role.FINANCE, Role.INTEGRATIONS, Role.AUDITOR, Role.ADMIN])
def test_who_may_not_ask_leaves_no_row(role: Role, order: Order, clock: Any) -> None:
    with pytest.raises(PermissionDenied):
        ask(make_staff(role), order, clock=clock)
    assert not StaffAction.objects.exists()


def test_the_same_form_twice_is_one_act(order: Order, clock: Any) -> None:
    lead, uid = make_staff(Role.LEAD), uuid.uuid4()
    fingerprint = fingerprint_of("test_note_down", order, clock)
    once = ask(lead, order, clock=clock, name="test_note_down", uid=uid)
    operation = staff_operations.get("test_note_down")
    again = actions.request(
        uid=uid, operation=operation, subject_id=order.pk, parameters={"email": "new@example.com"},
        fingerprint=fingerprint, reason_code="asked", reason=WHY, user=lead, via="admin", clock=clock,
    )  # fmt: skip
    assert again.pk == once.pk
    assert again.state == ActionState.EXECUTED
    assert Rename.done == [once.pk]


def test_thirty_two_equal_forms_at_once_are_one_act(order: Order, clock: Any) -> None:
    lead, uid = make_staff(Role.LEAD), uuid.uuid4()
    fingerprint = fingerprint_of("test_note_down", order, clock)

    def send(_: int) -> str:
        try:
            return ask(lead, order, clock=clock, name="test_note_down", uid=uid, fingerprint=fingerprint).state
        except NotPossible:  # it was done before this one could even preview
            return ActionState.EXECUTED
        finally:
            connection.close()

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(send, range(32)))
    assert [action.state for action in StaffAction.objects.all()] == [ActionState.EXECUTED]
    assert len(Rename.done) == 1


def test_somebody_elses_uid_opens_nothing(order: Order, clock: Any) -> None:
    uid = uuid.uuid4()
    ask(make_staff(Role.LEAD), order, clock=clock, uid=uid)
    with pytest.raises(PermissionDenied, match="somebody else's"):
        ask(make_staff(Role.LEAD), order, clock=clock, uid=uid)


def test_what_changed_since_the_preview_is_not_done(order: Order, clock: Any) -> None:
    lead = make_staff(Role.LEAD)
    fingerprint = fingerprint_of("test_rename", order, clock)
    Order.objects.filter(pk=order.pk).update(email="other@example.com")
    with pytest.raises(NotPossible, match="Something changed since you looked"):
        ask(lead, order, clock=clock, fingerprint=fingerprint)
    assert not StaffAction.objects.exists()


def test_what_changed_before_the_approval_is_not_done(order: Order, clock: Any) -> None:
    action = ask(make_staff(Role.LEAD), order, clock=clock)
    Order.objects.filter(pk=order.pk).update(email="other@example.com")
    action = approvals.decide(action_id=action.pk, approve=True, note="", user=make_staff(Role.FINANCE), clock=clock)
    assert action.state == ActionState.OVERTAKEN
    assert action.result["now"]["changes"][0]["before"] == "other@example.com"
    assert email_of(order) == "other@example.com"
    assert not Rename.done and not Rename.afterwards


def test_a_refusal_does_nothing_and_is_final(order: Order, clock: Any) -> None:
    finance = make_staff(Role.FINANCE)
    action = ask(make_staff(Role.LEAD), order, clock=clock)
    action = approvals.decide(action_id=action.pk, approve=False, note="No evidence.", user=finance, clock=clock)
    assert action.state == ActionState.REFUSED
    with pytest.raises(NotPossible, match="nothing to decide"):
        approvals.decide(action_id=action.pk, approve=True, note="", user=finance, clock=clock)
    assert actions.execute(action.pk, clock=clock).state == ActionState.REFUSED
    assert email_of(order) == "shopper@example.com"


def test_a_request_expires_after_24_hours(order: Order, now: datetime) -> None:
    action = ask(make_staff(Role.LEAD), order, clock=lambda: now)
    late = now + timedelta(hours=24)
    with pytest.raises(NotPossible, match="has expired"):
        approvals.decide(action_id=action.pk, approve=True, note="", user=make_staff(Role.FINANCE), clock=lambda: late)
    assert approvals.has_expired(at=late)
    assert approvals.expire_undecided(at=late, most=10) == 1
    assert StaffAction.objects.get().state == ActionState.EXPIRED
    assert not approvals.has_expired(at=late)


def test_only_the_requester_takes_it_back(order: Order, now: datetime) -> None:
    lead = make_staff(Role.LEAD)
    action = ask(lead, order, clock=lambda: now)
    with pytest.raises(PermissionDenied):
        approvals.withdraw(action_id=action.pk, user=make_staff(Role.LEAD), at=now)
    assert approvals.withdraw(action_id=action.pk, user=lead, at=now).state == ActionState.WITHDRAWN


@pytest.mark.parametrize(("code", "reason"), [("other", WHY), ("asked", "short"), ("asked", " " * 30), ("", WHY)])
def test_no_act_without_a_reason(code: str, reason: str, order: Order, clock: Any) -> None:
    with pytest.raises(BadReason):
        ask(make_staff(Role.LEAD), order, clock=clock, reason_code=code, reason=reason)
    assert not StaffAction.objects.exists()


def test_told_that_it_is_not_possible_nobody_finds_it_done_later(
    order: Order, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NoteDown, "refuse_execution", True)
    with pytest.raises(NotPossible, match="Not now"):
        ask(make_staff(Role.LEAD), order, clock=lambda: now, name="test_note_down")
    monkeypatch.setattr(NoteDown, "refuse_execution", False)
    assert StaffAction.objects.get().state == ActionState.OVERTAKEN
    assert actions.resume(clock=lambda: now + timedelta(hours=1), most=10) == 0
    assert email_of(order) == "shopper@example.com"


def test_what_was_approved_and_could_not_be_done_is_done_by_the_keeper(
    order: Order, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Rename, "refuse_execution", True)
    action = ask(make_staff(Role.LEAD), order, clock=lambda: now)
    with pytest.raises(NotPossible, match="Not now"):
        approvals.decide(action_id=action.pk, approve=True, note="", user=make_staff(Role.FINANCE), clock=lambda: now)
    later = now + timedelta(minutes=2)
    assert actions.resume(clock=lambda: later, most=10) == 0
    assert not actions.any_unfinished(at=later), "it waits five minutes for its next try"
    monkeypatch.setattr(Rename, "refuse_execution", False)
    assert actions.resume(clock=lambda: later + timedelta(minutes=5), most=10) == 1
    assert email_of(order) == "new@example.com"


def test_an_act_that_breaks_down_stops_no_other(order: Order, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Rename, "refuse_execution", True)
    lead, finance = make_staff(Role.LEAD), make_staff(Role.FINANCE)
    broken, other = ask(lead, order, clock=lambda: now), ask(lead, make_order(now=now), clock=lambda: now)
    for action in (broken, other):
        with pytest.raises(NotPossible):
            approvals.decide(action_id=action.pk, approve=True, note="", user=finance, clock=lambda: now)
    monkeypatch.setattr(Rename, "refuse_execution", False)

    def breaks(self: Rename, subject_id: int, parameters: Parameters) -> None:
        if subject_id == order.pk:
            raise RuntimeError("a defect")

    monkeypatch.setattr(Rename, "lock", breaks)
    assert actions.resume(clock=lambda: now + timedelta(minutes=2), most=10) == 1
    states = dict(StaffAction.objects.values_list("pk", "state"))
    assert states == {broken.pk: ActionState.REQUESTED, other.pk: ActionState.EXECUTED}


def test_the_database_keeps_the_record(order: Order, clock: Any) -> None:
    action = ask(make_staff(Role.LEAD), order, clock=clock)
    changes: list[dict[str, Any]] = [
        {"state": "executed", "finished_at": clock()},
        {"reason": "another"},
        {"preview": {}},
    ]
    for change in changes:
        with pytest.raises(IntegrityError), transaction.atomic():
            StaffAction.objects.filter(pk=action.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        StaffAction.objects.all().delete()
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.update(requested_by=make_staff(Role.LEAD))
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.update(expires_at=clock() + timedelta(days=9))


@pytest.mark.parametrize("how", ["deactivated", "without the role"])
def test_what_somebody_asked_for_who_was_shut_out_since_is_not_done(order: Order, clock: Any, how: str) -> None:
    """A thief's request must not outlive the account that it was made with."""
    lead, finance = make_staff(Role.LEAD), make_staff(Role.FINANCE)
    action = ask(lead, order, clock=clock)
    shut_out(lead, how)
    action = approvals.decide(action_id=action.pk, approve=True, note="", user=finance, clock=clock)
    assert action.state == ActionState.OVERTAKEN
    assert "may not ask for it any more" in action.result["why"]
    assert email_of(order) == "shopper@example.com"


def test_what_somebody_agreed_to_who_was_shut_out_since_is_not_done(
    order: Order, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead, finance = make_staff(Role.LEAD), make_staff(Role.FINANCE)
    action = ask(lead, order, clock=lambda: now)
    monkeypatch.setattr(Rename, "refuse_execution", True)
    with pytest.raises(NotPossible):
        approvals.decide(action_id=action.pk, approve=True, note="", user=finance, clock=lambda: now)
    monkeypatch.setattr(Rename, "refuse_execution", False)
    shut_out(finance, "deactivated")
    assert actions.resume(clock=lambda: now + timedelta(minutes=10), most=9) == 1
    action.refresh_from_db()
    assert (action.state, email_of(order)) == (ActionState.OVERTAKEN, "shopper@example.com")


def shut_out(user: Any, how: str) -> None:
    if how == "deactivated":
        get_user_model().objects.filter(pk=user.pk).update(is_active=False)
    else:
        user.groups.set(Group.objects.filter(name=Role.SUPPORT))
