"""Pausing and resuming receivers and providers, and disabling receivers, as dangerous acts (DESIGN.md: a pause is a
state of the breaker)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, ClassVar

from django import forms

from integrations import breaker, providers, receivers
from integrations.breaker import BreakerRefused, Subject
from integrations.models import Breaker, BreakerState, Destination
from integrations.receivers import ReceiverRefused
from payments.models import StaffAction
from payments.roles import Area
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register

PAUSE_REASONS = {
    "incident": "An incident is under way",
    "maintenance": "Announced maintenance",
    "asked_by_receiver": "The other side asks for it",
}
RESUME_REASONS = {"over": "What it was paused for is over", "by_mistake": "It was paused by mistake"}


class _OfReceiver(StaffOperation):
    subject_kind = "destination"
    area = Area.PAUSE

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        list(Destination.objects.select_for_update().filter(pk=subject_id))


@register
class PauseReceiver(_OfReceiver):
    """Sends nothing to a receiver until somebody resumes it; what it is to be told waits."""

    name = "pause_receiver"
    label = "Pause the receiver"
    reasons: ClassVar[dict[str, str]] = PAUSE_REASONS

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        receiver = _receiver(subject_id)
        if _state(destination_id=receiver.pk) == BreakerState.PAUSED:
            raise NotPossible(f"{receiver.name} is paused already.")
        return Preview(
            summary=f"Nothing is sent to {receiver.name} until somebody resumes it; its letters wait.",
            changes=(Change(what="receiver", before="takes deliveries", after=BreakerState.PAUSED),),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        subject = Subject(destination_id=action.subject_id)
        with _refusals():
            breaker.pause(subject, actor=action.actor, reason=action.reason, now=at)
        return {"state": BreakerState.PAUSED.value}


@register
class ResumeReceiver(_OfReceiver):
    """Ends a pause: what waited is sent."""

    name = "resume_receiver"
    label = "Resume the receiver"
    reasons: ClassVar[dict[str, str]] = RESUME_REASONS

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        receiver = _receiver(subject_id)
        if _state(destination_id=receiver.pk) != BreakerState.PAUSED:
            raise NotPossible(f"{receiver.name} is not paused.")
        return Preview(
            summary=f"What waits for {receiver.name} is sent.",
            changes=(Change(what="receiver", before=BreakerState.PAUSED, after="takes deliveries"),),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        with _refusals():
            breaker.resume(Subject(destination_id=action.subject_id), actor=action.actor, reason=action.reason, now=at)
        return {"state": "resumed"}


@register
class DisableReceiver(_OfReceiver):
    """Takes a receiver out of use: it gets no new facts, and what it has waits."""

    name = "disable_receiver"
    label = "Disable the receiver"
    reasons: ClassVar[dict[str, str]] = {
        "gone": "It is gone for good",
        "wrong": "It was set up wrongly",
        "compromised": "It or its secret is compromised",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        receiver = _receiver(subject_id)
        if not receiver.active:
            raise NotPossible(f"{receiver.name} is disabled already.")
        return Preview(
            summary=f"{receiver.name} is told nothing more. Enabling it later can make up for what it missed.",
            changes=(Change(what="receiver", before="active", after="disabled"),),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        with _refusals():
            receivers.disable(action.subject_id, reason=action.reason, now=at)
        return {"state": "disabled"}


class EnableForm(forms.Form):
    """What the receiver is told of the time it was disabled."""

    catch_up = forms.BooleanField(required=False, label="Also tell it what it missed")


@register
class EnableReceiver(_OfReceiver):
    """Takes a disabled receiver into use again, with or without what it missed."""

    name = "enable_receiver"
    label = "Enable the receiver"
    form_class = EnableForm
    reasons: ClassVar[dict[str, str]] = {"mended": "It is mended", "by_mistake": "It was disabled by mistake"}

    def check(self, subject_id: int, *, at: datetime) -> None:
        receiver = _receiver(subject_id)
        if receiver.active:
            raise NotPossible(f"{receiver.name} is not disabled.")

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        self.check(subject_id, at=at)
        receiver = _receiver(subject_id)
        told = "and is told the facts that it missed" if parameters["catch_up"] else "from now on"
        return Preview(
            summary=f"{receiver.name} is told facts again, {told}.",
            changes=(Change(what="receiver", before="disabled", after="active"),),
            # How many there are is advice: in a shop that sells, it is another number when the form comes back.
            warnings=(f"Facts it has missed so far: {receivers.missed(receiver).count}.",),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        with _refusals():
            queued = receivers.enable(action.subject_id, catch_up=bool(action.parameters["catch_up"]), now=at)
        return {"queued": queued}


class ProviderForm(forms.Form):
    """Which provider."""

    provider = forms.ChoiceField()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["provider"] = forms.ChoiceField(choices=[(name, name) for name in providers.enabled()])


class _OfProvider(StaffOperation):
    subject_kind = "provider"
    area = Area.PAUSE
    form_class = ProviderForm


@register
class PauseProvider(_OfProvider):
    """Begins no new payment at a provider; looks and closings go on, for what was paid must still be found."""

    name = "pause_provider"
    label = "Pause a provider"
    reasons: ClassVar[dict[str, str]] = PAUSE_REASONS

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        name = str(parameters["provider"])
        if _state(provider=name) == BreakerState.PAUSED:
            raise NotPossible(f"{name} is paused already.")
        others = [each for each in providers.enabled() if each != name]
        return Preview(
            summary=f"Shoppers are not offered {name} any more. Payments under way are still found and settled.",
            changes=(Change(what=name, before="offered", after=BreakerState.PAUSED),),
            warnings=() if others else ("It is the only provider: nobody can pay until it is resumed.",),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        with _refusals():
            subject = Subject(provider=action.parameters["provider"])
            breaker.pause(subject, actor=action.actor, reason=action.reason, now=at)
        return {"state": BreakerState.PAUSED.value}


@register
class ResumeProvider(_OfProvider):
    """Ends a provider's pause."""

    name = "resume_provider"
    label = "Resume a provider"
    reasons: ClassVar[dict[str, str]] = RESUME_REASONS

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        name = str(parameters["provider"])
        if _state(provider=name) != BreakerState.PAUSED:
            raise NotPossible(f"{name} is not paused.")
        return Preview(
            summary=f"Shoppers are offered {name} again.",
            changes=(Change(what=name, before=BreakerState.PAUSED, after="offered"),),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        with _refusals():
            subject = Subject(provider=action.parameters["provider"])
            breaker.resume(subject, actor=action.actor, reason=action.reason, now=at)
        return {"state": "resumed"}


def _receiver(destination_id: int) -> Destination:
    receiver = Destination.objects.filter(pk=destination_id).first()
    if receiver is None:
        raise NotPossible(f"There is no receiver {destination_id}.")
    return receiver


def _state(**whose: Any) -> str:
    found = Breaker.objects.filter(**whose).values_list("state", flat=True).first()
    return found or BreakerState.CLOSED


@contextmanager
def _refusals() -> Iterator[None]:
    """Say in the back office's words what the edge refuses."""
    try:
        yield
    except (BreakerRefused, ReceiverRefused) as error:
        raise NotPossible(str(error)) from error
