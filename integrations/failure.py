"""Why a try to deliver came to nothing. Free of rows, so that a connector needs no model."""

from __future__ import annotations

from django.db import models


class Failure(models.TextChoices):
    """Why a try did not deliver, or why a person is needed."""

    EXCEEDED = "exceeded", "Tried for as long as we try"
    PERMANENT = "permanent", "The receiver refuses this message"
    CONFIGURATION = "configuration", "Address, secret or access is wrong"
    INTERNAL = "internal", "A defect of ours"
    TIMEOUT = "timeout", "No whole answer in time"
    UNAVAILABLE = "unavailable", "The receiver is away or overloaded"
