"""A delivered mail sent once more: another delivery of the same fact to the same mail receiver, under a key of its own.

No other receiver hears of it, and the fact stays one. The database refuses a repetition of anything but a delivered
mail (migration 0011).
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from integrations.models import Delivery, DeliveryRepeat
from integrations.wakeups import nudge


def repeat_mail(delivered: Delivery, *, actor: str, reason: str, now: datetime) -> Delivery:
    """Queue a delivered mail once more, and record who and why. `actor`: `user:7`.

    Raises IntegrityError where it is no delivered mail, or is itself a repetition.
    """
    with transaction.atomic():
        again = Delivery.objects.create(
            event_id=delivered.event_id,
            destination_id=delivered.destination_id,
            repeats=delivered,
            queued_at=now,
            not_before=now,
        )
        DeliveryRepeat.objects.create(delivery=again, at=now, actor=actor, reason=reason[:300])
        nudge("deliver")
    return again
