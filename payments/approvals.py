"""The second person: who may decide about an act, and what their decision does. Requests end after 24 hours."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet

from payments import staff_operations
from payments.actions import APPROVAL_HOURS, execute, finish
from payments.clock import Clock
from payments.models.action import ActionState, Approval, Decision, StaffAction
from payments.roles import Area, Verb, check_may, may_any
from payments.staff_operations import NotPossible, preview_of

log = structlog.get_logger(__name__)


def may_decide(user: Any, action: StaffAction) -> bool:
    """Say whether this person may approve or refuse the action: the role for it, and not who asked."""
    try:
        check_may_decide(user, action)
    except PermissionDenied:
        return False
    return True


def check_may_decide(user: Any, action: StaffAction) -> None:
    """Raise PermissionDenied, with the sentence a person reads, unless they may decide about it."""
    if user.pk == action.requested_by_id:
        raise PermissionDenied("You asked for this yourself. A second person must decide.")
    area = _area_of(action)
    if not may_any(user, (Verb.APPROVE, Verb.DO), area):
        check_may(user, Verb.APPROVE, area)
    if why := staff_operations.get(action.operation).refusal(user, preview_of(action)):
        raise PermissionDenied(why)


def decide(*, action_id: int, approve: bool, note: str, user: Any, clock: Clock) -> StaffAction:
    """Approve and execute, or refuse. Raises PermissionDenied, and NotPossible when it is decided or over already."""
    at = clock()
    with transaction.atomic(durable=True):
        action = StaffAction.objects.select_for_update(of=("self",)).get(pk=action_id)
        approval = Approval.objects.select_for_update().filter(action=action).first()
        if approval is None or approval.decision or action.state != ActionState.REQUESTED:
            raise NotPossible(f"There is nothing to decide: it is {action.get_state_display()}")
        check_may_decide(user, action)
        if at >= approval.expires_at:
            raise NotPossible("The request has expired. Whoever asked can ask again.")
        approval.decision = Decision.APPROVED if approve else Decision.REFUSED
        approval.decided_by, approval.decided_at, approval.note = user, at, note.strip()[:1000]
        approval.save()
        if not approve:
            finish(action, ActionState.REFUSED, at=at)
    log.info("action_decided", action=action.pk, decision=approval.decision, user_id=user.pk)
    return execute(action.pk, clock=clock) if approve else action


def withdraw(*, action_id: int, user: Any, at: datetime) -> StaffAction:
    """Take back a request of one's own that nobody has decided about. Raises PermissionDenied, NotPossible."""
    with transaction.atomic(durable=True):
        action = StaffAction.objects.select_for_update(of=("self",)).get(pk=action_id)
        if action.requested_by_id != user.pk:
            raise PermissionDenied("Only whoever asked for it can take it back.")
        if (
            action.state != ActionState.REQUESTED
            or Approval.objects.filter(action=action).exclude(decision="").exists()
        ):
            raise NotPossible(f"It is too late: {action.get_state_display()}")
        finish(action, ActionState.WITHDRAWN, at=at)
    return action


def expire_undecided(*, at: datetime, most: int) -> int:
    """End requests whose 24 hours are over, decided or not; return how many. For the keeper."""
    count = 0
    for action_id in _over(at).order_by("pk").values_list("pk", flat=True)[:most]:
        with transaction.atomic(durable=True):
            action = StaffAction.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=action_id).first()
            if action is not None and action.state == ActionState.REQUESTED:
                finish(action, ActionState.EXPIRED, at=at)
                count += 1
    return count


def has_expired(*, at: datetime) -> bool:
    """Say whether expire_undecided() has something to end."""
    return _over(at).exists()


def _over(at: datetime) -> QuerySet[StaffAction]:
    too_old = Q(approval__expires_at__lte=at) | Q(requested_at__lte=at - timedelta(hours=APPROVAL_HOURS))
    return StaffAction.objects.filter(too_old, state=ActionState.REQUESTED)


def _area_of(action: StaffAction) -> Area:
    return staff_operations.get(action.operation).area_for(preview_of(action))
