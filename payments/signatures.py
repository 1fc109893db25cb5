"""Whether a provider's webhooks fail our signature check, and since when: a mistaken secret looks like silence.

Threats: anybody may send bad signatures. They cost one short write every few seconds at most, and are taken for
trouble only where nothing verified has arrived since the first of them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.core.cache import cache
from django.db import transaction

from payments.models import ProviderEvent, SignatureTrouble
from payments.states import EventState

NOTED_EVERY_SECONDS = 5
NOTES_FOR_TROUBLE = 3
"""Fewer may be somebody's probe of our address."""
FORGOTTEN_AFTER = timedelta(days=1)


def note_refused(provider: str, *, at: datetime) -> None:
    """Note that a webhook in the name of `provider` was refused; at most once every few seconds."""
    if not cache.add(f"signature-refused:{provider}", 1, timeout=NOTED_EVERY_SECONDS):
        return
    with transaction.atomic():
        row, new = SignatureTrouble.objects.select_for_update().get_or_create(
            provider=provider, defaults={"since": at, "last_at": at}
        )
        if new:
            return
        if _is_over(row, at=at):
            row.since, row.times = at, 0
        row.last_at, row.times = at, row.times + 1
        row.save(update_fields=["since", "last_at", "times"])


def trouble_since(provider: str, *, at: datetime) -> datetime | None:
    """Return since when every webhook of `provider` has been refused; None where that is not so."""
    row = SignatureTrouble.objects.filter(provider=provider, times__gte=NOTES_FOR_TROUBLE).first()
    return row.since if row is not None and not _is_over(row, at=at) else None


def _is_over(row: SignatureTrouble, *, at: datetime) -> bool:
    """A verified event has come since it began, or nothing at all for a day."""
    of_provider = ProviderEvent.objects.filter(provider=row.provider)
    verified = of_provider.exclude(state__in=[EventState.UNVERIFIED, EventState.REJECTED]).order_by("-pk")
    last = verified.values_list("received_at", flat=True).first()
    return (last is not None and last >= row.since) or at - row.last_at > FORGOTTEN_AFTER
