"""Bank lines: what the statements showed, which payout each is, and the acts for those the rule leaves open.

Threats: as payments/backoffice/payouts.py. A statement holds other people's names: finance alone sees it.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse

from payments.backoffice.base import ReadOnlyAdmin
from payments.backoffice.buttons import buttons
from payments.bank import matching as bank_matching
from payments.models import BankLine, BankMatch, StaffAction
from payments.roles import Area

ACTS = ("match_bank_line", "set_aside_bank_line", "unmatch_bank_line")


class MeaningFilter(admin.SimpleListFilter):
    """Whether it is known what a line is."""

    title = "what it is"
    parameter_name = "is"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Open"), ("payout", "A payout"), ("other", "Of no payout")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[BankLine]) -> QuerySet[BankLine]:
        if self.value() == "open":
            return queryset.filter(pk__in=bank_matching.unmatched().values("pk"))
        standing = BankMatch.objects.standing().filter(line=OuterRef("pk"))
        is_payout = Exists(standing.filter(payout__isnull=False))
        if self.value() == "payout":
            return queryset.filter(is_payout)
        if self.value() == "other":
            return queryset.filter(Exists(standing.filter(payout__isnull=True)), ~is_payout)
        return queryset


@admin.register(BankLine)
class BankLineAdmin(ReadOnlyAdmin[BankLine]):
    """A line of a bank statement."""

    area = Area.FINANCE
    list_display = ("id", "booked_on", "amount", "reference", "counterparty", "account", "meaning")
    list_filter = (MeaningFilter,)
    search_fields = ("id",)
    search_help_text = "A bank line's number"
    change_form_template = "admin/payments/bankline/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[BankLine]:
        return super().get_queryset(request).prefetch_related("matches__payout", "matches__undoing")

    @admin.display(description="is")
    def meaning(self, line: BankLine) -> str:
        return line.match.meaning if line.match else "open"

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: BankLine | None = None,
    ) -> HttpResponse:
        if obj is not None:
            match = obj.match
            context |= {
                "subtitle": None,
                "title": str(obj),
                "bank_line": obj,
                "meaning": self.meaning(obj),
                "match": match,
                "candidates": bank_matching.candidates(obj)[:20] if match is None else [],
                "acts": StaffAction.objects.filter(subject_kind="bank_line", subject_id=obj.pk),
                "undone": [each for each in obj.matches.all() if not each.stands],
                "buttons": buttons(request, ACTS, obj.pk),
            }
        return super().render_change_form(request, context, add, change, form_url, obj)
