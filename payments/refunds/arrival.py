"""By when money that was sent back shows in the customer's account, as we tell it."""

from __future__ import annotations

from datetime import datetime, timedelta

ARRIVES_WITHIN = timedelta(days=14)
"""Ten working days: the longest that Stripe names for cards (https://docs.stripe.com/refunds)."""


def arrives_by(sent_at: datetime) -> datetime:
    """Return the latest day on which a refund that was sent at this moment is expected to arrive."""
    return sent_at + ARRIVES_WITHIN
