"""What administrators do with staff tokens (payments/people/tokens.py), as acts: issue one for a person, revoke one."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.conf import settings

from payments.models import StaffAction, StaffToken
from payments.people import tokens as staff_tokens
from payments.people.acts import OnPerson, person_of
from payments.people.tokens import Scope
from payments.roles import Area
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register


class TokenForm(forms.Form):
    """What a token is for, and for how long."""

    name = forms.CharField(max_length=60, help_text="What it is for, such as: nightly refund import.")
    scopes = forms.MultipleChoiceField(
        choices=[(scope.value, scope.value) for scope in Scope], widget=forms.CheckboxSelectMultiple
    )
    days = forms.IntegerField(min_value=1, max_value=settings.STAFF_TOKEN_MAX_DAYS, initial=30, label="Days it lives")


@register
class IssueToken(OnPerson):
    """Lets a program act for a person within a scope. The person collects the secret; nobody else sees it."""

    name = "issue_token"
    label = "Issue a token"
    form_class = TokenForm
    reasons: ClassVar[dict[str, str]] = {"program": "A program of theirs needs it", "renewed": "The last one runs out"}

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        user = person_of(subject_id)
        scopes = _scopes(parameters)
        if not user.is_active:
            raise NotPossible("The account is not active.")
        if lacking := [scope for scope in scopes if scope not in staff_tokens.allowed_scopes(user)]:
            raise NotPossible(f"Their own roles do not give {', '.join(lacking)}, so no token of theirs can.")
        return Preview(
            summary=f"{user.get_username()} may collect a token for “{parameters['name']}”.",
            changes=(
                Change(what="scopes", before="", after=", ".join(scopes)),
                Change(what="lives", before="", after=f"{parameters['days']} days"),
            ),
            basis={"user": user.pk},
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        told = action.parameters
        token = staff_tokens.issue(
            user=person_of(action.subject_id),
            name=told["name"],
            scopes=_scopes(told),
            days=told["days"],
            by=action.requested_by,
            at=at,
        )
        return {"token": token.pk}


@register
class RevokeToken(StaffOperation):
    """Ends a token at once."""

    name = "revoke_token"
    label = "Revoke"
    subject_kind = "staff_token"
    area = Area.PEOPLE
    reasons: ClassVar[dict[str, str]] = {
        "unused": "Nobody needs it any more",
        "leaked": "The secret may be known to others",
        "left": "Its owner has left or does other work",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        token = StaffToken.objects.select_related("user").filter(pk=subject_id).first()
        if token is None:
            raise NotPossible(f"There is no token {subject_id}.")
        if token.revoked_at is not None:
            raise NotPossible("It is revoked already.")
        return Preview(
            summary=f"The token “{token.name}” of {token.user.get_username()} opens nothing any more.",
            changes=(Change(what="token", before="not revoked", after="revoked"),),
        )

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        list(StaffToken.objects.select_for_update(of=("self",)).filter(pk=subject_id))

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        why = self.reasons[action.reason_code]
        staff_tokens.revoke(token_id=action.subject_id, by=action.requested_by, why=why, at=at)
        return {}


def _scopes(parameters: Parameters) -> list[Scope]:
    return [scope for scope in Scope if scope.value in parameters["scopes"]]
