"""What administrators do with people, as acts with preview, reason, step-up and, where needed, a second administrator.

Threats: an administrator who gives themselves what they should not have (nobody acts on their own account, neither as
requester nor as second person; Lead, Finance and Admin take two); one who takes over a strong account by resetting it
(two again, and payments/people/invitations.py); a fake colleague (two for every role that moves money); shutting
everybody out (the last administrator stays).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.contrib.auth import get_user_model
from django.contrib.auth.validators import UnicodeUsernameValidator

from payments.models import StaffAction, StaffToken
from payments.models.staff import InvitationKind
from payments.people import accounts as people
from payments.people import mfa
from payments.people import tokens as staff_tokens
from payments.roles import Area, Role, roles_of
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register

NOBODY_THEMSELVES = "Nobody changes their own account here. Ask another administrator."
SUSPICION = "suspicion"
ROLE_CHOICES = [(role.value, role.value) for role in Role]


class _RolesForm(forms.Form):
    roles = forms.MultipleChoiceField(
        choices=ROLE_CHOICES, required=False, widget=forms.CheckboxSelectMultiple, help_text="What they may do."
    )


class InviteForm(_RolesForm):
    """Who is to come in, as what."""

    field_order = ("username", "name", "email", "roles")
    username = forms.CharField(
        max_length=150, validators=[UnicodeUsernameValidator()], help_text="What they sign in with; it stays for good."
    )
    name = forms.CharField(max_length=150, label="Name")
    email = forms.EmailField(max_length=254, label="E-mail address")


class EmailForm(forms.Form):
    """Where we reach them."""

    email = forms.EmailField(max_length=254, label="E-mail address")


class OnPerson(StaffOperation):
    """An act on one person's account. Its preview names them in `basis`."""

    subject_kind = "user"
    area = Area.PEOPLE

    def refusal(self, user: Any, preview: Preview) -> str:
        return NOBODY_THEMSELVES if preview.basis.get("user") == user.pk else ""

    def second_person(self, preview: Preview) -> str:
        return people.why_second([Role(name) for name in preview.basis.get("strong", ())])

    def check(self, subject_id: int, *, at: datetime) -> None:
        person_of(subject_id)
        super().check(subject_id, at=at)

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        people.lock_administrators()
        list(get_user_model().objects.select_for_update().filter(pk=subject_id))


@register
class InvitePerson(OnPerson):
    """Makes an account; its owner sets password and second factor by a link that opens once."""

    name = "invite_person"
    label = "Invite a person"
    form_class = InviteForm
    reasons: ClassVar[dict[str, str]] = {"joins": "Joins the team", "helps_out": "Helps out for a time"}

    def check(self, subject_id: int, *, at: datetime) -> None:
        """Nobody is there yet: whether it can be done depends on the form."""

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        name, roles = parameters["username"], _roles(parameters)
        if get_user_model().objects.filter(username__iexact=name).exists():
            raise NotPossible(f"There is an account {name} already.")
        return Preview(
            summary=f"{parameters['name']} gets the account {name}. You will make the link of their invitation.",
            changes=(
                Change(what="account", before="none", after=name),
                Change(what="e-mail address", before="", after=parameters["email"]),
                Change(what="roles", before="none", after=_words(roles)),
            ),
            basis={"user": None, "strong": [role.value for role in roles]},
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        told = action.parameters
        invitation = people.create(
            username=told["username"],
            name=told["name"],
            email=told["email"],
            roles=_roles(told),
            by=action.requested_by,
            at=at,
        )
        return {"user": invitation.user_id, "invitation": invitation.pk}


@register
class ChangeRoles(OnPerson):
    """Gives and takes roles; the person signs in anew."""

    name = "change_roles"
    label = "Change roles"
    form_class = _RolesForm
    reasons: ClassVar[dict[str, str]] = {
        "new_work": "Their work changes",
        "stands_in": "Stands in for a colleague",
        "less": "They no longer need it",
        "mended": "The last change was a mistake",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        user, wanted = person_of(subject_id), _roles(parameters)
        has = roles_of(user)
        if has == wanted:
            raise NotPossible("They have exactly these roles.")
        if Role.ADMIN not in wanted and people.is_last_administrator(user):
            raise NotPossible("They are the last administrator who can sign in. Give the role to somebody else first.")
        return Preview(
            summary=f"{user.get_username()} gets other roles. Their sessions end.",
            changes=(Change(what="roles", before=_words(has), after=_words(wanted)),),
            basis={"user": user.pk, "strong": [role.value for role in wanted if role not in has]},
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        people.set_roles(user=person_of(action.subject_id), roles=_roles(action.parameters), at=at)
        return {}

    def parameters_for(self, subject_id: int) -> dict[str, Any]:
        return {"roles": [role.value for role in roles_of(person_of(subject_id))]}


@register
class ChangeEmail(OnPerson):
    """Sets another address."""

    name = "change_email"
    label = "Change e-mail address"
    form_class = EmailForm
    reasons: ClassVar[dict[str, str]] = {"new_address": "They have a new address", "mended": "It was mistyped"}

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        user = person_of(subject_id)
        if user.email == parameters["email"]:
            raise NotPossible("They have that address.")
        return Preview(
            summary=f"{user.get_username()} gets another e-mail address.",
            changes=(Change(what="e-mail address", before=user.email, after=parameters["email"]),),
            basis={"user": user.pk},
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        user = person_of(action.subject_id)
        user.email = action.parameters["email"]
        user.save(update_fields=["email"])
        return {}

    def parameters_for(self, subject_id: int) -> dict[str, Any]:
        return {"email": person_of(subject_id).email}


@register
class Deactivate(OnPerson):
    """Shuts an account. It is never deleted: rows name it."""

    name = "deactivate_person"
    label = "Deactivate"
    reasons: ClassVar[dict[str, str]] = {
        "left": "Has left",
        "away": "Is away for long",
        "suspicion": "Somebody else may be using the account",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        user = person_of(subject_id)
        if not user.is_active:
            raise NotPossible("The account is not active.")
        if people.is_last_administrator(user):
            raise NotPossible("They are the last administrator who can sign in. Give the role to somebody else first.")
        tokens = StaffToken.objects.filter(user=user, revoked_at=None, expires_at__gt=at).count()
        return Preview(
            summary=f"{user.get_username()} can no longer sign in. Sessions end at once.",
            changes=(
                Change(what="account", before="active", after="deactivated"),
                Change(what="live tokens", before=str(tokens), after="0"),
            ),
            basis={"user": user.pk},
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        people.deactivate(user=person_of(action.subject_id), by=action.requested_by, at=at)
        return {}


@register
class Reactivate(OnPerson):
    """Opens an account again, with its roles."""

    name = "reactivate_person"
    label = "Activate again"
    reasons: ClassVar[dict[str, str]] = {"back": "Is back", "mended": "Was deactivated by mistake"}

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        user = person_of(subject_id)
        if user.is_active:
            raise NotPossible("The account is active.")
        has = roles_of(user)
        return Preview(
            summary=f"{user.get_username()} can sign in again, as: {_words(has)}.",
            changes=(Change(what="account", before="deactivated", after="active"),),
            basis={"user": user.pk, "strong": [role.value for role in has]},
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        people.reactivate(user=person_of(action.subject_id))
        return {}


class _Reset(OnPerson):
    """Takes away what a person signs in with, and invites them to set it anew.

    On suspicion their tokens end too: whoever had the account may hold one.
    """

    kind: ClassVar[InvitationKind]
    changes: ClassVar[tuple[Change, ...]]
    link_asks: ClassVar[str]
    reasons: ClassVar[dict[str, str]] = {
        "lost": "They lost it, and I made sure that it is they who ask",
        "never_came": "The invitation was never used",
        SUSPICION: "Somebody else may know it",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        user = person_of(subject_id)
        if not user.is_active:
            raise NotPossible("The account is not active.")
        if why := self.why_not(user):
            raise NotPossible(why)
        if people.is_last_administrator(user):
            raise NotPossible("They are the last administrator who can sign in: use `manage.py invite` on the server.")
        return Preview(
            summary=f"{user.get_username()} is signed out everywhere and sets it anew, by a link that you will make.",
            changes=self.changes,
            warnings=(
                self.link_asks,
                "Make sure that it is really they who ask: call them, do not answer a mail.",
                f"With the reason “{self.reasons[SUSPICION]}”, their tokens are revoked as well.",
            ),
            basis={"user": user.pk, "strong": [role.value for role in roles_of(user)]},
        )

    def why_not(self, user: Any) -> str:
        """Say why this kind of reset does not fit the account; empty if it does."""
        return ""

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        user = person_of(action.subject_id)
        invitation = people.reset(user=user, kind=self.kind, by=action.requested_by, at=at)
        if action.reason_code == SUSPICION:
            staff_tokens.revoke_all(user=user, by=action.requested_by, why=self.reasons[SUSPICION], at=at)
        return {"invitation": invitation.pk}


_NEW_PASSWORD = Change(what="password", before="set", after="none")
_NEW_MFA = Change(what="authenticator and backup codes", before="enrolled", after="none")


@register
class ResetMfa(_Reset):
    """For a lost phone."""

    name = "reset_mfa"
    label = "Reset second factor"
    kind = InvitationKind.MFA
    changes = (_NEW_MFA,)
    link_asks = "The link asks for their present password."

    def why_not(self, user: Any) -> str:
        if not user.has_usable_password():
            return "They have no password either: use “Start over”."
        return "" if mfa.is_enrolled(user) else "No second factor is enrolled."


@register
class ResetPassword(_Reset):
    """For a forgotten password."""

    name = "reset_password"
    label = "Reset password"
    kind = InvitationKind.PASSWORD
    changes = (_NEW_PASSWORD,)
    link_asks = "The link asks for a code of their authenticator."

    def why_not(self, user: Any) -> str:
        return "" if mfa.is_enrolled(user) else "They have no second factor either: use “Start over”."


@register
class StartOver(_Reset):
    """For an invitation that ran out, or for who lost password and phone at once."""

    name = "start_over"
    label = "Start over"
    kind = InvitationKind.START
    changes = (_NEW_PASSWORD, _NEW_MFA)
    link_asks = "Whoever opens the link gets the account: it asks for nothing."


def person_of(user_id: int) -> Any:
    """Return somebody of the back office. Raises NotPossible."""
    user = get_user_model().objects.filter(pk=user_id, is_staff=True).first()
    if user is None:
        raise NotPossible("There is nobody of that number in the back office.")
    return user


def _roles(parameters: Parameters) -> list[Role]:
    return [role for role in Role if role.value in parameters["roles"]]


def _words(roles: Iterable[Role]) -> str:
    return ", ".join(roles) or "none"
