"""What a period (an hour, a day) came to, and when the keeper last did what it does once in a while."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import models


class Length(models.TextChoices):
    """How long a period is."""

    HOUR = "hour", "Hour"
    DAY = "day", "Day"

    @property
    def duration(self) -> timedelta:
        return timedelta(hours=1) if self is Length.HOUR else timedelta(days=1)


class PeriodFigures(models.Model):
    """The figures of one hour or day in UTC (payments/monitoring/period_figures.py). Derived: any of them may be made
    again."""

    length = models.CharField(max_length=4, choices=Length.choices)
    starts_at = models.DateTimeField()
    computed_at = models.DateTimeField()
    figures = models.JSONField()

    class Meta:
        ordering = ["length", "starts_at"]
        default_permissions = ()
        verbose_name_plural = "period figures"
        constraints = [models.UniqueConstraint(fields=["length", "starts_at"], name="period_once")]

    def __str__(self) -> str:
        return f"{self.length} from {self.starts_at:%Y-%m-%d %H:%M}"

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + Length(self.length).duration


class KeeperRound(models.Model):
    """When something that is done every so often was last begun, by whichever worker came by (payments/rounds.py)."""

    name = models.CharField(max_length=40, unique=True)
    first_at = models.DateTimeField()
    begun_at = models.DateTimeField()

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.name}, last {self.begun_at:%Y-%m-%d %H:%M:%S}"
