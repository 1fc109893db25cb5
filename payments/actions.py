"""Dangerous acts of people: choose → preview → reason → step-up → (a second person) → done once, as previewed.

A StaffOperation says what an act is; this module makes it a row (StaffAction), asks for a second person where one is
needed, and executes it in one transaction together with its row. Execution computes the preview anew under the
operation's locks and compares fingerprints, so that nobody does what they did not see. The action's uid is the
idempotency key: the same form sent twice, or by two tabs, is one act.

Threats: a refreshed or replayed form (uid); a preview that is no longer true (fingerprint); the requester approving
their own act (roles, and a database constraint); a forged subject or parameter (the operation checks each anew, from
the database); an act by whoever lost their role meanwhile (asked again at each step).
"""

from __future__ import annotations

import hashlib
import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

import structlog
from django import forms
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet

from integrations import correlation
from orders.money import Money
from orders.transitions import operation as durable_operation
from payments.clock import Clock
from payments.models.action import ActionState, Approval, Decision, StaffAction
from payments.roles import Area, Verb, check_may, may, may_any, who_may

log = structlog.get_logger(__name__)

APPROVAL_HOURS = 24
REASON_MIN_CHARACTERS = 10
RESUME_AFTER_SECONDS = 60
"""Nobody is still executing it in their own request after this."""
Parameters = Mapping[str, Any]


class NotPossible(Exception):
    """The act cannot be done now; nothing happened. The message says why, and stands beside a disabled button too."""


class BadReason(ValueError):
    """No code of the list, or too short a text. Ask the person again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One thing that would change, in words."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would happen. All of it enters the fingerprint.

    `stake`: the money at stake. `tells`: the facts (and by them mails and deliveries) that would go out. `count`: how
    many rows it is about. `basis`: what else must still hold at execution, as plain JSON, not shown.
    """

    summary: str
    changes: tuple[Change, ...] = ()
    stake: Money | None = None
    tells: tuple[str, ...] = ()
    count: int = 1
    warnings: tuple[str, ...] = ()
    order_id: int | None = None
    basis: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON, for the action's row and the page."""
        plain = asdict(self)
        if self.stake is not None:
            plain["stake"] = {"amount_minor": self.stake.amount_minor, "currency": self.stake.currency}
        return plain

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self.as_json(), sort_keys=True, default=str).encode()).hexdigest()


class StaffOperation(ABC):
    """One kind of dangerous act. Instances hold nothing; `register` one of each.

    `subject_kind`: what `subject_id` is the primary key of (`order`, `event`, `destination`, `user` …); 0 for a set.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    subject_kind: ClassVar[str]
    area: ClassVar[Area]
    reasons: ClassVar[dict[str, str]]
    form_class: ClassVar[type[forms.Form] | None] = None
    """The form for what the act needs beyond its subject; its cleaned data, made plain JSON, are the parameters."""

    @abstractmethod
    def preview(self, subject_id: int, parameters: Parameters, *, at: datetime) -> Preview:
        """Return what would happen. Raises NotPossible. Reads only; inside execution, under the locks of `lock`.

        The same facts give the same preview, whatever the hour: fingerprints are compared.
        """

    @abstractmethod
    def execute(self, action: StaffAction, *, at: datetime) -> dict[str, Any]:
        """Do it, in the caller's transaction, under the locks of `lock`; return the result as plain JSON.

        No network: what must be sent is prepared as a row. Raises NotPossible, then nothing happened.
        """

    def lock(self, subject_id: int, parameters: Parameters) -> None:  # noqa: B027  few need it
        """Take the row locks under which preview and execution agree (DESIGN.md, invariant 6)."""

    def before(self, action: StaffAction, *, clock: Clock) -> None:  # noqa: B027
        """Do what must precede the transaction and needs the network (ask, close a page). Raises NotPossible."""

    def after(self, action: StaffAction, *, clock: Clock) -> None:  # noqa: B027
        """Send what was prepared, look again. A failure here undoes nothing: workers go on."""

    def area_for(self, preview: Preview) -> Area:
        """Return the row of the roles table that counts for this preview (limits, counts)."""
        return self.area

    def second_person(self, preview: Preview) -> str:
        """Say why even a person who may do this needs a second one; empty if not."""
        return ""

    def parameters_for(self, subject_id: int) -> dict[str, Any]:
        """Return initial values for the form."""
        return {}


_registry: dict[str, StaffOperation] = {}


def register(kind: type[StaffOperation]) -> type[StaffOperation]:
    """Class decorator: make one kind of act known under its name."""
    _registry[kind.name] = kind()
    return kind


def get(name: str) -> StaffOperation:
    """Return the operation. Raises NotPossible for a name that is none."""
    try:
        return _registry[name]
    except KeyError:
        raise NotPossible(f"There is no act called {name!r}.") from None


def all_operations() -> list[StaffOperation]:
    """Return every kind of act, by name."""
    return [_registry[name] for name in sorted(_registry)]


# --- who may -------------------------------------------------------------------------------------------------


def check_may_ask(user: Any, operation: StaffOperation, preview: Preview | None = None) -> None:
    """Raise PermissionDenied unless the person may do or request this."""
    area = operation.area_for(preview) if preview else operation.area
    if not may_any(user, (Verb.DO, Verb.REQUEST), area):
        raise PermissionDenied(
            f"Your roles do not let you {operation.label.lower()}. {who_may(Verb.DO, area)} "
            f"{who_may(Verb.REQUEST, area).replace(' can.', ' can ask for it.')}"
        )


def why_second_person(user: Any, operation: StaffOperation, preview: Preview) -> str:
    """Say why a second person must agree before this is done; empty if this person may simply do it."""
    area = operation.area_for(preview)
    if reason := operation.second_person(preview):
        return reason
    if may(user, Verb.DO, area):
        return ""
    return f"Your roles let you ask for {area.label}, not do them alone."


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


def _area_of(action: StaffAction) -> Area:
    return get(action.operation).area_for(preview_of(action))


def preview_of(action: StaffAction) -> Preview:
    """Return the preview the person saw, from the action's row."""
    told = dict(action.preview)
    told["changes"] = tuple(Change(**change) for change in told["changes"])
    told["tells"], told["warnings"] = tuple(told["tells"]), tuple(told["warnings"])
    told["stake"] = Money(**told["stake"]) if told["stake"] else None
    return Preview(**told)


# --- asking, deciding, doing -----------------------------------------------------------------------------------


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
) -> StaffAction:
    """Do the act, or ask a second person for it; the same `uid` again returns the action as it stands.

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
    except IntegrityError:  # the same form from another tab, a moment ago
        return _only_of(user, StaffAction.objects.get(uid=uid))
    log.info("action_requested", action=action.pk, operation=operation.name, user_id=user.pk, second_person=bool(why))
    return action if why else _do_at_once(action, clock=clock)


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
            _finish(action, ActionState.REFUSED, at=at)
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
        _finish(action, ActionState.WITHDRAWN, at=at)
    return action


def execute(action_id: int, *, clock: Clock) -> StaffAction:
    """Do what was asked for and, where needed, approved; once, whoever calls. Opens its own transactions.

    Raises NotPossible where it cannot be done *now* (the action stays, and may be tried again until it expires).
    """
    action = StaffAction.objects.get(pk=action_id)
    operation = get(action.operation)
    if action.state != ActionState.REQUESTED:
        return action
    operation.before(action, clock=clock)
    with durable_operation():
        action = StaffAction.objects.select_for_update(of=("self",)).get(pk=action_id)
        if action.state != ActionState.REQUESTED:
            return action
        _require_approval(action)
        at = clock()
        operation.lock(action.subject_id, action.parameters)
        if _was_overtaken(operation, action, at=at):
            _finish(action, ActionState.OVERTAKEN, at=at)
        else:
            action.result = operation.execute(action, at=at)
            _finish(action, ActionState.EXECUTED, at=at)
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
            continue
        count += 1
    return count


def expire_undecided(*, at: datetime, most: int) -> int:
    """End requests whose 24 hours are over, decided or not; return how many. For the keeper."""
    count = 0
    for action_id in _over(at).order_by("pk").values_list("pk", flat=True)[:most]:
        with transaction.atomic(durable=True):
            action = StaffAction.objects.select_for_update(of=("self",), skip_locked=True).filter(pk=action_id).first()
            if action is not None and action.state == ActionState.REQUESTED:
                _finish(action, ActionState.EXPIRED, at=at)
                count += 1
    return count


def has_overdue(*, at: datetime) -> bool:
    """Say whether resume() or expire_undecided() has something to do."""
    return _over(at).exists() or _unfinished(at).exists()


def _over(at: datetime) -> QuerySet[StaffAction]:
    too_old = Q(approval__expires_at__lte=at) | Q(requested_at__lte=at - timedelta(hours=APPROVAL_HOURS))
    return StaffAction.objects.filter(too_old, state=ActionState.REQUESTED)


def _unfinished(at: datetime) -> QuerySet[StaffAction]:
    """Return what somebody should have executed by now: approved, or needing no approval, a minute ago."""
    before = at - timedelta(seconds=RESUME_AFTER_SECONDS)
    approved = Q(approval__decision=Decision.APPROVED, approval__decided_at__lte=before)
    return StaffAction.objects.filter(
        approved | Q(approval=None, requested_at__lte=before), state=ActionState.REQUESTED
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
                _finish(action, ActionState.OVERTAKEN, at=clock())
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


def _finish(action: StaffAction, state: ActionState, *, at: datetime) -> None:
    action.state, action.finished_at = state, at
    action.save(update_fields=["state", "finished_at", "result"])


def _afterwards(operation: StaffOperation, action: StaffAction, *, clock: Clock) -> None:
    try:
        operation.after(action, clock=clock)
    except Exception:  # what was decided stands; workers, sweeping and looks go on from the rows
        log.exception("action_afterwards_failed", action=action.pk)
