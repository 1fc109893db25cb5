"""Runs over a provider's lists and what they found: read only. What is to be done about a finding stands in its case.

Threats: what comes from a provider stands in the texts; templates escape it, and nothing of it is a link.
"""

from __future__ import annotations

from django.contrib import admin

from payments.backoffice.base import ReadOnlyAdmin
from payments.backoffice.filtering import by_provider
from payments.models import ReconciliationFinding, ReconciliationRun
from payments.offers import Offer
from payments.roles import Area


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(ReadOnlyAdmin[ReconciliationRun]):
    """One walk through a provider's lists: from when to when, how far, and how it ended."""

    area = Area.FINANCE
    offers = (Offer.LISTS,)
    list_display = (
        "id",
        "provider",
        "since",
        "until",
        "started_at",
        "finished_at",
        "ending",
        "listed",
        "compared",
        "dry_run",
    )
    list_filter = (by_provider(), "ending")
    search_fields = ("id",)
    search_help_text = "A run's number"
    exclude = ("recent", "confirming", "cursor", "fence", "lease_until")


@admin.register(ReconciliationFinding)
class ReconciliationFindingAdmin(ReadOnlyAdmin[ReconciliationFinding]):
    """One difference that a run met, and what became of it."""

    area = Area.FINANCE
    list_display = ("id", "difference", "upshot", "object_id", "order", "case", "ours", "theirs", "at")
    list_filter = ("difference", "upshot")
    search_fields = ("id",)
    search_help_text = "A finding's number"
    list_select_related = ("order", "case")
