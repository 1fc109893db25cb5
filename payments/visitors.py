"""Forgets what browsers have left: sessions that are over, and their baskets. Anybody may begin one with one request;
without this their tables would grow for ever."""

from __future__ import annotations

from datetime import datetime

from django.contrib.sessions.models import Session

from orders import baskets
from orders.storefront.visit import basket_tokens

MOST_A_ROUND = 2_000


def forget(at: datetime) -> int:
    """Delete up to 2,000 sessions that are over, and what is in their baskets and was not ordered; return how many."""
    over = list(Session.objects.filter(expire_date__lte=at).order_by("expire_date")[:MOST_A_ROUND])
    # The baskets first: without its session nobody knows a basket's token any more.
    baskets.forget({token for session in over for token in basket_tokens(session.get_decoded())})
    return Session.objects.filter(pk__in=[session.pk for session in over], expire_date__lte=at).delete()[0]
