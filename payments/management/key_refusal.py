"""Ends a long-running command at its start where an integration key must not be used here (exit code 5)."""

from __future__ import annotations

from django.conf import settings

from integrations.credential_guard import forbids_start
from payments.management.reporting import refused


def refuse_forbidden_keys() -> None:
    """Raise CommandError with the remedies."""
    if sentences := forbids_start(settings.PAYMENTS_PROVIDERS):
        raise refused("\n".join(sentences))
