"""What the API does about refunds once a request is understood: ask for one as its owner may, tell how one stands.

A request of the API is a StaffAction as one of the back office is, bound to the request's key in the transaction that
makes it; a retry after a crash at any step goes on with that action.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from orders.money import Money
from payments import actions, staff_operations
from payments.clock import Clock
from payments.idempotency import Answer, Held
from payments.models import Approval, Capture, PaymentAttempt, Refund, StaffAction
from payments.models.action import ActionState
from payments.refunds.acts import RefundOrder
from payments.refunds.requests import left_of
from payments.shop.api_errors import Refusal
from payments.staff_operations import NotPossible

ACTION = "action"
MOST_TOLD = 100


def refund(
    held: Held,
    *,
    attempt: PaymentAttempt,
    user: Any,
    clock: Clock,
    reason_code: str,
    reason: str,
    amount_minor: int | None = None,
    capture: str = "",
) -> Answer:
    """Refund money of one capture of the attempt, or ask a second person for it.

    201 with the refund is final. 202 tells of the approval that is waited for; once that is given, the same key hears
    201. Raises NotPossible, PermissionDenied, Refusal, and Taken, InFlight of the key.
    """
    if held.object_id is None:
        chosen = _chosen(attempt, capture)
        action = _ask(held, chosen, amount_minor, user=user, reason_code=reason_code, reason=reason, clock=clock)
    else:
        action = _go_on(held.object_id, clock=clock)
    if action.state == ActionState.EXECUTED:
        made = Refund.objects.select_related("capture", "attempt").get(pk=action.result["refund"])
        return held.keep(status=201, body=_text(refund_read(made)))
    approval = Approval.objects.filter(action=action).first()
    if action.state != ActionState.REQUESTED or approval is None:
        raise NotPossible(str(action.result.get("why", action.get_state_display())))
    return Answer(202, _text(approval_read(action, approval)))


def refunds_of(attempt: PaymentAttempt) -> list[dict[str, Any]]:
    """Return the attempt's refunds, the oldest first."""
    rows = attempt.refunds.select_related("capture", "attempt").order_by("pk")[:MOST_TOLD]
    return [refund_read(row) for row in rows]


def refund_read(row: Refund) -> dict[str, Any]:
    """Return what the API tells of a refund (RefundRead)."""
    return {
        "refund": row.reference,
        "state": str(row.state),
        "amount_minor": row.amount_minor,
        "currency": row.currency,
        "attempt": row.attempt.reference,
        "capture": row.capture.capture_id,
        "provider": row.provider,
        "provider_refund": row.refund_id,
        "made_by": row.made_by,
        "requested_at": row.requested_at.isoformat(),
        "succeeded_at": row.succeeded_at.isoformat() if row.succeeded_at else None,
        "failed_at": row.failed_at.isoformat() if row.failed_at else None,
    }


def approval_read(action: StaffAction, approval: Approval) -> dict[str, Any]:
    """Return what the API tells of a refund that waits for a second person (ApprovalWaits)."""
    return {
        "approval": str(action.uid),
        "state": str(action.state),
        "why": approval.why,
        "expires_at": approval.expires_at.isoformat(),
    }


def _chosen(attempt: PaymentAttempt, capture_id: str) -> Capture:
    captures = list(attempt.captures.order_by("pk"))
    if capture_id:
        found = [each for each in captures if each.capture_id == capture_id]
        if not found:
            raise Refusal("unknown_capture", "The attempt has no such capture.")
        return found[0]
    if not captures:
        raise NotPossible("No money was taken by this attempt: there is nothing to refund.")
    left = [each for each in captures if left_of(each).amount_minor]
    if len(left) > 1:
        raise Refusal("capture_needed", "This attempt took money more than once: name the `capture` to refund.")
    return left[0] if left else captures[0]


def _ask(
    held: Held,
    capture: Capture,
    amount_minor: int | None,
    *,
    user: Any,
    reason_code: str,
    reason: str,
    clock: Clock,
) -> StaffAction:
    operation = staff_operations.get(RefundOrder.name)
    amount = left_of(capture) if amount_minor is None else Money(amount_minor, capture.currency)
    parameters = {"capture": str(capture.pk), "amount": str(amount.major)}
    preview = operation.preview(capture.order_id, parameters, at=clock())
    return actions.request(
        uid=uuid.uuid4(),
        operation=operation,
        subject_id=capture.order_id,
        parameters=parameters,
        fingerprint=preview.fingerprint,
        reason_code=reason_code,
        reason=reason,
        user=user,
        via="api",
        clock=clock,
        bind=lambda action: held.bind(ACTION, action.pk),
    )


def _go_on(action_id: int, *, clock: Clock) -> StaffAction:
    """Go on with what an earlier request with this key had asked for."""
    action = StaffAction.objects.get(pk=action_id)
    waits = Approval.objects.filter(action=action).exists()
    return action if waits or action.state != ActionState.REQUESTED else actions.execute(action_id, clock=clock)


def _text(told: dict[str, Any]) -> str:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":"))
