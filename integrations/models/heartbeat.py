"""Proof that the processes work."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """When a process of this name last proved, on that host, that it works."""

    name = models.CharField(max_length=40)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    beaten_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "host"], name="heartbeat_once_a_host")]

    def __str__(self) -> str:
        return f"{self.name} on {self.host}"
