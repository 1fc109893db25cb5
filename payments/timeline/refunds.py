"""Lines of refunds: each asking for one, whoever asked. How it went on, its transitions tell."""

from __future__ import annotations

from django.db.models import Q

from payments.models import Refund
from payments.situation import provider_label
from payments.states import RefundState
from payments.timeline.entry import Chip, Entry, OwnPage, Scope, Source, known, stamp


def passages(scope: Scope) -> Q:
    """Return the filter for transitions of this order's refunds."""
    of_order = Refund.objects.filter(order=scope.order)
    return Q(subject_kind=Refund.SUBJECT_KIND, subject_id__in=of_order.values("pk"))


def _refund(refund: Refund, scope: Scope) -> Entry:
    label = provider_label(refund.provider)
    who = "We asked" if refund.is_ours else "Somebody asked"
    return Entry(
        kind="refund",
        pk=refund.pk,
        at=refund.requested_at,
        title=f"{who} {label} to give {refund.amount} back",
        actor=refund.action.actor if refund.action else "",
        correlation_id=refund.correlation_id,
        tags=(refund.state, refund.get_made_by_display().partition(":")[0].lower()),
        problem=refund.state == RefundState.FAILED or not refund.is_ours,
        details=known(
            ("Refund", refund.refund_id),
            ("Our reference", refund.reference if refund.is_ours else ""),
            ("Of capture", f"{refund.capture.capture_id} ({refund.capture.disposition})"),
            ("Succeeded", stamp(refund.succeeded_at)),
            ("Failed", stamp(refund.failed_at)),
            ("Why it failed", refund.failure_reason),
        ),
        page=OwnPage("payments.refund", refund.pk),
    )


SOURCES = (
    Source(
        kind="refund",
        time="requested_at",
        rows=lambda scope: Refund.objects.filter(order=scope.order).select_related("capture", "action"),
        entry=_refund,
        chips={Chip.MONEY: Q(), Chip.PROBLEMS: Q(state=RefundState.FAILED) | Q(made_by="theirs")},
    ),
)
