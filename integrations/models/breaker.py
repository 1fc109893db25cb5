"""Whether a provider or receiver is left alone at present."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from integrations.failure import Failure
from integrations.models.destination import Destination


class BreakerState(models.TextChoices):
    """Whether anything is sent to a provider or receiver (integrations/breaker.py)."""

    CLOSED = "closed", "Works"
    OPEN = "open", "Away: nothing is sent until it is tried again"
    HALF_OPEN = "half_open", "One try is on its way to find out"
    PAUSED = "paused", "Paused by a person"


class Breaker(models.Model):
    """How one provider or one receiver is doing. One that never failed has no row, and counts as closed."""

    destination = models.OneToOneField(
        Destination, null=True, blank=True, on_delete=models.CASCADE, related_name="breaker"
    )
    provider = models.CharField(max_length=40, blank=True)
    state = models.CharField(max_length=10, choices=BreakerState.choices, default=BreakerState.CLOSED)
    since = models.DateTimeField(help_text="When it went away, was paused, or came back. A try in between counts not.")
    failures = models.PositiveIntegerField(default=0, help_text="In a row, that say it is away.")
    openings = models.PositiveIntegerField(default=0, help_text="Since it last worked; each doubles the cool-down.")
    # Open: when one try may be made. Half-open: from when that try is taken for lost.
    next_probe_at = models.DateTimeField(null=True, blank=True)
    last_failure = models.CharField(max_length=20, blank=True, choices=Failure.choices)
    last_detail = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=80, blank=True, help_text="Who last paused or resumed it: `user:7`.")
    reason = models.CharField(max_length=300, blank=True)
    case_opened_at = models.DateTimeField(null=True, blank=True, help_text="When payments/ opened a Case for it.")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=BreakerState.values), name="breaker_state_known"),
            models.CheckConstraint(
                condition=Q(destination__isnull=False, provider="") | (Q(destination__isnull=True) & ~Q(provider="")),
                name="breaker_of_one",
            ),
            models.UniqueConstraint(fields=["provider"], condition=~Q(provider=""), name="breaker_once_a_provider"),
            models.CheckConstraint(
                condition=Q(state__in=[BreakerState.OPEN, BreakerState.HALF_OPEN], next_probe_at__isnull=False)
                | Q(state__in=[BreakerState.CLOSED, BreakerState.PAUSED], next_probe_at__isnull=True),
                name="breaker_next_probe_at",
            ),
            models.CheckConstraint(
                condition=~Q(state=BreakerState.PAUSED) | (~Q(actor="") & ~Q(reason="")), name="breaker_paused_by"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"

    @property
    def is_away(self) -> bool:
        """Whether it is open or half-open."""
        return self.state in (BreakerState.OPEN, BreakerState.HALF_OPEN)

    @property
    def name(self) -> str:
        """The provider's or the receiver's name."""
        return self.provider or (self.destination.name if self.destination else "")


def breaker_of(destination: Destination) -> Breaker | None:
    """Return the destination's breaker, if it has one; no query where it was selected with the destination."""
    found: Breaker | None = getattr(destination, "breaker", None)
    return found
