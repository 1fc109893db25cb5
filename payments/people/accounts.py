"""The people of the back office: their accounts, what becomes of them, and what each change ends.

Nobody is deleted: what they did stands in rows that name them. Called by payments/people/acts.py (with preview,
reason and second person) and by `manage.py invite`; each runs in the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from payments.audit import recording as audit
from payments.audit.events import Event
from payments.models.staff import Invitation, InvitationKind, StaffAccount
from payments.people import events as staff_events
from payments.people import invitations, mfa
from payments.people import tokens as staff_tokens
from payments.roles import GRANTING_NEEDS_A_SECOND, Role, roles_of


def create(*, username: str, name: str, email: str, roles: Iterable[Role], by: Any, at: datetime) -> Invitation:
    """Make an account without password or second factor, and the invitation by which its owner sets both."""
    user = get_user_model().objects.create_user(username=username, email=email, first_name=name, is_staff=True)
    _set_groups(user, roles)
    return invitations.invite(user=user, kind=InvitationKind.START, by=by, at=at)


def set_roles(*, user: Any, roles: Iterable[Role], at: datetime) -> None:
    """Give a person exactly these roles; groups of other names are left alone. Ends their sessions.

    With a strong role new, an open invitation ends: the one administrator who made it could make its link again, and
    take an account that it took two to make strong. “Start over” makes another, with two.
    """
    roles = list(roles)
    if GRANTING_NEEDS_A_SECOND & set(roles) - set(roles_of(user)):
        invitations.withdraw(user=user, at=at)
    _set_groups(user, roles)
    end_sessions(user=user, at=at)


def deactivate(*, user: Any, by: Any, at: datetime) -> None:
    """Take everything away that opens anything: sessions, tokens, invitations. Roles and second factor stay."""
    user.is_active = False
    user.save(update_fields=["is_active"])
    end_sessions(user=user, at=at)
    invitations.withdraw(user=user, at=at)
    staff_tokens.revoke_all(user=user, by=by, why="The account was deactivated.", at=at)


def reactivate(*, user: Any) -> None:
    """Let a person sign in again, with the roles, password and second factor they had. Tokens stay revoked."""
    user.is_active = True
    user.save(update_fields=["is_active"])


def reset(*, user: Any, kind: InvitationKind, by: Any, at: datetime) -> Invitation:
    """Take away the password, the second factor, or both, end all sessions, and invite to set them anew."""
    if kind != InvitationKind.PASSWORD:
        mfa.remove(user=user)
        staff_events.record(Event.MFA_RESET, user=user, by=by or audit.command_actor(), at=at)
    if kind != InvitationKind.MFA:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    end_sessions(user=user, at=at)
    return invitations.invite(user=user, kind=kind, by=by, at=at)


def end_sessions(*, user: Any, at: datetime) -> None:
    """End every session that the person opened up to this moment."""
    StaffAccount.objects.update_or_create(user_id=user.pk, defaults={"sessions_ended_at": at})


def why_second(granted: Iterable[Role]) -> str:
    """Say why giving these roles, or a way into an account that has them, takes a second administrator."""
    strong = [role for role in granted if role in GRANTING_NEEDS_A_SECOND]
    return f"{' and '.join(strong)} may do what needs four eyes: a second administrator must agree." if strong else ""


def is_last_administrator(user: Any) -> bool:
    """Say whether nobody else could administer people without this one: active, with a second factor."""
    others = get_user_model().objects.filter(groups__name=Role.ADMIN, is_active=True, is_staff=True).exclude(pk=user.pk)
    able = [other for other in others if mfa.is_enrolled(other)]
    return Role.ADMIN in roles_of(user) and user.is_active and not able


def lock_administrators() -> None:
    """Let one change of accounts at a time run, so that two of them cannot take away the last two administrators."""
    list(Group.objects.select_for_update().filter(name=Role.ADMIN))


def _set_groups(user: Any, roles: Iterable[Role]) -> None:
    ours = Group.objects.filter(name__in=list(Role))
    wanted = ours.filter(name__in=[role.value for role in roles])
    user.groups.set([*user.groups.exclude(name__in=list(Role)), *wanted])
