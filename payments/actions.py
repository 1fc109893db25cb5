"""Dangerous acts of people: choose → preview → reason → step-up → (a second person) → done once, as previewed.

A StaffOperation says what an act is (payments/staff_operations.py). This module makes it a row (StaffAction), asks for
a second person where one is needed (payments/approvals.py), and executes it in one transaction together with its row.
Execution computes the preview anew under the operation's locks and compares fingerprints, so that nobody does what they
did not see. The action's uid is the idempotency key: the same form sent twice, or by two tabs, is one act.

Threats: a refreshed or replayed form (uid); a preview that is no longer true (fingerprint); the requester approving
their own act (roles, and a database constraint); a forged subject or parameter (the operation checks each anew, from
the database); an act by whoever lost their role meanwhile (asked again at each step, of both persons).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from integrations import correlation
from integrations.failpoints import failpoint
from orders.transitions import operation as durable_operation
from payments import staff_operations
from payments.audit import recording as audit
from payments.clock import Clock
from payments.models.action import ActionState, Approval, Decision, StaffAction
from payments.roles import Verb, may, may_any, who_may
from payments.staff_operations import NotPossible, Parameters, Preview, StaffOperation, preview_of

log = structlog.get_logger(__name__)

APPROVAL_HOURS = 24
REASON_MIN_CHARACTERS = 10
RETRY_SECONDS = 300
"""How long what cannot be done now waits for its next try."""
RESUME_AFTER_SECONDS = 60
"""Nobody is still executing it in their own request after this."""


Bind = Callable[[StaffAction], None]
"""What it writes commits with the action or not at all."""


class BadReason(ValueError):
    """No code of the list, or too short a text. Ask the person again."""


# --- who may -------------------------------------------------------------------------------------------------


def check_may_ask(user: Any, operation: StaffOperation, preview: Preview | None = None) -> None:
    """Raise PermissionDenied unless the person may do or request this."""
    area = operation.area_for(preview) if preview else operation.area
    if not may_any(user, (Verb.DO, Verb.REQUEST), area):
        raise PermissionDenied(
            f"Your roles do not let you {operation.label.lower()}. {who_may(Verb.DO, area)} "
            f"{who_may(Verb.REQUEST, area).replace(' can.', ' can ask for it.')}"
        )
    if preview and (why := operation.refusal(user, preview)):
        raise PermissionDenied(why)


def why_second_person(user: Any, operation: StaffOperation, preview: Preview) -> str:
    """Say why a second person must agree before this is done; empty if this person may simply do it."""
    area = operation.area_for(preview)
    if reason := operation.second_person(preview):
        return reason
    if may(user, Verb.DO, area):
        return ""
    return f"Your roles let you ask for {area.label}, not do them alone."


# --- asking and doing ----------------------------------------------------------------------------------------


def request(
    *,
    uid: uuid.UUID,
    operation: StaffOperation,
    subject_id: int,
    parameters: Parameters,
    fingerprint: str,
    reason_code: str,
    reason: str,
    user: Any,
    via: str,
    clock: Clock,
    bind: Bind | None = None,
) -> StaffAction:
    """Do the act, or ask a second person for it; the same `uid` again returns the action as it stands.

    `bind` is told of a new action inside the transaction that makes it.

    Raises PermissionDenied, BadReason, and NotPossible (also when the preview is no longer what the person saw).
    """
    known = StaffAction.objects.filter(uid=uid).first()
    if known is not None:
        return _only_of(user, known)
    code, text = _check_reason(operation, reason_code, reason)
    at = clock()
    preview = operation.preview(subject_id, parameters, at=at)
    check_may_ask(user, operation, preview)
    if preview.fingerprint != fingerprint:
        raise NotPossible("Something changed since you looked. Nothing was done; please check the new preview.")
    why = why_second_person(user, operation, preview)
    try:
        with transaction.atomic(durable=True):
            action = StaffAction.objects.create(
                uid=uid,
                operation=operation.name,
                subject_kind=operation.subject_kind,
                subject_id=subject_id,
                order_id=preview.order_id,
                parameters=dict(parameters),
                preview=preview.as_json(),
                fingerprint=fingerprint,
                amount_minor=preview.stake.amount_minor if preview.stake else None,
                currency=preview.stake.currency if preview.stake else "",
                reason_code=code,
                reason=text,
                requested_by=user,
                requested_at=at,
                via=via,
                correlation_id=correlation.current(),
            )
            if why:
                expires = at + timedelta(hours=APPROVAL_HOURS)
                Approval.objects.create(action=action, requested_by=user, why=why[:200], expires_at=expires)
            if bind is not None:
                bind(action)
    except IntegrityError:  # the same form from another tab, a moment ago
        return _only_of(user, StaffAction.objects.get(uid=uid))
    failpoint("action.requested")
    log.info("action_requested", action=action.pk, operation=operation.name, user_id=user.pk, second_person=bool(why))
    return action if why else _do_at_once(action, clock=clock)


def execute(action_id: int, *, clock: Clock) -> StaffAction:
    """Do what was asked for and, where needed, approved; once, whoever calls. Opens its own transactions.

    Raises NotPossible where it cannot be done *now* (the action stays, and may be tried again until it expires).
    """
    action = StaffAction.objects.get(pk=action_id)
    operation = staff_operations.get(action.operation)
    if action.state != ActionState.REQUESTED:
        return action
    if not _may_no_longer(operation, action):
        operation.before(action, clock=clock)
    with durable_operation():
        action = StaffAction.objects.select_for_update(of=("self",)).get(pk=action_id)
        if action.state != ActionState.REQUESTED:
            return action
        _require_approval(action)
        at = clock()
        operation.lock(action.subject_id, action.parameters)
        if _may_no_longer(operation, action) or _was_overtaken(operation, action, at=at):
            finish(action, ActionState.OVERTAKEN, at=at)
        else:
            action.result = _do(operation, action, at=at)
            finish(action, ActionState.EXECUTED, at=at)
            failpoint("action.before_commit")
    failpoint("action.after_commit")
    log.info("action_finished", action=action.pk, operation=action.operation, state=action.state)
    if action.state == ActionState.EXECUTED:
        _afterwards(operation, action, clock=clock)
    return action


def resume(*, clock: Clock, most: int) -> int:
    """Execute what was decided but not done (a crash, a provider away); return how many. For the keeper."""
    count = 0
    for action_id in _unfinished(clock()).order_by("pk").values_list("pk", flat=True)[:most]:
        try:
            execute(action_id, clock=clock)
        except NotPossible as error:
            log.warning("action_waits", action=action_id, why=str(error))
            _put_off(action_id, at=clock())
            continue
        except Exception:  # one act must not stop the others, nor the rest of the housekeeping
            log.exception("action_failed", action=action_id)
            _put_off(action_id, at=clock())
            continue
        count += 1
    return count


def _put_off(action_id: int, *, at: datetime) -> None:
    later = at + timedelta(seconds=RETRY_SECONDS)
    StaffAction.objects.filter(pk=action_id, state=ActionState.REQUESTED).update(next_try_at=later)


def any_unfinished(*, at: datetime) -> bool:
    """Say whether resume() has something to do."""
    return _unfinished(at).exists()


def _unfinished(at: datetime) -> QuerySet[StaffAction]:
    """Return what somebody should have executed by now: approved, or needing no approval, a minute ago."""
    before = at - timedelta(seconds=RESUME_AFTER_SECONDS)
    approved = Q(approval__decision=Decision.APPROVED, approval__decided_at__lte=before)
    its_turn = Q(next_try_at=None) | Q(next_try_at__lte=at)
    return StaffAction.objects.filter(
        approved | Q(approval=None, requested_at__lte=before), its_turn, state=ActionState.REQUESTED
    )


def _do_at_once(action: StaffAction, *, clock: Clock) -> StaffAction:
    """Execute what its own requester may do. Told that it is not possible, they will not expect it to happen later."""
    try:
        return execute(action.pk, clock=clock)
    except NotPossible as error:
        with transaction.atomic(durable=True):
            action = StaffAction.objects.select_for_update(of=("self",)).get(pk=action.pk)
            if action.state == ActionState.REQUESTED:
                action.result = {"why": str(error)}
                finish(action, ActionState.OVERTAKEN, at=clock())
        raise


def _check_reason(operation: StaffOperation, code: str, text: str) -> tuple[str, str]:
    if code not in operation.reasons:
        raise BadReason("Choose a reason from the list.")
    text = text.strip()
    if len(text) < REASON_MIN_CHARACTERS or "\x00" in text:
        raise BadReason(f"Say in at least {REASON_MIN_CHARACTERS} characters why; others will read it.")
    return code, text[:1000]


def _only_of(user: Any, action: StaffAction) -> StaffAction:
    if action.requested_by_id != user.pk:
        raise PermissionDenied("This act is somebody else's.")
    return action


def _require_approval(action: StaffAction) -> None:
    approval = Approval.objects.filter(action=action).first()
    if approval is not None and approval.decision != Decision.APPROVED:
        raise NotPossible("A second person has not agreed yet.")


def _may_no_longer(operation: StaffOperation, action: StaffAction) -> bool:
    """Say whether those who asked and agreed have lost the right to, and write down why it is not done then.

    Their rows are read anew: a request or an approval of somebody who was shut out since is not carried out.
    """
    preview = preview_of(action)
    area = operation.area_for(preview)
    approval = Approval.objects.select_related("decided_by").filter(action=action).first()
    asked, agreed = action.requested_by, approval.decided_by if approval is not None else None
    try:
        check_may_ask(asked, operation, preview)
    except PermissionDenied:
        action.result = {"why": f"{asked.get_username()}, who asked for it, may not ask for it any more."}
        return True
    if approval is None and why_second_person(asked, operation, preview):
        action.result = {"why": f"{asked.get_username()} may not do it alone any more."}
        return True
    if agreed is not None and not may_any(agreed, (Verb.APPROVE, Verb.DO), area):
        action.result = {"why": f"{agreed.get_username()}, who agreed to it, may not do so any more."}
        return True
    return False


def _do(operation: StaffOperation, action: StaffAction, *, at: datetime) -> dict[str, Any]:
    """Execute; whatever rows change by it stand in the audit log with who asked for it and why."""
    with audit.acting(
        actor=action.requested_by,
        reason_code=action.reason_code,
        reason=action.reason,
        action_id=action.pk,
        correlation_id=action.correlation_id,
    ):
        return operation.execute(action, at=at)


def _was_overtaken(operation: StaffOperation, action: StaffAction, *, at: datetime) -> bool:
    try:
        now = operation.preview(action.subject_id, action.parameters, at=at)
    except NotPossible as error:
        action.result = {"why": str(error)}
        return True
    if now.fingerprint == action.fingerprint:
        return False
    action.result = {"why": "What the preview showed is no longer so.", "now": now.as_json()}
    return True


def _afterwards(operation: StaffOperation, action: StaffAction, *, clock: Clock) -> None:
    try:
        operation.after(action, clock=clock)
    except Exception:  # what was decided stands; workers, sweeping and looks go on from the rows
        log.exception("action_afterwards_failed", action=action.pk)


def finish(action: StaffAction, state: ActionState, *, at: datetime) -> None:
    """Write the end of an action. Needs its row lock."""
    action.state, action.finished_at = state, at
    action.save(update_fields=["state", "finished_at", "result"])
