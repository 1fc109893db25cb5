"""Since when a provider's webhooks fail our signature check, if they do: one row a provider."""

from __future__ import annotations

from django.db import models


class SignatureTrouble(models.Model):
    """What payments/signatures.py notes of refused webhooks. A verified event after `last_at` ends the trouble."""

    provider = models.CharField(max_length=20, unique=True)
    since = models.DateTimeField(help_text="The first refused one after the last that was verified.")
    last_at = models.DateTimeField()
    times = models.PositiveIntegerField(default=1, help_text="Notes taken; there may be more refusals than that.")

    class Meta:
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.provider}: refused since {self.since:%Y-%m-%d %H:%M}"
