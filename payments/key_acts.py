"""Integration keys as dangerous acts. A value never enters an act: it is staged first (sealed, without effect), and the
acts name the row. Integrations ask, an administrator approves (payments/roles.py, Area.KEYS)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar

from django import forms

from integrations import credentials
from integrations.credentials import CredentialRefused
from integrations.models import Credential
from payments.models import StaffAction
from payments.roles import Area
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register

HOUR = 3600


class OverlapForm(forms.Form):
    """How long the key before this one stays accepted."""

    overlap_hours = forms.IntegerField(
        min_value=0,
        max_value=30 * 24,
        initial=24,
        label="Hours of overlap",
        help_text="So long the present key is accepted beside the new one. 0: not at all.",
    )


@register
class ActivateKey(StaffOperation):
    """Puts a staged key into use, in every process within seconds; the present one stays accepted for the overlap."""

    name = "activate_key"
    label = "Activate the key"
    subject_kind = "credential"
    area = Area.KEYS
    form_class = OverlapForm
    reasons: ClassVar[dict[str, str]] = {
        "rotation": "Planned rotation",
        "expiring": "The present one expires",
        "first": "It is the first one",
        "leaked": "The present one may have leaked",
    }

    def check(self, subject_id: int, *, at: datetime) -> None:
        key = _key(subject_id)
        if key.active_from is not None or key.value_sealed is None:
            raise NotPossible("This key does not wait to be activated.")

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        self.check(subject_id, at=at)
        key = _key(subject_id)
        present = _current(key)
        hours = int(parameters["overlap_hours"])
        changes = [
            Change(what=f"{key.provider} {key.name}", before=present or "the environment's", after=key.fingerprint)
        ]
        if hours:
            changes.append(Change(what="the one before", before="accepted", after=f"accepted for {hours} hours more"))
        return Preview(
            summary=f"{key.provider} {key.name} {key.fingerprint} of {key.owner} ({key.mode}) is used from now on.",
            changes=tuple(changes),
            basis={"key": key.pk},
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        overlap = int(action.parameters["overlap_hours"]) * HOUR
        with _refusals():
            key = credentials.activate(
                uid=_key(action.subject_id).uid, overlap_seconds=overlap, actor=action.actor, at=at
            )
        return {"fingerprint": key.fingerprint}


@register
class RevokeKey(StaffOperation):
    """Accepts a key no longer, without overlap, and forgets its value."""

    name = "revoke_key"
    label = "Revoke the key now"
    subject_kind = "credential"
    area = Area.KEYS
    reasons: ClassVar[dict[str, str]] = {
        "leaked": "It leaked, or may have",
        "owner_left": "Its owner has left",
        "not_needed": "It is not needed any more",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        key = _key(subject_id)
        if key.revoked_at is not None:
            raise NotPossible("This key is revoked already.")
        return Preview(
            summary=f"{key.provider} {key.name} {key.fingerprint} is accepted no longer, in any process.",
            changes=(Change(what="key", before=credentials.state_of(key, at=at), after="revoked; its value is gone"),),
            warnings=("There is no overlap. What needs this key fails until another one is active.",)
            if _current(key) == key.fingerprint
            else (),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        with _refusals():
            key = credentials.revoke_now(
                uid=_key(action.subject_id).uid, actor=action.actor, reason=action.reason, at=at
            )
        return {"fingerprint": key.fingerprint}


def _key(pk: int) -> Credential:
    key = Credential.objects.filter(pk=pk).first()
    if key is None:
        raise NotPossible(f"There is no key {pk}.")
    return key


def _current(key: Credential) -> str:
    """Return the fingerprint of the current key of the same provider and name; empty where the environment's counts."""
    current = Credential.objects.filter(
        provider=key.provider,
        name=key.name,
        active_from__isnull=False,
        overlap_until__isnull=True,
        revoked_at__isnull=True,
    )
    return current.values_list("fingerprint", flat=True).first() or ""


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except CredentialRefused as error:
        raise NotPossible(str(error)) from error
