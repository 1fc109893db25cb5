"""Receivers as dangerous acts: setting one up, changing what it is told, putting a staged secret into use.

Whoever names a receiver decides where the shop's facts go: Integrations ask, an administrator approves. A secret never
enters an act: it is staged first (sealed, without effect), and the act names the receiver.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError

from integrations.facts import Fact
from integrations.models import Destination, DestinationKind
from payments.models import StaffAction
from payments.roles import Area
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register

HOUR = 3600
_FACTS = [(fact.value, fact.value) for fact in Fact]


class ReceiverForm(forms.Form):
    """What can be said of a receiver without a secret."""

    address = forms.CharField(
        max_length=500, required=False, help_text="Its https:// URL. Of mail: one address, or empty for the shopper's."
    )
    lookup_address = forms.CharField(
        max_length=500, required=False, help_text="Where GET <this>/<key> says 200 (received) or 404."
    )
    idempotent = forms.BooleanField(required=False, label="Takes the same key twice as one effect")
    ordered = forms.BooleanField(required=False, label="Facts of one order in their order")
    facts = forms.MultipleChoiceField(choices=_FACTS, widget=forms.CheckboxSelectMultiple)
    owner = forms.CharField(max_length=120, help_text="Whom to call when it does not take deliveries.")
    public_key = forms.CharField(
        required=False, widget=forms.Textarea({"rows": 4, "cols": 60}), help_text="JWK or PEM; empty: not sealed to it."
    )
    options = forms.CharField(
        required=False,
        widget=forms.Textarea({"rows": 4, "cols": 60}),
        help_text="Settings of its kind as JSON, nothing secret (docs/connectors.md).",
    )

    def clean_options(self) -> dict[str, Any]:
        try:
            told = json.loads(self.cleaned_data["options"] or "{}")
        except (ValueError, RecursionError) as error:
            raise forms.ValidationError("Write JSON, such as {“pipeline”: “default”}.") from error
        if not isinstance(told, dict):
            raise forms.ValidationError("Write a JSON object.")
        return told

    def clean_facts(self) -> list[str]:
        return sorted(self.cleaned_data["facts"])


class NewReceiverForm(ReceiverForm):
    """And what it is called."""

    name = forms.CharField(max_length=80)
    kind = forms.ChoiceField(choices=DestinationKind.choices)
    field_order = ("name", "kind")


class _OfReceivers(StaffOperation):
    subject_kind = "destination"
    area = Area.KEYS


@register
class SetUpReceiver(_OfReceivers):
    """Makes a receiver. It is told nothing before it has what its kind needs (a secret is staged afterwards)."""

    name = "set_up_receiver"
    label = "Set up a receiver"
    form_class = NewReceiverForm
    reasons: ClassVar[dict[str, str]] = {"new_system": "A new system is connected", "replaces": "It replaces another"}

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        receiver = Destination(**parameters, created_at=at)
        _check(receiver)
        return Preview(
            summary=f"{receiver.name} ({receiver.get_kind_display()}) is told of {', '.join(receiver.facts)}.",
            changes=(Change(what="goes to", before="–", after=receiver.address or "each shopper"),),
            warnings=(
                "Each of these facts carries the order and the shopper's e-mail address.",
                *(() if receiver.public_key else ("It is sent over TLS, and not sealed to a key of the receiver.",)),
            ),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        receiver = Destination(**action.parameters, created_at=at)
        _check(receiver)
        receiver.save()
        return {"receiver": receiver.pk}


@register
class ChangeReceiver(_OfReceivers):
    """Changes where a receiver is and what it is told. What is queued already goes to the new address."""

    name = "change_receiver"
    label = "Change the receiver"
    form_class = ReceiverForm
    reasons: ClassVar[dict[str, str]] = {
        "moved": "It has moved",
        "other_facts": "It is to be told other facts",
        "other_settings": "Its settings have changed",
        "other_owner": "Somebody else answers for it",
    }

    def check(self, subject_id: int, *, at: datetime) -> None:
        _receiver(subject_id)

    def parameters_for(self, subject_id: int) -> dict[str, Any]:
        receiver = _receiver(subject_id)
        told = {name: getattr(receiver, name) for name in ReceiverForm.base_fields}
        return {**told, "options": json.dumps(receiver.options) if receiver.options else ""}

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        receiver = _receiver(subject_id)
        changes = tuple(
            Change(what=name, before=_shown(getattr(receiver, name)), after=_shown(value))
            for name, value in parameters.items()
            if getattr(receiver, name) != value
        )
        if not changes:
            raise NotPossible("Nothing would change.")
        _check(_changed(receiver, parameters))
        return Preview(summary=f"{receiver.name} is changed.", changes=changes)

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        list(Destination.objects.select_for_update().filter(pk=subject_id))

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        receiver = _changed(_receiver(action.subject_id), action.parameters)
        _check(receiver)
        receiver.save(update_fields=list(action.parameters))
        return {"changed": sorted(action.parameters)}


class OverlapForm(forms.Form):
    """How long messages are also signed with the secret before."""

    overlap_hours = forms.IntegerField(min_value=0, max_value=30 * 24, initial=24, label="Hours of overlap")


@register
class ActivateReceiverSecret(_OfReceivers):
    """Puts a staged secret into use; messages are signed with the one before, too, for the overlap."""

    name = "activate_receiver_secret"
    label = "Put the staged secret into use"
    form_class = OverlapForm
    reasons: ClassVar[dict[str, str]] = {
        "rotation": "Planned rotation",
        "first": "It is the first one",
        "leaked": "The present one may have leaked",
    }

    def check(self, subject_id: int, *, at: datetime) -> None:
        if _receiver(subject_id).staged_secret_sealed is None:
            raise NotPossible("No secret is staged for it.")

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        self.check(subject_id, at=at)
        receiver = _receiver(subject_id)
        hours = int(parameters["overlap_hours"])
        before = "signed with the present secret" if receiver.secrets_sealed else "no secret"
        after = f"the staged one, and for {hours} hours the present one too" if hours else "the staged one only"
        return Preview(
            summary=f"{receiver.name} gets messages under its new secret.",
            changes=(Change(what="messages", before=before, after=after),),
            basis={"staged": str(receiver.staged_mark)},
        )

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        list(Destination.objects.select_for_update().filter(pk=subject_id))

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        receiver = _receiver(action.subject_id)
        overlap = int(action.parameters["overlap_hours"]) * HOUR
        receiver.use_staged_secret(now=at, overlap_seconds=overlap, actor=action.actor)
        receiver.save(update_fields=["secrets_sealed", "overlap_until", "staged_secret_sealed"])
        return {"receiver": receiver.name}


def _receiver(pk: int) -> Destination:
    receiver = Destination.objects.filter(pk=pk).first()
    if receiver is None:
        raise NotPossible(f"There is no receiver {pk}.")
    return receiver


def _changed(receiver: Destination, parameters: Parameters) -> Destination:
    for name, value in parameters.items():
        setattr(receiver, name, value)
    return receiver


def _check(receiver: Destination) -> None:
    try:
        receiver.full_clean(exclude=["uid", "created_at"])
    except ValidationError as error:
        raise NotPossible(" ".join(error.messages)) from error


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return (json.dumps(value, sort_keys=True) if isinstance(value, dict) else str(value)) or "–"
