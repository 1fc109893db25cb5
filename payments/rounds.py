"""What is done every so often, by one worker of many: the first that comes by when the time is up."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from payments.models import KeeperRound

LONG_AGO = timedelta(days=366)


def is_due(name: str, *, every_seconds: int, at: datetime) -> bool:
    """Say whether a round of this name may begin."""
    last = KeeperRound.objects.filter(name=name).values_list("begun_at", flat=True).first()
    return last is None or last <= at - timedelta(seconds=every_seconds)


def begin(name: str, *, every_seconds: int, at: datetime) -> bool:
    """Begin a round; False where another worker has, less than `every_seconds` before. Committed on return."""
    with transaction.atomic():
        KeeperRound.objects.bulk_create(
            [KeeperRound(name=name, first_at=at, begun_at=at - timedelta(seconds=every_seconds))], ignore_conflicts=True
        )
        before = at - timedelta(seconds=every_seconds)
        return bool(KeeperRound.objects.filter(name=name, begun_at__lte=before).update(begun_at=at))


def first(name: str) -> datetime | None:
    """Return when a round of this name first began; None where none ever did."""
    return KeeperRound.objects.filter(name=name).values_list("first_at", flat=True).first()


def hasten(name: str, *, at: datetime) -> None:
    """Let the next round of this name begin at once; `first` and one that never was stay as they are."""
    KeeperRound.objects.filter(name=name).update(begun_at=at - LONG_AGO)
