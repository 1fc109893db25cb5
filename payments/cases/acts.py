"""What people do with cases and events: close a case with a resolution, put an event back to work."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django import forms

from integrations import providers
from integrations.contract import ProviderError
from payments import inbox
from payments.cases.areas import area_of
from payments.cases.opening import close_case
from payments.models import Case, PaymentAttempt, ProviderEvent, StaffAction
from payments.models.case import Resolution
from payments.roles import Area
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register
from payments.states import EventState


class CloseCaseForm(forms.Form):
    """How the case ended; an accepted difference may be looked at anew later."""

    resolution = forms.ChoiceField(choices=Resolution.choices)
    accept_days = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=366,
        label="Accepted for (days)",
        help_text="Only for “Accepted”: seen again after so many days, it is a new case. Empty: for good.",
    )


class _Close(StaffOperation):
    """Ends a case. It mends nothing by itself: what is still wrong when it is next seen is a case again."""

    label = "Close the case"
    subject_kind = "case"
    form_class = CloseCaseForm
    step_up = False
    reasons: ClassVar[dict[str, str]] = {
        "checked_with_provider": "Checked with the provider",
        "mended_by_correction": "Mended by a correction or refund",
        "agreed_with_customer": "Agreed with the customer",
        "written_off": "Written off",
    }

    def check(self, subject_id: int, *, at: datetime) -> None:
        self._open(subject_id)

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        case = self._open(subject_id)
        return Preview(
            summary=f"{case} is closed: {Resolution(parameters['resolution']).label.lower()}.",
            changes=(Change(what="case", before="open", after=str(parameters["resolution"])),),
            stake=case.stake,
            order_id=case.order_id,
            warnings=("What is still wrong when it is next seen opens a new case.",)
            if parameters["resolution"] != Resolution.ACCEPTED
            else (),
        )

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        Case.objects.select_for_update(of=("self",)).get(pk=subject_id)

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        case = Case.objects.get(pk=action.subject_id)
        resolution, days = Resolution(action.parameters["resolution"]), action.parameters.get("accept_days")
        until = at + timedelta(days=days) if days and resolution is Resolution.ACCEPTED else None
        close_case(case, resolution=resolution, at=at, user=action.requested_by, accepted_until=until)
        return {"resolution": resolution.value}

    def _open(self, subject_id: int) -> Case:
        case = _open_case(subject_id)
        if (area := area_of(case.kind)) is not self.area:
            raise NotPossible(f"A case of this kind is closed by whoever works on {area.label}.")
        return case


@register
class CloseCase(_Close):
    """Finance's: money, and suspicious buyers."""

    name = "close_case"
    area = Area.FINANCE


@register
class CloseAlert(_Close):
    """Of what comes in, goes out and runs; after its runbook's proof of recovery."""

    name = "close_alert"
    area = Area.MESSAGES
    reasons: ClassVar[dict[str, str]] = {
        "recovery_proved": "Recovery proved as the runbook says",
        "known_work": "Caused by work of ours, which is done",
        "threshold_too_low": "Nothing was wrong; the threshold is too low",
        "handed_over": "Handed over to the provider or receiver",
    }


@register
class RequeueEvent(StaffOperation):
    """Puts a dead, parked, failed or processed event back to work. A look repeats nothing."""

    name = "requeue_event"
    label = "Process the event again"
    subject_kind = "event"
    area = Area.MESSAGES
    reasons: ClassVar[dict[str, str]] = {
        "cause_mended": "What made it fail is mended",
        "suspected_missed": "We suspect that its effect is missing",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        event = _event(subject_id)
        if event.state in (EventState.UNVERIFIED, EventState.REJECTED):
            raise NotPossible("Its proof was not accepted, so it is never processed.")
        if event.state == EventState.RECEIVED:
            raise NotPossible("It is waiting to be processed already.")
        return Preview(
            summary=f"{event.provider} event {event.event_id} ({event.type}) goes back to the workers.",
            changes=(Change(what="event", before=event.state, after=EventState.RECEIVED),),
            order_id=event.attempt.order_id if event.attempt else None,
            warnings=("Processing asks the provider anew and settles what it says now; nothing is done twice.",),
        )

    def lock(self, subject_id: int, parameters: Parameters) -> None:
        ProviderEvent.objects.select_for_update(of=("self",)).get(pk=subject_id)

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        return {"requeued": inbox.requeue([action.subject_id], at=at)}

    def foresee(self, subject_id: int, parameters: Parameters, *, at: datetime) -> list[Change]:
        event = _event(subject_id)
        attempt = inbox.match(event)
        if attempt is None:
            return [Change(what="match", before="no attempt has its reference or ids", after="parked again")]
        return _what_a_look_would_find(attempt)


def _open_case(case_id: int) -> Case:
    case = Case.objects.select_related("order").filter(pk=case_id).first()
    if case is None:
        raise NotPossible(f"There is no case {case_id}.")
    if case.closed_at is not None:
        raise NotPossible("This case is closed already.")
    return case


def _event(event_id: int) -> ProviderEvent:
    event = ProviderEvent.objects.select_related("attempt").filter(pk=event_id).first()
    if event is None:
        raise NotPossible(f"There is no event {event_id}.")
    return event


def _what_a_look_would_find(attempt: PaymentAttempt) -> list[Change]:
    """Ask the provider, change nothing, and say in words where it differs from what we hold."""
    try:
        snapshot = providers.get(attempt.provider).fetch(attempt.ids)
    except ProviderError as error:
        return [Change(what=attempt.provider, before="not asked yet", after=f"cannot be asked: {error.category}")]
    known = set(attempt.captures.values_list("capture_id", flat=True))
    new = [capture for capture in snapshot.captures if capture.capture_id not in known]
    changes = [Change(what="payment", before=f"here: {attempt.state}", after=f"{attempt.provider}: {snapshot.status}")]
    changes += [
        Change(
            what=f"capture {told.capture_id}",
            before="not here",
            after=f"{told.amount_minor} {told.currency} (minor units)",
        )
        for told in new
    ]
    if not new and snapshot.status == attempt.state:
        changes.append(Change(what="effect", before="–", after="none: what we hold agrees with the provider"))
    return changes
