"""Disputes: how long there is to answer, what the bank will look for, what stands staged, and the money.

Reads only; answering is an act (payments/disputes/acts.py). Threats: the provider's words on a screen (templates
escape, one line), the customer's address in the evidence (masked), a reader without the role (Area.DISPUTE), a
countdown that is only a colour (it is words).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone

from orders.money import Money
from payments.backoffice.base import ReadOnlyAdmin
from payments.backoffice.buttons import buttons
from payments.backoffice.filtering import by_provider
from payments.backoffice.order_page import url_of_order
from payments.disputes import deadlines as dispute_deadlines
from payments.disputes import evidence
from payments.disputes import words as dispute_words
from payments.disputes.acts import ACTS
from payments.models import Case, Dispute, StaffAction
from payments.models.case import CaseKind
from payments.offers import Offer
from payments.roles import Area, Verb, may
from payments.situation import provider_label
from payments.states import UNDECIDED_DISPUTES, DisputeState

_WAITS = Q(state__in=[DisputeState.INQUIRY, DisputeState.OPEN], evidence_submitted_at=None)


class AnswerFilter(admin.SimpleListFilter):
    """What a dispute waits for."""

    title = "what it waits for"
    parameter_name = "waits"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("overdue", "Our answer, overdue"),
            ("near", "Our answer, within 3 days"),
            ("us", "Our answer"),
            ("bank", "The bank"),
            ("nobody", "Nobody: it has ended"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Dispute]) -> QuerySet[Dispute]:
        now = timezone.now()
        soon = now + timedelta(days=dispute_deadlines.TOLD_AT_DAYS[0])
        undecided = Q(state__in=UNDECIDED_DISPUTES)
        chosen = {
            "overdue": _WAITS & Q(respond_by__lte=now),
            "near": _WAITS & Q(respond_by__gt=now, respond_by__lte=soon),
            "us": _WAITS,
            "bank": undecided & ~_WAITS,
            "nobody": ~undecided,
        }
        return queryset.filter(chosen.get(self.value() or "", Q()))


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin[Dispute]):
    area = Area.DISPUTE
    offers = (
        Offer.DISPUTES,
        Offer.DISPUTE_OUTCOME,
    )
    list_display = ("dispute_id", "order", "amount", "state_word", "countdown", "reason_word", "money")
    list_filter = (AnswerFilter, "state", by_provider())
    search_fields = ("dispute_id", "order__id")
    search_help_text = "The provider's id of a dispute, or an order's number"
    list_select_related = ("order",)
    change_form_template = "admin/payments/dispute/change_form.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dispute]:
        return super().get_queryset(request).prefetch_related("movements")

    @admin.display(description="answer")
    def countdown(self, dispute: Dispute) -> str:
        return dispute_words.countdown_of(dispute, at=timezone.now())

    @admin.display(description="reason")
    def reason_word(self, dispute: Dispute) -> str:
        return dispute_words.reason_words(dispute.reason)

    @admin.display(description="the bank holds")
    def money(self, dispute: Dispute) -> str:
        return _held(dispute)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Dispute | None = None,
    ) -> HttpResponse:
        if obj is not None:
            context |= {"subtitle": None, "title": f"Dispute {obj.dispute_id}", **_page(request, obj)}
        return super().render_change_form(request, context, add, change, form_url, obj)


def _page(request: HttpRequest, dispute: Dispute) -> dict[str, Any]:
    now = timezone.now()
    staged = evidence.staged(dispute)
    lines = evidence.checklist(dispute, staged or evidence.build(dispute, {}))
    return {
        "dispute": dispute,
        "provider": provider_label(dispute.provider),
        "state_word": dispute_words.STATE_WORDS[DisputeState(dispute.state)],
        "state_tone": dispute_words.tone(dispute.state),
        "countdown": dispute_words.countdown_of(dispute, at=now),
        "reason": dispute_words.reason_words(dispute.reason),
        "held": _held(dispute),
        "movements": dispute.movements.order_by("pk"),
        "order_url": url_of_order(dispute.order_id) + "#timeline",
        "case_url": _case_url(request, dispute),
        "lines": lines,
        "missing": evidence.missing(lines),
        "is_staged": bool(staged),
        "characters": sum(map(len, staged.values())),
        "submitted": evidence.submission(dispute),
        "on_its_way": evidence.unfinished_call(dispute),
        "buttons": buttons(request, ACTS, dispute.pk),
        "acts": StaffAction.objects.filter(subject_kind=Dispute.SUBJECT_KIND, subject_id=dispute.pk).select_related(
            "requested_by"
        ),
    }


def _held(dispute: Dispute) -> str:
    held = [Money(minor, currency) for currency, minor in sorted(dispute.outstanding().items()) if minor]
    return ", ".join(map(str, held)) or "nothing"


def _case_url(request: HttpRequest, dispute: Dispute) -> str:
    if not may(request.user, Verb.VIEW, Area.FINANCE):
        return ""
    case = Case.objects.filter(
        kind=CaseKind.PROVIDER_DISPUTE, subject_kind=Dispute.SUBJECT_KIND, subject_id=dispute.pk
    ).first()
    return reverse("admin:payments_case_change", args=[case.pk]) if case else ""
