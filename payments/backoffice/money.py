"""Attempts, captures, cases, ledger, transitions: read-only. And the catalogue, which may be edited."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from orders.models import Order, Price, Product, Transition
from payments.backoffice.base import AreaAdmin, ReadOnlyAdmin, ReadOnlyInline
from payments.backoffice.filtering import by_provider, recent_values
from payments.models import Capture, LedgerEntry, LedgerTransaction, Look, PaymentAttempt, ProviderCall
from payments.roles import Area, Verb, may


class CaptureInline(ReadOnlyInline[Capture]):
    model = Capture
    fields = ("capture_id", "amount", "disposition", "captured_at")
    readonly_fields = fields


class LookInline(ReadOnlyInline[Look]):
    model = Look


class CallInline(ReadOnlyInline[ProviderCall]):
    model = ProviderCall
    fields = ("operation", "state", "tries", "first_sent_at", "answered_at", "error_category", "error")
    readonly_fields = fields


@admin.register(PaymentAttempt)
class PaymentAttemptAdmin(ReadOnlyAdmin[PaymentAttempt]):
    """One try to pay, with its calls and what the provider said."""

    area = Area.ORDER
    list_display = ("reference", "order", "provider", "state_word", "amount", "created_at", "looked_at", "next_look_at")
    list_filter = (by_provider(), "state", recent_values("mode"))
    search_fields = ("reference", "page_id", "intent_id", "order__id")
    list_select_related = ("order",)
    inlines = (CallInline, CaptureInline, LookInline)
    exclude = ("page_url",)  # whoever holds it can pay in the shopper's place


@admin.register(Capture)
class CaptureAdmin(ReadOnlyAdmin[Capture]):
    area = Area.ORDER
    list_display = ("capture_id", "order", "provider", "amount", "disposition", "captured_at", "fee_minor")
    list_filter = (by_provider(), "disposition", recent_values("currency"))
    search_fields = ("capture_id", "order__id")
    list_select_related = ("order",)


@admin.register(Transition)
class TransitionAdmin(ReadOnlyAdmin[Transition]):
    area = Area.ORDER
    list_display = (
        "at",
        "subject_kind",
        "subject_id",
        "from_state",
        "to_state",
        "event",
        "forbidden",
        "actor",
        "cause",
    )
    list_filter = (recent_values("subject_kind"), "forbidden")
    search_fields = ("subject_id",)
    search_help_text = "The number of an order, or the key of an attempt"

    def leading_search_lookups(self) -> dict[str, Any]:
        return {"subject_kind__in": [Order.SUBJECT_KIND, PaymentAttempt.SUBJECT_KIND]}


class EntryInline(ReadOnlyInline[LedgerEntry]):
    model = LedgerEntry


@admin.register(LedgerTransaction)
class LedgerTransactionAdmin(ReadOnlyAdmin[LedgerTransaction]):
    area = Area.FINANCE
    list_display = ("id", "at", "cause_kind", "cause_id", "currency", "note")
    inlines = (EntryInline,)


class PriceInline(admin.StackedInline[Price, Product]):
    model = Price
    extra = 0

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Verb.VIEW, Area.CATALOGUE)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Verb.DO, Area.CATALOGUE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Verb.DO, Area.CATALOGUE)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, Verb.DO, Area.CATALOGUE)


@admin.register(Product)
class ProductAdmin(AreaAdmin[Product]):
    """The catalogue may be edited: orders keep the prices of their moment."""

    area = Area.CATALOGUE
    edits = Verb.DO
    list_display = ("name", "sku", "active", "max_quantity")
    search_fields = ("name", "sku")
    prepopulated_fields = {"slug": ("name",)}
    inlines = (PriceInline,)

    # Never deleted: take it off sale instead, baskets refer to it.
