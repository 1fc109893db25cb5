"""Replaying dead letters as dangerous acts: one canary first, then a page of them or all that match, as previewed.

Above 50 letters it takes a second person (payments/roles.py, Area.MESSAGES_MANY). Rows only: workers send.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms

from integrations import dead_letters
from integrations.dead_letters import CannotReplay, DeadFilter
from integrations.facts import Fact
from integrations.models import Delivery, DeliveryReplay, DeliveryState, Destination
from payments.models import StaffAction
from payments.models.action import ActionState
from payments.roles import Area
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register

ALONE = 50
"""So many a person may replay without a second one."""
CANARY_COUNTS_HOURS = 24


class DeadLettersForm(forms.Form):
    """Which dead letters. What is left empty does not narrow the choice."""

    destination = forms.TypedChoiceField(coerce=int, required=False, empty_value=None, label="Receiver")
    fact = forms.ChoiceField(required=False, choices=[("", "any fact"), *((fact.value, fact.value) for fact in Fact)])
    error = forms.CharField(required=False, max_length=64, label="Error fingerprint")
    ids = forms.CharField(
        required=False, max_length=2000, label="Delivery ids", help_text="Comma list, to replay just these."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["destination"]
        if isinstance(field, forms.TypedChoiceField):
            receivers = Destination.objects.order_by("name").values_list("pk", "name")
            field.choices = [("", "any receiver"), *receivers]

    def clean_ids(self) -> str:
        found = [each.strip() for each in self.cleaned_data["ids"].split(",") if each.strip()]
        if not all(each.isascii() and each.isdigit() and len(each) < 19 for each in found):
            raise forms.ValidationError("Write ids of deliveries, such as 12,13,17.")
        return ",".join(found)


class _DeadLetters(StaffOperation):
    """An act on the dead letters that a filter names."""

    subject_kind = "dead_letters"
    area = Area.MESSAGES
    form_class = DeadLettersForm
    reasons: ClassVar[dict[str, str]] = {
        "receiver_mended": "The receiver is mended",
        "configuration_mended": "Address, secret or access is mended",
        "defect_mended": "A defect of ours is mended",
        "try_out": "To find out whether it works again",
    }

    def area_for(self, preview: Preview) -> Area:
        return Area.MESSAGES if preview.count <= ALONE else Area.MESSAGES_MANY


@register
class ReplayCanary(_DeadLetters):
    """Queues one letter of the set, so that nobody sends thousands into a receiver that is not mended."""

    name = "replay_canary"
    label = "Replay one first"

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        chosen = filter_of(parameters)
        told = dead_letters.preview_replay(chosen)
        if not told.count:
            raise NotPossible("No dead letter matches.")
        return Preview(
            summary="One of the letters that match, the oldest its receiver takes, is sent again under its old key.",
            changes=(Change(what="one delivery", before=DeliveryState.DEAD, after=DeliveryState.QUEUED),),
            warnings=told.waits_at,
            basis={"filter": chosen.as_json()},
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        try:
            replayed = dead_letters.replay_canary(
                filter_of(action.parameters), actor=action.actor, reason=action.reason[:300], now=at
            )
        except CannotReplay as error:
            raise NotPossible(str(error)) from error
        return {"replay": replayed.pk, "delivery": replayed.delivery_id}


@register
class ReplayDeadLetters(_DeadLetters):
    """Queues every letter that matches, once the canary of the same set has arrived."""

    name = "replay_dead_letters"
    label = "Replay all that match"

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        chosen = filter_of(parameters)
        told = dead_letters.preview_replay(chosen)
        if not told.count:
            raise NotPossible("No dead letter matches.")
        if told.count > 1:
            _require_canary(parameters, at=at)
        warnings = [*told.waits_at]
        if told.already_delivered:
            warnings.append(f"{told.already_delivered} of those named have been delivered since; they are left out.")
        if told.perhaps_there:
            warnings.append(f"{told.perhaps_there} may have arrived unconfirmed; their key, or a look-up, tells.")
        return Preview(
            summary=f"{told.count} dead letters, of {told.oldest:%Y-%m-%d %H:%M} to {told.newest:%Y-%m-%d %H:%M} UTC, "
            "are sent again under their old keys.",
            changes=(Change(what=f"{told.count} deliveries", before=DeliveryState.DEAD, after=DeliveryState.QUEUED),),
            count=told.count,
            warnings=tuple(warnings),
            basis={"set": told.fingerprint_of_the_set},
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        chosen = filter_of(action.parameters)
        try:
            ids = dead_letters.replay(
                chosen,
                expected=action.preview["basis"]["set"],
                actor=action.actor,
                reason=action.reason[:300],
                now=at,
            )
        except CannotReplay as error:
            raise NotPossible(str(error)) from error
        return {"queued": len(ids)}


@register
class SkipDeadLetter(StaffOperation):
    """Lets later facts about the same order pass a dead letter at a receiver that takes them in order."""

    name = "skip_dead_letter"
    label = "Let later facts pass it"
    subject_kind = "delivery"
    area = Area.MESSAGES
    reasons: ClassVar[dict[str, str]] = {
        "never_needed": "The receiver does not need it",
        "told_otherwise": "The receiver was told in another way",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        letter = Delivery.objects.select_related("destination", "event").filter(pk=subject_id).first()
        if letter is None:
            raise NotPossible(f"There is no delivery {subject_id}.")
        if letter.state != DeliveryState.DEAD:
            raise NotPossible("Only a dead letter is passed.")
        if not letter.destination.ordered or letter.skipped_at is not None:
            raise NotPossible("Nothing waits behind it.")
        return Preview(
            summary=f"What waits behind {letter.event.fact} at {letter.destination.name} goes on without it.",
            changes=(Change(what="delivery", before="in front of later facts", after="passed; it stays dead"),),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        rows = Delivery.objects.filter(pk=action.subject_id)
        return {"passed": len(dead_letters.skip(rows, actor=action.actor, reason=action.reason[:300], now=at))}


def filter_of(parameters: Mapping[str, Any]) -> DeadFilter:
    """Return the set that a form's data name."""
    ids = tuple(int(each) for each in str(parameters.get("ids") or "").split(",") if each)
    return DeadFilter(
        ids=ids,
        destination_id=parameters.get("destination") or None,
        fact=parameters.get("fact") or "",
        fingerprint=parameters.get("error") or "",
    )


def canary_of(parameters: Parameters, *, at: datetime) -> StaffAction | None:
    """Return the newest canary of just this set within the last day."""
    recent = at - timedelta(hours=CANARY_COUNTS_HOURS)
    sent = StaffAction.objects.filter(
        operation=ReplayCanary.name, state=ActionState.EXECUTED, finished_at__gte=recent, parameters=dict(parameters)
    )
    return sent.order_by("-pk").first()


def canary_outcome(action: StaffAction) -> dead_letters.CanaryOutcome:
    """Return how a canary ended so far."""
    replayed = DeliveryReplay.objects.select_related("delivery__destination").get(pk=action.result["replay"])
    return dead_letters.canary_outcome(replayed)


def _require_canary(parameters: Parameters, *, at: datetime) -> None:
    canary = canary_of(parameters, at=at)
    if canary is None:
        raise NotPossible("Replay one of them first: it shows whether the receiver takes them again.")
    outcome = canary_outcome(canary)
    if outcome.state != "delivered":
        raise NotPossible(f"The one that went first has not arrived: {outcome.state}. {outcome.detail}")
