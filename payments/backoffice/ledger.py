"""The ledger's screens: transactions by account, cause and date, the trial balance with its closed months, exports.

Threats: a role that may not see money (Area.FINANCE, asked by each page and again by the export); notes that carry a
provider's text (escaped by the templates, harmless cells in files); an export that nobody knows of (recorded before its
first line leaves); an address that makes the database work (dates are checked; lists are paged by key, the balance
begins with the last closed month); whoever may read but not close (the act asks the roles table itself).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.validators import MaxValueValidator
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_safe

from integrations import providers
from payments import exporting
from payments.audit import recording as audit
from payments.audit.events import Event
from payments.backoffice.access import needs
from payments.backoffice.base import ReadOnlyAdmin, ReadOnlyInline
from payments.backoffice.buttons import buttons
from payments.backoffice.filtering import known_values
from payments.corrections import OFFLINE
from payments.ledger import chart, trial_balance
from payments.ledger import export as ledger_export
from payments.ledger import periods as accounting_periods
from payments.ledger import watch as ledger_watch
from payments.ledger.causes import CAUSES
from payments.ledger.chart import Side
from payments.ledger.check import amount_text
from payments.ledger.trial_balance import Equation, Line
from payments.models import AccountingPeriod, LedgerEntry, LedgerTransaction
from payments.roles import Area, Verb

MONTHS_SHOWN = 24
MOST_SHEET_ROWS = 1_048_575
"""What a sheet of a spreadsheet can hold below its header."""


def account_choices() -> list[tuple[str, str]]:
    """Return every account that postings can name, as a filter offers them."""
    names: list[str] = []
    for account in chart.CHART:
        of_providers = [chart.clearing(name) for name in (*providers.known(), OFFLINE)]
        names += of_providers if account.per_provider else [account.code]
    return [(name, name) for name in names]


class AccountFilter(admin.SimpleListFilter):
    """Transactions that post to one account."""

    title = parameter_name = "account"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return account_choices()

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        account = self.value()
        if account is None:
            return queryset
        return queryset.filter(Exists(LedgerEntry.objects.filter(transaction=OuterRef("pk"), account=account)))


class DateFilter(admin.SimpleListFilter):
    """Transactions of one month or day (UTC): `2026-11`, or in the address `2026-11-21`."""

    title, parameter_name = "date", "on"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        month, told = timezone.now().date().replace(day=1), []
        for _ in range(12):
            told.append((f"{month:%Y-%m}", f"{month:%Y-%m}"))
            month = (month - timedelta(days=1)).replace(day=1)
        chosen = request.GET.get("on", "")
        return told if not chosen or chosen in dict(told) or days_of(chosen) is None else [*told, (chosen, chosen)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        if value is None:
            return queryset
        days = days_of(value)
        return queryset.none() if days is None else queryset.filter(at__gte=days[0], at__lt=days[1])


def days_of(text: str) -> tuple[datetime, datetime] | None:
    """Return the bounds of a month (2026-11) or day (2026-11-21) of UTC; None for what is neither."""
    try:
        if len(text) == 7:
            return accounting_periods.bounds(date.fromisoformat(f"{text}-01"))
        return midnight(date.fromisoformat(text)), midnight(date.fromisoformat(text) + timedelta(days=1))
    except (ValueError, OverflowError):
        return None


class EntryInline(ReadOnlyInline[LedgerEntry]):
    model = LedgerEntry
    fields = readonly_fields = ("account", "debit", "credit")
    show_change_link = False

    @admin.display(description="debit")
    def debit(self, entry: LedgerEntry) -> str:
        return amount_text(entry.amount_minor, entry.transaction.currency) if entry.amount_minor > 0 else ""

    @admin.display(description="credit")
    def credit(self, entry: LedgerEntry) -> str:
        return amount_text(-entry.amount_minor, entry.transaction.currency) if entry.amount_minor < 0 else ""


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ReadOnlyAdmin[LedgerTransaction]):
    """What each cause did to the accounts."""

    area = Area.FINANCE
    list_display = ("id", "at", "cause", "amount", "accounts", "note")
    list_filter = (
        AccountFilter,
        known_values("cause_kind", lambda: [(kind, kind) for kind in CAUSES], title="cause"),
        DateFilter,
    )
    fields = readonly_fields = ("at", "cause", "what", "amount", "note")
    inlines = (EntryInline,)
    change_list_template = "admin/ledger_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[LedgerTransaction]:
        return super().get_queryset(request).prefetch_related("entries")

    @admin.display(description="cause")
    def cause(self, posting: LedgerTransaction) -> str:
        """The cause, with a link where it has a page."""
        name = f"{posting.cause_kind} {posting.cause_id}"
        known = CAUSES.get(posting.cause_kind)
        if known is None or not admin.site.is_registered(known.model):
            return name
        meta = known.model._meta
        url = reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[posting.cause_id])
        return format_html('<a href="{}">{}</a>', url, name)

    @admin.display(description="what happened")
    def what(self, posting: LedgerTransaction) -> str:
        known = CAUSES.get(posting.cause_kind)
        return known.says if known else "A cause that this version does not know."

    @admin.display(description="amount")
    def amount(self, posting: LedgerTransaction) -> str:
        debits = sum(entry.amount_minor for entry in posting.entries.all() if entry.amount_minor > 0)
        return amount_text(debits, posting.currency)

    @admin.display(description="debit → credit")
    def accounts(self, posting: LedgerTransaction) -> str:
        entries = list(posting.entries.all())
        debits = ", ".join(entry.account for entry in entries if entry.amount_minor > 0)
        return f"{debits} → {', '.join(entry.account for entry in entries if entry.amount_minor < 0)}"


LAST_DAY = MaxValueValidator(date(2999, 12, 31))
"""There is a day after it, whatever is asked for."""


class UntilForm(forms.Form):
    """At the end of which day the balance is shown."""

    until = forms.DateField(
        required=False,
        validators=[LAST_DAY],
        label="At the end of (UTC)",
        widget=forms.DateInput({"type": "date"}),
        help_text="Empty: as it stands now.",
    )


class ExportForm(forms.Form):
    """What is exported, of which days, in which form."""

    what = forms.ChoiceField(choices=[("journal", "Journal: every entry"), ("balance", "Trial balance")])
    since = forms.DateField(label="From (UTC)", validators=[LAST_DAY], widget=forms.DateInput({"type": "date"}))
    until = forms.DateField(label="To, included", validators=[LAST_DAY], widget=forms.DateInput({"type": "date"}))
    form = forms.ChoiceField(label="As", choices=[("csv", "CSV"), ("xlsx", "XLSX")])

    def clean(self) -> dict[str, Any]:
        asked: dict[str, Any] = super().clean() or {}
        since, until = asked.get("since"), asked.get("until")
        if since and until and since > until:
            raise forms.ValidationError("The last day is before the first.")
        return asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """The balances of one currency, as the page shows them."""

    currency: str
    rows: list[tuple[str, str, str, str, str]]
    debits: str
    credits: str
    equation: str
    balances: bool


@needs(Area.FINANCE, Verb.VIEW)
@require_safe
def ledger(request: HttpRequest) -> HttpResponse:
    """Show the trial balance, the closed months, and where to close the next one."""
    form = UntilForm(request.GET if "until" in request.GET else None)
    until = form.cleaned_data["until"] if form.is_bound and form.is_valid() else None
    lines = trial_balance.balance(before=_day_after(until) if until else None)
    turn = accounting_periods.next_to_close()
    today = timezone.now().date()
    context = {
        **admin.site.each_context(request),
        "title": "Ledger: trial balance",
        "form": form,
        "until": until,
        "sheets": [_sheet(equation, lines) for equation in trial_balance.equations(lines)],
        "months": AccountingPeriod.objects.all()[:MONTHS_SHOWN],
        "turn": turn,
        "buttons": buttons(request, ("close_period",), accounting_periods.number_of(turn)) if turn else [],
        "last_check": ledger_watch.last_finished(),
        "export_form": ExportForm(initial={"since": today.replace(day=1), "until": today}),
    }
    response = TemplateResponse(request, "admin/ledger.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@needs(Area.FINANCE, Verb.VIEW)
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """Hand out the journal or the trial balance of some days."""
    form = ExportForm(request.GET)
    if not form.is_valid():
        return _not_exported(request, " ".join(str(error) for errors in form.errors.values() for error in errors))
    what, kind = form.cleaned_data["what"], form.cleaned_data["form"]
    since, before = midnight(form.cleaned_data["since"]), _day_after(form.cleaned_data["until"])
    count = 0
    if what == "journal" and kind == "xlsx":
        count = ledger_export.entries_between(since=since, before=before, most=MOST_SHEET_ROWS + 1)
    if count > MOST_SHEET_ROWS:
        return _not_exported(request, f"A sheet holds {MOST_SHEET_ROWS:,} entries: choose fewer days, or CSV.")
    days = {name: str(form.cleaned_data[name]) for name in ("since", "until")}
    details = {"what": f"ledger {what}", "format": kind, **days}
    audit.record(Event.EXPORTED, actor=request.user, details=details, at=timezone.now())
    header, rows = _table(what, since=since, before=before)
    return exporting.download_as(kind, f"{what}-{days['since']}-{days['until']}", header, rows)


def _table(what: str, *, since: datetime, before: datetime) -> tuple[tuple[str, ...], Iterable[tuple[object, ...]]]:
    if what == "journal":
        return ledger_export.JOURNAL, ledger_export.journal(since=since, before=before)
    return ledger_export.BALANCE, ledger_export.balance(since=since, before=before)


def _not_exported(request: HttpRequest, why: str) -> HttpResponse:
    messages.error(request, f"Nothing was exported. {why}")
    return redirect("backoffice:ledger")


def _sheet(equation: Equation, lines: list[Line]) -> Sheet:
    of_currency = [line for line in lines if line.currency == equation.currency]

    def told(minor: int) -> str:
        return amount_text(minor, equation.currency)

    def row(line: Line) -> tuple[str, str, str, str, str]:
        stands = line.balance_minor
        meaning = chart.account(line.account).meaning if line.side else "Not of the chart."
        debit, credit = (told(stands), "") if stands >= 0 else ("", told(-stands))
        return (line.account, line.side or "none", debit, credit, meaning)

    sides = " + ".join(f"{side.value} {told(equation.by_side.get(side, 0))}" for side in _IN_ORDER)
    return Sheet(
        currency=equation.currency,
        rows=[row(line) for line in of_currency],
        debits=told(sum(max(line.balance_minor, 0) for line in of_currency)),
        credits=told(sum(max(-line.balance_minor, 0) for line in of_currency)),
        equation=f"{sides} = {told(equation.remainder_minor)}",
        balances=equation.remainder_minor == 0,
    )


_IN_ORDER = (Side.ASSET, Side.EXPENSE, Side.LIABILITY, Side.INCOME)


def midnight(day: date) -> datetime:
    """Return the first moment of a day of UTC."""
    return datetime.combine(day, time(), tzinfo=UTC)


def _day_after(day: date) -> datetime:
    return midnight(day) + timedelta(days=1)
