"""Forgets what browsers have left: sessions that are over. Anybody may begin one with one request; without this their
table would grow for ever."""

from __future__ import annotations

from datetime import datetime

from django.contrib.sessions.models import Session

MOST_A_ROUND = 2_000


def forget(at: datetime) -> int:
    """Delete up to 2,000 sessions that are over; return how many."""
    over = Session.objects.filter(expire_date__lte=at).order_by("expire_date").values("pk")[:MOST_A_ROUND]
    return Session.objects.filter(pk__in=over).delete()[0]
