"""What a provider sent, shown to people: masked to whoever works with the inbox, raw only after a recorded reveal.

Threats: a curious person (the raw bytes take a role, a reason and a step-up, each showing is a DecryptionRecord and an
audit event; five minutes, and only whoever asked), personal data on a screen (the masked view is an allow-list of
keys), script in a provider's field (templates escape, the raw bytes are shown as text), hostile JSON (limits, and a
sentence in the place of what cannot be read).
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied

from integrations.encryption import CannotDecrypt, Purpose
from payments import inbox
from payments.audit import recording as audit
from payments.audit.events import Event
from payments.masking import masked
from payments.models import ProviderEvent, StaffAction
from payments.models.action import ActionState
from payments.roles import Area, Verb, check_may
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register

SHOWN_MINUTES = 5
MOST_BYTES = 1024 * 1024


@register
class RevealPayload(StaffOperation):
    """Lets one person see the raw bytes of one event for five minutes."""

    name = "reveal_payload"
    label = "Reveal the raw payload"
    subject_kind = "event"
    area = Area.REVEAL
    shows = "backoffice:payload"
    reasons: ClassVar[dict[str, str]] = {
        "provider_asks": "The provider asks what it sent",
        "defect": "We look for a defect",
        "authority": "An authority or a court asks",
        "data_subject": "The person it is about asks",
        "audit": "Audit sample",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        event = ProviderEvent.objects.select_related("attempt").filter(pk=subject_id).first()
        if event is None:
            raise NotPossible(f"There is no event {subject_id}.")
        return Preview(
            summary=f"You see, for {SHOWN_MINUTES} minutes, all that {event.provider} sent with {event.event_id}.",
            changes=(Change(what="record", before="–", after="who, when and why stand in the audit log"),),
            order_id=event.attempt.order_id if event.attempt else None,
            warnings=("It may hold names and addresses. Copy nothing that the reason does not need.",),
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        audit.record(
            Event.REVEALED,
            actor=action.requested_by,
            subject_kind="event",
            subject_id=action.subject_id,
            reason_code=action.reason_code,
            reason=action.reason,
            details={"action": action.pk},
            at=at,
        )
        return {"until": (at + timedelta(minutes=SHOWN_MINUTES)).isoformat()}


def revealed(action: StaffAction, *, user: Any, at: datetime) -> str:
    """Return the raw bytes of a revealed event as text, once more recorded. Opens no transaction, and must be in none.

    Raises PermissionDenied for anybody but who asked or without the role by now, NotPossible when the time is over or
    the bytes do not open.
    """
    if action.requested_by_id != user.pk:
        raise PermissionDenied("Only whoever asked for it sees it. Ask for your own, with your reason.")
    check_may(user, Verb.DO, Area.REVEAL)
    over = action.finished_at is None or at >= action.finished_at + timedelta(minutes=SHOWN_MINUTES)
    if action.operation != RevealPayload.name or action.state != ActionState.EXECUTED or over:
        raise NotPossible(f"It was shown for {SHOWN_MINUTES} minutes. Ask again if you still need it.")
    event = ProviderEvent.objects.get(pk=action.subject_id)
    try:
        body = inbox.raw_body(event, purpose=Purpose.REVEAL, actor=f"user:{user.pk}", reason=action.reason)
    except CannotDecrypt as error:
        raise NotPossible(str(error)) from error
    return body[:MOST_BYTES].decode("utf-8", "backslashreplace")


def masked_payload(event: ProviderEvent, *, user: Any) -> str:
    """Return the event's body with only the keys that are safe to show, as indented JSON; or why it cannot be shown."""
    check_may(user, Verb.VIEW, Area.MESSAGES)
    try:
        body = inbox.raw_body(event, purpose=Purpose.MASKED, actor=f"user:{user.pk}")
    except CannotDecrypt as error:
        return f"It does not open: {error}"
    try:
        told = json.loads(body[:MOST_BYTES])
        return json.dumps(masked(told), indent=2, ensure_ascii=False, sort_keys=True)
    except (ValueError, RecursionError):
        return "It is no JSON that can be read."
