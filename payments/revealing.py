"""Shows a shopper's e-mail address to one person, once, for a reason: a dangerous act (payments/staff_operations.py).

Threats: curiosity (a role, a reason, a step-up; the audit log holds the act and the showing), a page left open or sent
on (shown once, to whoever asked, within minutes, never cached), an address in the act's own row (it holds none).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.core.exceptions import PermissionDenied
from django.db import transaction

from orders.models import Order
from payments.audit import recording as audit
from payments.audit.events import Event
from payments.masking import masked_address
from payments.models import AuditRecord, StaffAction
from payments.models.action import ActionState
from payments.roles import Area, Verb, check_may
from payments.staff_operations import Change, NotPossible, Parameters, Preview, StaffOperation, register

SHOWN_MINUTES = 5
"""So long after the act the address may be looked at, once."""


@register
class RevealPerson(StaffOperation):
    """Lets one person see the e-mail address of one order."""

    name = "reveal_person"
    label = "Reveal the e-mail address"
    subject_kind = Order.SUBJECT_KIND
    area = Area.REVEAL
    shows = "backoffice:person"
    reasons: ClassVar[dict[str, str]] = {
        "reach_customer": "We must reach the customer",
        "proves_identity": "The customer proves who they are",
        "data_subject": "The person it is about asks for their data",
        "authority": "An authority or a court asks",
        "audit": "Audit sample",
    }

    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        order = _order(subject_id)
        return Preview(
            summary=f"You see the e-mail address of order {order.number} once.",
            changes=(
                Change(what="e-mail address", before=masked_address(order.email), after="shown to you"),
                Change(what="audit log", before="–", after="who saw it, when and why"),
            ),
            order_id=order.pk,
        )

    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        _record(action, actor=action.requested_by, shown=False, at=at)
        return {"until": (at + timedelta(minutes=SHOWN_MINUTES)).isoformat()}


def shown(action_id: int, *, user: Any, at: datetime) -> str:
    """Return the address that the act revealed, and record that it was shown. Its own transaction.

    Raises PermissionDenied for anybody but who asked, or without the role by now; NotPossible the second time, or late.
    """
    with transaction.atomic(durable=True):
        action = StaffAction.objects.select_for_update(of=("self",)).get(pk=action_id)
        check_shown(action, user=user, at=at)
        _record(action, actor=user, shown=True, at=at)
        return _order(action.subject_id).email


def check_shown(action: StaffAction, *, user: Any, at: datetime) -> None:
    """Raise as shown() would; shows nothing."""
    if action.requested_by_id != user.pk:
        raise PermissionDenied("Only whoever asked for it sees it. Ask for your own, with your reason.")
    check_may(user, Verb.DO, Area.REVEAL)
    over = action.finished_at is None or at >= action.finished_at + timedelta(minutes=SHOWN_MINUTES)
    if action.operation != RevealPerson.name or action.state != ActionState.EXECUTED or over or _was_shown(action):
        raise NotPossible(f"It is shown once, within {SHOWN_MINUTES} minutes. Ask again if you still need it.")


def _was_shown(action: StaffAction) -> bool:
    return AuditRecord.objects.filter(
        subject_kind=Order.SUBJECT_KIND,
        subject_id=action.subject_id,
        event=Event.REVEALED,
        details__action=action.pk,
        details__shown=True,
    ).exists()


def _record(action: StaffAction, *, actor: Any, shown: bool, at: datetime) -> None:
    audit.record(
        Event.REVEALED,
        actor=actor,
        subject_kind=Order.SUBJECT_KIND,
        subject_id=action.subject_id,
        reason_code=action.reason_code,
        reason=action.reason,
        details={"action": action.pk, "shown": shown},
        at=at,
    )


def _order(order_id: int) -> Order:
    order = Order.objects.filter(pk=order_id).first()
    if order is None:
        raise NotPossible(f"There is no order {order_id}.")
    return order
