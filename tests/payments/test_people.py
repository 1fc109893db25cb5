"""What administrators do with people: two for the strong roles, nobody on their own account, nobody shut out."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied

from payments import actions, approvals, staff_operations
from payments.models import AuditRecord, Invitation, StaffAccount, StaffAction, StaffToken
from payments.models.action import ActionState
from payments.models.staff import InvitationKind
from payments.people import accounts as people
from payments.people import invitations, mfa
from payments.people import tokens as staff_tokens
from payments.people.tokens import Scope
from payments.roles import GRANTING_NEEDS_A_SECOND, Role, roles_of
from payments.staff_operations import NotPossible
from tests.staff import enrol, make_staff

pytestmark = pytest.mark.django_db

WHY = "Agreed with the team on Monday."
NEW = {"username": "ann", "name": "Ann Example", "email": "ann@example.com"}


@pytest.fixture
def admin(now: datetime) -> Any:
    person = make_staff(Role.ADMIN, name="root")
    enrol(person, at=now)
    return person


@pytest.fixture
def second(now: datetime) -> Any:
    person = make_staff(Role.ADMIN, name="second")
    enrol(person, at=now)
    return person


def ask(operation_name: str, subject: Any, /, *, by: Any, now: datetime, **parameters: Any) -> StaffAction:
    """Ask for an act as the page does."""
    operation = staff_operations.get(operation_name)
    reason_code = str(parameters.pop("reason_code", next(iter(operation.reasons))))
    subject_id = subject if isinstance(subject, int) else subject.pk
    return actions.request(
        uid=uuid.uuid4(),
        operation=operation,
        subject_id=subject_id,
        parameters=parameters,
        fingerprint=operation.preview(subject_id, parameters, at=now).fingerprint,
        reason_code=reason_code,
        reason=WHY,
        user=by,
        via="admin",
        clock=lambda: now,
    )


def agree(action: StaffAction, *, by: Any, now: datetime) -> StaffAction:
    return approvals.decide(action_id=action.pk, approve=True, note="", user=by, clock=lambda: now)


def user_of(name: str) -> Any:
    return get_user_model().objects.get(username=name)


def events() -> list[str]:
    return list(AuditRecord.objects.order_by("pk").values_list("event", flat=True))


class TestInviting:
    def test_an_account_without_anything_to_sign_in_with(self, admin: Any, now: datetime) -> None:
        action = ask("invite_person", 0, by=admin, now=now, roles=["Support"], **NEW)
        assert action.state == ActionState.EXECUTED
        ann = user_of("ann")
        assert (ann.email, ann.first_name, ann.is_staff, ann.is_superuser) == (
            "ann@example.com", "Ann Example", True, False,
        )  # fmt: skip
        assert roles_of(ann) == [Role.SUPPORT]
        assert not ann.has_usable_password()
        invitation = Invitation.objects.get(user=ann)
        assert (invitation.kind, invitation.created_by, invitation.digest) == (InvitationKind.START, admin, None)
        assert action.result == {"user": ann.pk, "invitation": invitation.pk}

    @pytest.mark.parametrize("role", sorted(GRANTING_NEEDS_A_SECOND))
    def test_a_strong_role_takes_a_second_administrator(
        self, role: Role, admin: Any, second: Any, now: datetime
    ) -> None:
        action = ask("invite_person", 0, by=admin, now=now, roles=[role.value], **NEW)
        assert action.state == ActionState.REQUESTED
        assert not get_user_model().objects.filter(username="ann").exists()
        assert agree(action, by=second, now=now).state == ActionState.EXECUTED
        assert roles_of(user_of("ann")) == [role]

    def test_a_name_is_given_once_whatever_its_case(self, admin: Any, now: datetime) -> None:
        make_staff(Role.SUPPORT, name="Ann")
        with pytest.raises(NotPossible, match="There is an account ann already"):
            ask("invite_person", 0, by=admin, now=now, roles=[], **NEW)

    @pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
    def test_others_invite_nobody(self, role: Role, now: datetime) -> None:
        with pytest.raises(PermissionDenied, match="Admin can"):
            ask("invite_person", 0, by=make_staff(role), now=now, roles=[], **NEW)


class TestRoles:
    def test_a_weak_role_is_given_at_once_and_ends_the_sessions(self, admin: Any, now: datetime) -> None:
        person = make_staff(Role.SUPPORT)
        other = Group.objects.create(name="Newsletter")
        person.groups.add(other)
        ask("change_roles", person, by=admin, now=now, roles=["Support", "Auditor"])
        assert roles_of(person) == [Role.SUPPORT, Role.AUDITOR]
        assert other in person.groups.all()
        assert StaffAccount.objects.get(user=person).sessions_ended_at == now

    def test_to_take_a_strong_role_takes_one(self, admin: Any, now: datetime) -> None:
        person = make_staff(Role.FINANCE, Role.LEAD)
        assert ask("change_roles", person, by=admin, now=now, roles=["Lead"]).state == ActionState.EXECUTED
        assert roles_of(person) == [Role.LEAD]

    def test_to_give_one_takes_two_and_not_the_person_itself(self, admin: Any, second: Any, now: datetime) -> None:
        action = ask("change_roles", second, by=admin, now=now, roles=["Admin", "Finance"])
        assert action.state == ActionState.REQUESTED
        assert "Finance may do what needs four eyes" in action.approval.why
        with pytest.raises(PermissionDenied, match="You asked for this yourself"):
            agree(action, by=admin, now=now)
        with pytest.raises(PermissionDenied, match="Nobody changes their own account"):
            agree(action, by=second, now=now)
        third = make_staff(Role.ADMIN)
        agree(action, by=third, now=now)
        assert roles_of(second) == [Role.FINANCE, Role.ADMIN]

    @pytest.mark.parametrize(
        ("name", "parameters"),
        [
            ("change_roles", {"roles": ["Support"]}),
            ("change_email", {"email": "new@example.com"}),
            ("deactivate_person", {}),
            ("reset_mfa", {}),
            ("reset_password", {}),
            ("start_over", {}),
            ("issue_token", {"name": "x", "scopes": ["orders:read"], "days": 1}),
        ],
    )
    def test_nobody_changes_their_own_account(
        self, name: str, parameters: dict[str, Any], admin: Any, second: Any, now: datetime
    ) -> None:
        with pytest.raises(PermissionDenied, match="Nobody changes their own account"):
            ask(name, admin, by=admin, now=now, **parameters)
        assert not StaffAction.objects.exists()

    def test_the_same_roles_are_no_change(self, admin: Any, now: datetime) -> None:
        with pytest.raises(NotPossible, match="exactly these"):
            ask("change_roles", make_staff(Role.SUPPORT), by=admin, now=now, roles=["Support"])

    def test_the_last_administrator_stays(self, admin: Any, second: Any, now: datetime) -> None:
        mfa.remove(user=admin)  # who has no second factor cannot administer anybody
        for name, parameters in (
            ("change_roles", {"roles": ["Support"]}),
            ("deactivate_person", {}),
            ("start_over", {}),
        ):
            with pytest.raises(NotPossible, match="last administrator"):
                ask(name, second, by=admin, now=now, **parameters)

    def test_who_is_no_staff_is_nobody_here(self, admin: Any, now: datetime) -> None:
        shopper = get_user_model().objects.create_user("shopper")
        with pytest.raises(NotPossible, match="nobody of that number"):
            ask("change_roles", shopper, by=admin, now=now, roles=["Support"])


class TestEndOfAnAccount:
    def test_deactivation_ends_everything_that_opens_something(self, admin: Any, now: datetime) -> None:
        person = make_staff(Role.SUPPORT)
        staff_tokens.issue(user=person, name="x", scopes=[Scope.ORDERS_READ], days=1, by=admin, at=now)
        invitations.invite(user=person, kind=InvitationKind.PASSWORD, by=admin, at=now)
        ask("deactivate_person", person, by=admin, now=now)
        person.refresh_from_db()
        assert not person.is_active
        assert StaffToken.objects.get().revoked_why == "The account was deactivated."
        assert Invitation.objects.get().ended_at == now
        assert StaffAccount.objects.get(user=person).sessions_ended_at == now

    def test_back_with_a_strong_role_takes_two(self, admin: Any, second: Any, now: datetime) -> None:
        weak, strong = make_staff(Role.SUPPORT), make_staff(Role.LEAD)
        for person in (weak, strong):
            ask("deactivate_person", person, by=admin, now=now)
        assert ask("reactivate_person", weak, by=admin, now=now).state == ActionState.EXECUTED
        action = ask("reactivate_person", strong, by=admin, now=now)
        assert action.state == ActionState.REQUESTED
        agree(action, by=second, now=now)
        strong.refresh_from_db()
        assert strong.is_active

    def test_nobody_who_acted_can_be_deleted(self, admin: Any, now: datetime) -> None:
        ask("deactivate_person", make_staff(Role.SUPPORT), by=admin, now=now)
        with pytest.raises(Exception, match="protected"):
            admin.delete()


class TestResets:
    def test_a_lost_phone_keeps_the_password(self, admin: Any, now: datetime) -> None:
        person = make_staff(Role.SUPPORT)
        enrol(person, at=now)
        ask("reset_mfa", person, by=admin, now=now)
        person.refresh_from_db()
        assert person.has_usable_password()
        assert not mfa.is_enrolled(person)
        assert Invitation.objects.get(user=person).kind == InvitationKind.MFA
        assert "mfa_reset" in events()

    def test_a_forgotten_password_keeps_the_phone(self, admin: Any, now: datetime) -> None:
        person = make_staff(Role.SUPPORT)
        enrol(person, at=now)
        ask("reset_password", person, by=admin, now=now)
        person.refresh_from_db()
        assert not person.has_usable_password()
        assert mfa.is_enrolled(person)
        assert Invitation.objects.get(user=person).kind == InvitationKind.PASSWORD

    def test_one_after_the_other_is_no_way_to_take_an_account_over(self, admin: Any, now: datetime) -> None:
        person = make_staff(Role.SUPPORT)
        enrol(person, at=now)
        ask("reset_password", person, by=admin, now=now)
        with pytest.raises(NotPossible, match="Start over"):
            ask("reset_mfa", person, by=admin, now=now)
        other = make_staff(Role.SUPPORT)
        enrol(other, at=now)
        ask("reset_mfa", other, by=admin, now=now)
        with pytest.raises(NotPossible, match="Start over"):
            ask("reset_password", other, by=admin, now=now)

    @pytest.mark.parametrize("name", ["reset_mfa", "reset_password", "start_over"])
    def test_of_a_strong_account_it_takes_two(self, name: str, admin: Any, second: Any, now: datetime) -> None:
        person = make_staff(Role.FINANCE)
        enrol(person, at=now)
        action = ask(name, person, by=admin, now=now)
        assert action.state == ActionState.REQUESTED
        assert mfa.is_enrolled(person)
        agree(action, by=second, now=now)
        assert Invitation.objects.get(user=person).created_by == admin


class TestInvitation:
    @pytest.fixture
    def invitation(self, admin: Any, now: datetime) -> Invitation:
        return people.create(username="ann", name="Ann", email="a@example.com", roles=[Role.SUPPORT], by=admin, at=now)

    def test_the_link_opens_once(self, invitation: Invitation, now: datetime) -> None:
        digest = invitations.digest_of(invitations.new_link(invitation_id=invitation.pk, by=None, at=now))
        assert invitations.open_invitation(digest=digest, at=now) == invitation
        key = mfa._key(mfa.begin(user=invitation.user, at=now))
        codes = invitations.accept(
            invitation_id=invitation.pk, new_password="a long new password", code=mfa.code_at(key, now), at=now
        )
        assert len(codes) == 10
        ann = user_of("ann")
        assert ann.check_password("a long new password")
        assert mfa.is_enrolled(ann)
        assert invitations.open_invitation(digest=digest, at=now) is None
        with pytest.raises(invitations.NotOpen):
            invitations.accept(invitation_id=invitation.pk, new_password="another long one", code="000000", at=now)
        assert {"invited", "invitation_linked", "invitation_used", "mfa_enrolled"} <= set(events())

    def test_only_the_newest_link_opens_and_the_token_is_not_kept(self, invitation: Invitation, now: datetime) -> None:
        first, newer = (invitations.new_link(invitation_id=invitation.pk, by=None, at=now) for _ in range(2))
        assert invitations.open_invitation(digest=invitations.digest_of(first), at=now) is None
        assert invitations.open_invitation(digest=invitations.digest_of(newer), at=now) is not None
        assert Invitation.objects.get().digest != newer

    def test_a_wrong_code_leaves_it_open_and_counts(self, invitation: Invitation, now: datetime) -> None:
        device = mfa.begin(user=invitation.user, at=now)
        with pytest.raises(invitations.WrongCode):
            invitations.accept(invitation_id=invitation.pk, new_password="a long new password", code="x", at=now)
        device.refresh_from_db()
        assert device.throttling_failure_count == 1
        assert not user_of("ann").has_usable_password()
        assert "invitation_failed" in events()

    def test_it_ends_after_three_days_and_with_the_account(self, invitation: Invitation, now: datetime) -> None:
        digest = invitations.digest_of(invitations.new_link(invitation_id=invitation.pk, by=None, at=now))
        assert invitations.open_invitation(digest=digest, at=now + timedelta(hours=71)) is not None
        assert invitations.open_invitation(digest=digest, at=now + timedelta(hours=72)) is None
        people.deactivate(user=invitation.user, by=None, at=now)
        assert invitations.open_invitation(digest=digest, at=now) is None

    def test_an_empty_digest_opens_nothing(self, invitation: Invitation, now: datetime) -> None:
        assert invitations.open_invitation(digest="", at=now) is None

    def test_a_new_one_ends_the_old(self, invitation: Invitation, now: datetime) -> None:
        invitations.invite(user=invitation.user, kind=InvitationKind.START, by=None, at=now)
        assert Invitation.objects.filter(ended_at=None).count() == 1


def test_a_weak_accounts_invitation_does_not_open_it_once_it_is_strong(admin: Any, second: Any, now: datetime) -> None:
    """One administrator invites Support and keeps the link; two make Finance of it; the link must not open that."""
    invited = ask("invite_person", 0, by=admin, now=now, **NEW, roles=["Support"])
    invitation_id = invited.result["invitation"]
    token = invitations.new_link(invitation_id=invitation_id, by=admin, at=now)
    person = get_user_model().objects.get(pk=invited.result["user"])
    raised = ask("change_roles", person, by=second, now=now, roles=["Support", "Finance"])
    approvals.decide(action_id=raised.pk, approve=True, note="", user=admin, clock=lambda: now)
    assert Role.FINANCE in roles_of(person)
    assert invitations.open_invitation(digest=invitations.digest_of(token), at=now) is None
    with pytest.raises(invitations.NotOpen):
        invitations.new_link(invitation_id=invitation_id, by=admin, at=now)


def test_weak_roles_leave_an_open_invitation_alone(admin: Any, now: datetime) -> None:
    invited = ask("invite_person", 0, by=admin, now=now, **NEW, roles=["Support"])
    ask("change_roles", invited.result["user"], by=admin, now=now, roles=["Support", "Auditor"])
    assert invitations.new_link(invitation_id=invited.result["invitation"], by=admin, at=now)


@pytest.mark.parametrize(("reason_code", "left"), [("suspicion", 0), ("lost", 1)])
def test_on_suspicion_a_reset_ends_the_tokens_too(admin: Any, now: datetime, reason_code: str, left: int) -> None:
    """Whoever had the account may hold a token of it, which no password and no session stands behind."""
    person = make_staff(Role.SUPPORT)
    enrol(person, at=now)
    token = staff_tokens.issue(user=person, name="x", scopes=[Scope.ORDERS_READ], days=30, by=admin, at=now)
    secret = staff_tokens.collect(token_id=token.pk, user=person, at=now)
    ask("reset_password", person, by=admin, now=now, reason_code=reason_code)
    assert StaffToken.objects.filter(revoked_at=None).count() == left
    assert (staff_tokens.find(secret, at=now) is not None) == bool(left)


def test_one_administrator_alone_changes_no_integration_key(admin: Any, now: datetime) -> None:
    """Integrations ask for a key and an administrator approves: so nobody alone makes, or takes over, Integrations."""
    invited = ask("invite_person", 0, by=admin, now=now, **NEW, roles=["Integrations"])
    assert invited.state == ActionState.REQUESTED
    colleague = make_staff(Role.INTEGRATIONS)
    enrol(colleague, at=now)
    assert ask("start_over", colleague, by=admin, now=now).state == ActionState.REQUESTED
    assert ask("change_roles", make_staff(Role.SUPPORT), by=admin, now=now, roles=["Integrations"]).state == "requested"
