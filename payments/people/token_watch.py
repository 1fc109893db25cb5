"""Tells of staff tokens that are about to expire: programs stop at that moment, and nobody would have been told."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef

from payments.cases.opening import open_case
from payments.models import Case, StaffToken
from payments.models.case import CaseKind

SUBJECT = "staff_token"
TOLD_BEFORE = timedelta(days=7)
MOST_A_ROUND = 50


def watch(at: datetime) -> int:
    """Open a case for each token in use that expires within seven days, once; return how many."""
    told = Case.objects.filter(kind=CaseKind.TOKEN_EXPIRY, subject_kind=SUBJECT, subject_id=OuterRef("pk"))
    soon = StaffToken.objects.filter(
        revoked_at=None, collected_at__isnull=False, expires_at__gt=at, expires_at__lte=at + TOLD_BEFORE
    ).exclude(Exists(told))
    count = 0
    for token in soon.select_related("user").order_by("expires_at")[:MOST_A_ROUND]:
        with transaction.atomic(durable=True):
            open_case(
                CaseKind.TOKEN_EXPIRY,
                subject_kind=SUBJECT,
                subject_id=token.pk,
                ours=f"The token “{token.name}” of {token.user.get_username()} was {_last_use(token)}.",
                theirs=f"It expires: {token.expires_at:%Y-%m-%d %H:%M} UTC. What uses it is refused from then on.",
                suggested_fix="Where it is still needed, ask an administrator for another, and put that in its place.",
                at=at,
            )
        count += 1
    return count


def _last_use(token: StaffToken) -> str:
    return f"last used on {token.last_used_at:%Y-%m-%d}" if token.last_used_at else "never used"
