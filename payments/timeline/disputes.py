"""Lines of disputes: each opening, and each movement of money by one."""

from __future__ import annotations

from django.db.models import Q

from payments.disputes import words as dispute_words
from payments.models import Dispute, DisputeMovement
from payments.situation import provider_label
from payments.timeline.entry import Chip, Entry, OwnPage, Scope, Source, known, stamp

_EVERY = Q()


def passages(scope: Scope) -> Q:
    """Return the filter for transitions of this order's disputes."""
    of_order = Dispute.objects.filter(order=scope.order)
    return Q(subject_kind=Dispute.SUBJECT_KIND, subject_id__in=of_order.values("pk"))


def _dispute(dispute: Dispute, scope: Scope) -> Entry:
    return Entry(
        kind="dispute",
        pk=dispute.pk,
        at=dispute.seen_at,
        provider_at=dispute.opened_at,
        title=f"The customer's bank disputes {dispute.amount}",
        correlation_id=dispute.correlation_id,
        tags=(dispute_words.STATE_WORDS[dispute.state].lower(),),
        problem=True,
        details=known(
            ("Dispute", dispute.dispute_id),
            ("Reason", dispute_words.reason_words(dispute.reason)),
            ("Answer by", stamp(dispute.respond_by)),
            ("Answered", stamp(dispute.evidence_submitted_at)),
            ("Ended", stamp(dispute.closed_at)),
        ),
        page=OwnPage("payments.dispute", dispute.pk),
    )


def _movement(movement: DisputeMovement, scope: Scope) -> Entry:
    took = movement.withdrawn.amount_minor > 0
    what = f"took {movement.amount} back" if took else f"gave {movement.amount} back to us"
    return Entry(
        kind="dispute_money",
        pk=movement.pk,
        at=movement.seen_at,
        provider_at=movement.at,
        title=f"The bank {what} through {provider_label(movement.provider)}",
        tags=(movement.kind,),
        problem=took,
        details=known(
            ("Dispute", movement.dispute.dispute_id),
            ("Entry", movement.entry_id),
            ("Fee", movement.fee if movement.fee_minor else ""),
        ),
        page=OwnPage("payments.dispute", movement.dispute_id),
    )


SOURCES = (
    Source(
        kind="dispute",
        time="seen_at",
        rows=lambda scope: Dispute.objects.filter(order=scope.order),
        entry=_dispute,
        chips={Chip.MONEY: _EVERY, Chip.PROBLEMS: _EVERY},
    ),
    Source(
        kind="dispute_money",
        time="seen_at",
        rows=lambda scope: DisputeMovement.objects.filter(dispute__order=scope.order).select_related("dispute"),
        entry=_movement,
        chips={Chip.MONEY: _EVERY, Chip.PROBLEMS: Q(kind="withdrawn")},
        correlation="",
    ),
)
