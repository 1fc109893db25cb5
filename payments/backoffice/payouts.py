"""Payouts: the sum line by line, the remainder that must be 0, the entries with their orders, the bank's line.

Threats: a role that may not see money (Area.FINANCE, asked by the screen and again by the export), text of a provider
or bank (escaped by the templates; harmless cells in the files), an export that nobody knows of (recorded before its
first line leaves).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.decorators.http import require_safe

from integrations.contract import EntryKind
from orders.models import Transition
from orders.money import Money
from payments import exporting
from payments.audit import recording as audit
from payments.audit.events import Event
from payments.backoffice.access import needs
from payments.backoffice.base import ReadOnlyAdmin
from payments.backoffice.filtering import by_provider
from payments.models import BalanceEntry, Case, Payout
from payments.models.case import CaseKind
from payments.offers import Offer
from payments.payouts import export as payout_export
from payments.payouts import sources as payout_sources
from payments.payouts.explanation import Explanation, NotExplainable, explain
from payments.payouts.sources import Checked
from payments.roles import Area, Verb

CASES = (CaseKind.PAYOUT_REMAINDER, CaseKind.PAYOUT_UNSEEN)
MOST_ENTRIES = 100
"""So many entries are shown; the export has all."""


class RemainderFilter(admin.SimpleListFilter):
    """Whether a payout is explained to the cent."""

    title = "explained"
    parameter_name = "explained"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "To the cent"), ("no", "With a remainder"), ("open", "Not yet, or by hand")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Payout]) -> QuerySet[Payout]:
        conditions = {
            "yes": Q(remainder_minor=0, unexplained_entries=0),
            "no": with_remainder(),
            "open": Q(remainder_minor=None),
        }
        condition = conditions.get(self.value() or "")
        return queryset if condition is None else queryset.filter(condition)


def with_remainder() -> Q:
    """Return the filter for payouts that are not explained, though all of their entries are here."""
    return Q(remainder_minor__isnull=False) & (~Q(remainder_minor=0) | Q(unexplained_entries__gt=0))


@dataclass(frozen=True, slots=True)
class SumLine:
    """One line of the sum: what, of how many entries, and how much, signed as it counts."""

    label: str
    count: int
    amount: Money


@admin.register(Payout)
class PayoutAdmin(ReadOnlyAdmin[Payout]):
    """What a provider paid out."""

    area = Area.FINANCE
    offers = (Offer.PAYOUTS,)
    list_display = ("payout_id", "provider", "state_word", "amount", "arrives_at", "explained_word", "at_the_bank")
    list_filter = (by_provider(), "state", RemainderFilter, "automatic")
    search_fields = ("payout_id",)
    search_help_text = "The provider's id of a payout"
    change_form_template = "admin/payments/payout/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Payout]:
        return super().get_queryset(request).prefetch_related("bank_matches__line", "bank_matches__undoing")

    @admin.display(description="explained")
    def explained_word(self, payout: Payout) -> str:
        return explained_word(payout)

    @admin.display(description="at the bank")
    def at_the_bank(self, payout: Payout) -> str:
        days = [f"{match.line.booked_on}" + (" (returned)" if match.is_return else "") for match in _matches(payout)]
        return ", ".join(days) or "not seen"

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Payout | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= {"subtitle": None, "title": str(obj), "payout": obj, **_context(obj)}
        return super().render_change_form(request, context, add, change, form_url, obj)


@admin.register(BalanceEntry)
class BalanceEntryAdmin(ReadOnlyAdmin[BalanceEntry]):
    """The provider's balance, entry by entry, as it was told."""

    area = Area.FINANCE
    offers = (Offer.BALANCE,)
    list_display = ("entry_id", "provider", "kind", "source_id", "amount_word", "fee_word", "net", "made_at")
    list_filter = (by_provider(), "kind")
    search_fields = ("entry_id", "source_id")
    search_help_text = "The provider's id of an entry, or of what caused it"

    @admin.display(description="amount")
    def amount_word(self, entry: BalanceEntry) -> Money:
        return Money(entry.amount_minor, entry.currency)

    @admin.display(description="fee")
    def fee_word(self, entry: BalanceEntry) -> Money:
        return Money(entry.fee_minor, entry.currency)


@needs(Area.FINANCE, Verb.VIEW)
@require_safe
def export(request: HttpRequest, payout_key: int, form: str) -> HttpResponseBase:
    """Hand out a payout's entries as CSV or XLSX."""
    if form not in ("csv", "xlsx"):
        raise Http404
    payout = get_object_or_404(Payout, pk=payout_key)
    audit.record(
        Event.EXPORTED,
        actor=request.user,
        subject_kind="payout",
        subject_id=payout.pk,
        details={"what": "payout", "format": form},
        at=timezone.now(),
    )
    return exporting.download_as(form, f"payout-{payout.pk}", payout_export.HEADER, payout_export.rows(payout))


def explained_word(payout: Payout) -> str:
    """Return in words whether a payout is explained."""
    if payout.remainder is not None:
        if payout.is_explained:
            return "to the cent"
        return f"{payout.remainder} unexplained" if payout.remainder_minor else "with unknown entries"
    return "not yet" if payout.automatic else "made by hand"


def _context(payout: Payout) -> dict[str, Any]:
    told, why_not = None, ""
    try:
        told = explain(payout)
    except NotExplainable as error:
        why_not = str(error)
    remainder = Money(told.remainder_minor, payout.currency) if told else None
    unexplained = told.unexplained[:MOST_ENTRIES] if told else ()
    return {
        "why_not": why_not,
        "sum": _sum(told) if told else [],
        "total": Money(told.total_minor, payout.currency) if told else None,
        "remainder": remainder,
        "explained": told is not None and told.is_whole,
        "unexplained": [_shown(each) for each in unexplained],
        "entries": [_shown(each) for each in _first_entries(payout)],
        "entry_count": sum(line.count for line in told.lines) if told else payout.lines.count(),
        "most": MOST_ENTRIES,
        "matches": _matches(payout),
        "cases": Case.objects.filter(kind__in=CASES, subject_kind="payout", subject_id=payout.pk),
        "steps": Transition.objects.filter(subject_kind="payout", subject_id=payout.pk),
    }


def _sum(told: Explanation) -> list[SumLine]:
    """Return the sum as PEOPLE.md reads it: gross − fees − refunds − disputes ± adjustments."""
    groups: list[tuple[str, tuple[EntryKind, ...]]] = [
        ("Gross payments", (EntryKind.PAYMENT,)),
        ("Refunds", (EntryKind.REFUND, EntryKind.REFUND_FAILURE)),
        ("Disputes", (EntryKind.DISPUTE, EntryKind.DISPUTE_REVERSAL)),
        ("Other payouts, and what came back of them", (EntryKind.PAYOUT, EntryKind.PAYOUT_FAILURE)),
        ("Adjustments", (EntryKind.ADJUSTMENT,)),
    ]
    currency = told.payout.currency
    lines = [
        SumLine(label, sum(line.count for line in told.lines if line.kind in kinds), Money(told.of(*kinds), currency))
        for label, kinds in groups
    ]
    of_fees = sum(line.count for line in told.lines if line.kind is EntryKind.FEE)
    lines.insert(1, SumLine("Fees", of_fees, Money(-told.fees_minor, currency)))
    return lines


def _first_entries(payout: Payout) -> list[Checked]:
    entries = BalanceEntry.objects.filter(line__payout=payout).order_by("pk")
    return list(payout_sources.checked(entries[:MOST_ENTRIES]))


def _shown(each: Checked) -> dict[str, Any]:
    entry = each.entry
    return {
        "entry": entry,
        "kind": entry.get_kind_display(),
        "order_id": each.source.order_id if each.source else None,
        "amount": Money(entry.amount_minor, entry.currency),
        "fee": Money(entry.fee_minor, entry.currency),
        "net": entry.net,
        "differs": Money(each.differs_minor, entry.currency),
        "why": each.why,
    }


def _matches(payout: Payout) -> list[Any]:
    return sorted((match for match in payout.bank_matches.all() if match.stands), key=lambda match: match.pk)
