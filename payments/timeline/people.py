"""Lines of what people did and must know: notes, dangerous acts and their approvals, cases, and what is audited."""

from __future__ import annotations

from django.db.models import Q

from orders.models import Order
from payments import staff_operations
from payments.audit.events import label_of
from payments.models import Approval, AuditRecord, Case, Note, PaymentAttempt, StaffAction
from payments.models.action import Decision
from payments.staff_operations import NotPossible
from payments.timeline.entry import Chip, Entry, OwnPage, Scope, Source, known, stamp

EVERY = Q()


def _case(case: Case, scope: Scope) -> Entry:
    stake = f"{case.stake}" if case.stake is not None else ""
    return Entry(
        kind="case",
        pk=case.pk,
        at=case.opened_at,
        title=f"Case {case.pk}: {case.get_kind_display()}",
        correlation_id=case.correlation_id,
        tags=("closed",) if case.closed_at else ("open",),
        problem=case.closed_at is None,
        details=known(
            ("Ours", case.ours),
            ("Theirs", case.theirs),
            ("At stake", stake),
            ("Suggested fix", case.suggested_fix),
            ("Seen", f"{case.times_seen} times, last {stamp(case.last_seen_at)}" if case.times_seen > 1 else ""),
        ),
        page=_page_of_case(case),
    )


def _case_closed(case: Case, scope: Scope) -> Entry:
    assert case.closed_at is not None  # nosec B101  the source's filter
    return Entry(
        kind="case_closed",
        pk=case.pk,
        at=case.closed_at,
        title=f"Case {case.pk} closed: {case.get_kind_display()}",
        page=_page_of_case(case),
    )


def _page_of_case(case: Case) -> OwnPage:
    return OwnPage("payments.case", case.pk)


def _note(note: Note, scope: Scope) -> Entry:
    return Entry(
        kind="note",
        pk=note.pk,
        at=note.at,
        title="Note",
        actor=f"user:{note.author_id}",
        correlation_id=note.correlation_id,
        text=note.text,
    )


def _action(action: StaffAction, scope: Scope) -> Entry:
    return Entry(
        kind="action",
        pk=action.pk,
        at=action.requested_at,
        title=f"{_label(action)} (act {action.pk})",
        actor=action.actor,
        correlation_id=action.correlation_id,
        tags=(action.state,),
        details=known(
            ("State", action.get_state_display()),
            ("Reason", action.reason_code.replace("_", " ")),
            ("In words", action.reason),
            ("At stake", action.stake),
            ("Ended", stamp(action.finished_at)),
            ("What came of it", action.result.get("why", "")),
        ),
        page=_page_of_action(action.pk),
    )


def _approval(approval: Approval, scope: Scope) -> Entry:
    assert approval.decided_at is not None  # nosec B101  the source's filter
    said = "agreed to" if approval.decision == Decision.APPROVED else "refused"
    return Entry(
        kind="approval",
        pk=approval.pk,
        at=approval.decided_at,
        title=f"A second person {said}: {_label(approval.action)} (act {approval.action_id})",
        actor=f"user:{approval.decided_by_id}",
        tags=(approval.decision,),
        text=approval.note,
        page=_page_of_action(approval.action_id),
    )


def _page_of_action(action_id: int) -> OwnPage:
    return OwnPage("payments.staffaction", action_id)


def _label(action: StaffAction) -> str:
    try:
        return staff_operations.get(action.operation).label
    except NotPossible:
        return action.operation


def _audited(row: AuditRecord, scope: Scope) -> Entry:
    return Entry(
        kind="audit",
        pk=row.pk,
        at=row.at,
        title=label_of(row.event),
        actor=row.actor,
        correlation_id=row.correlation_id,
        details=known(
            ("Reason", row.reason_code.replace("_", " ")),
            ("In words", row.reason),
            *((key.replace("_", " ").capitalize(), value) for key, value in sorted(row.details.items())),
        ),
        page=OwnPage("payments.auditrecord", row.pk),
    )


SOURCES = (
    Source(
        kind="case",
        time="opened_at",
        rows=lambda scope: Case.objects.filter(order=scope.order),
        entry=_case,
        chips={Chip.PROBLEMS: Q(closed_at=None), Chip.PEOPLE: EVERY},
    ),
    Source(
        kind="case_closed",
        time="closed_at",
        rows=lambda scope: Case.objects.filter(order=scope.order, closed_at__isnull=False),
        entry=_case_closed,
        chips={Chip.PEOPLE: EVERY},
        correlation="",
    ),
    Source(
        kind="note",
        time="at",
        rows=lambda scope: Note.objects.filter(order=scope.order),
        entry=_note,
        chips={Chip.PEOPLE: EVERY},
    ),
    Source(
        kind="action",
        time="requested_at",
        rows=lambda scope: StaffAction.objects.filter(order=scope.order),
        entry=_action,
        chips={Chip.PEOPLE: EVERY},
    ),
    Source(
        kind="approval",
        time="decided_at",
        rows=lambda scope: Approval.objects.filter(action__order=scope.order, decided_at__isnull=False).select_related(
            "action"
        ),
        entry=_approval,
        chips={Chip.PEOPLE: EVERY},
        correlation="",
    ),
    Source(
        kind="audit",
        time="at",
        rows=lambda scope: AuditRecord.objects.filter(
            Q(subject_kind=Order.SUBJECT_KIND, subject_id=scope.order.pk)
            | Q(subject_kind=PaymentAttempt.SUBJECT_KIND, subject_id__in=list(scope.attempts))
        ),
        entry=_audited,
        chips={Chip.PEOPLE: EVERY},
    ),
)
