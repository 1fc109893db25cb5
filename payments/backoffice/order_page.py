"""The page of one order: what it is, why it is so, what this person may do, what to answer the customer, its timeline.

Reads only. Threats: personal data on a screen (the address is masked; no payload and no pay page is shown), script in a
provider's field (templates escape), an address with odd parameters (each is read as one of a closed list or as none).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import NotRegistered
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from orders import locales
from orders.models import Order
from payments import asking, notes, replies, resending, staff_operations
from payments.backoffice.buttons import Button, buttons
from payments.disputes import words as dispute_words
from payments.masking import masked_address
from payments.models import PaymentAttempt
from payments.situation import provider_label, situation_of
from payments.staff_operations import NotPossible
from payments.timeline import Chip, Entry, OwnPage, Position, Timeline, timeline_of
from payments.why import why

MOST_ATTEMPTS = 20
_TONES = {"placed": "wait", "paid": "good"}


@dataclass(frozen=True, slots=True)
class Id:
    """One id to copy. `url`: its row's own page."""

    label: str
    value: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Banner:
    """A line below the order's heading that nobody may overlook; `url`: empty where this person may not open it."""

    text: str
    tone: str
    url: str


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the timeline with its addresses: its own page, and the timeline of its correlation id."""

    entry: Entry
    actor: str
    url: str
    correlation_url: str


@dataclass(frozen=True, slots=True)
class Filter:
    """A chip of the timeline."""

    label: str
    url: str
    chosen: bool


def show(request: HttpRequest, order: Order) -> HttpResponse:
    """Render the page. The caller has asked whether the person may see orders."""
    now = timezone.now()
    situation = situation_of(order, at=now)
    answer = why(situation)
    attempts = list(order.attempts.order_by("-pk")[:MOST_ATTEMPTS])
    context = {
        **admin.site.each_context(request),
        "title": f"Order {order.number}",
        "order": order,
        "state_word": str(order.get_state_display()).partition(":")[0],
        "state_tone": _TONES.get(order.state, "note"),
        "amount": order.total.format(locale=locales.of(request.headers)),
        "mode": attempts[0].mode if attempts else "",
        "masked_email": masked_address(order.email),
        "status_url": situation.status_url,
        "ids": _ids(request, order, attempts),
        "lines": order.lines.all(),
        "why": answer,
        "next_sentence": answer.next_sentence(now=now),
        "case_url": url_of(request, OwnPage("payments.case", answer.case)) if answer.case else "",
        "reply": replies.reply(situation, answer),
        "now": now,
        "disputed": _disputed(request, order, now=now),
        **_acts(request, order),
        **_timeline(request, order),
    }
    response = TemplateResponse(request, "admin/orders/order/page.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


def _disputed(request: HttpRequest, order: Order, *, now: datetime) -> list[Banner]:
    """Return a line for each dispute of the order, the newest first."""
    return [
        Banner(
            f"The customer's bank disputes {dispute.amount}: {dispute_words.countdown_of(dispute, at=now)}.",
            dispute_words.tone(dispute.state),
            url_of(request, OwnPage("payments.dispute", dispute.pk)),
        )
        for dispute in order.disputes.order_by("-pk")[:MOST_ATTEMPTS]
    ]


def _ids(request: HttpRequest, order: Order, attempts: list[PaymentAttempt]) -> list[Id]:
    found = [Id("Order", str(order.number))]
    for attempt in attempts:
        label = provider_label(attempt.provider)
        url = url_of(request, OwnPage("payments.paymentattempt", attempt.pk))
        found.append(Id(f"Attempt at {label} ({attempt.state.replace('_', ' ')})", attempt.reference, url))
        found += [Id(f"{label}'s {kind}", value) for kind, value in _theirs(attempt) if value]
    for capture in order.captures.order_by("-pk")[:MOST_ATTEMPTS]:
        url = url_of(request, OwnPage("payments.capture", capture.pk))
        found.append(Id(f"Capture, {capture.amount} ({capture.disposition})", capture.capture_id, url))
    for refund in order.refunds.order_by("-pk")[:MOST_ATTEMPTS]:
        url = url_of(request, OwnPage("payments.refund", refund.pk))
        found.append(Id(f"Refund, {refund.amount} ({refund.state})", refund.refund_id or refund.reference, url))
    return found


def _theirs(attempt: PaymentAttempt) -> tuple[tuple[str, str], ...]:
    return ("page", attempt.page_id), ("payment", attempt.intent_id), ("account", attempt.account)


# --- what this person may do -----------------------------------------------------------------------------------


def _acts(request: HttpRequest, order: Order) -> dict[str, object]:
    names = [kind.name for kind in staff_operations.all_operations() if kind.subject_kind == Order.SUBJECT_KIND]
    return {
        "ask": _simple("Ask the provider now", "ask", order, lambda: asking.check_ask(order, user=request.user)),
        "note": _simple("Keep the note", "note", order, lambda: notes.check_may_note(request.user)),
        "note_uid": uuid.uuid4(),
        "note_characters": notes.LONGEST_CHARACTERS,
        "resend": _simple("Send it again", "resend", order, lambda: resending.check_resend(order, user=request.user)),
        "letters": resending.letters(order),
        "buttons": buttons(request, names, order.pk),
    }


def _simple(label: str, name: str, order: Order, check: Callable[[], None]) -> Button:
    """Return the button of a simple act: live, or dead with the sentence that the act itself would raise."""
    try:
        check()
    except (PermissionDenied, NotPossible) as error:
        return Button(label, "", str(error))
    return Button(label, reverse(f"backoffice:{name}", args=[order.pk]))


# --- the timeline ----------------------------------------------------------------------------------------------


def _timeline(request: HttpRequest, order: Order) -> dict[str, object]:
    chip = _chip(request.GET.get("show", ""))
    correlation_id = request.GET.get("cid", "")[:64].replace("\x00", "")
    before = Position.read(request.GET.get("before", ""))
    told = timeline_of(order, chip=chip, correlation_id=correlation_id, before=before)
    return {
        "rows": [_row(request, order, told, entry) for entry in told.entries],
        "filters": [Filter(each.label, _link(order, show=each, cid=correlation_id), each is chip) for each in Chip],
        "correlation_id": correlation_id,
        "all_url": _link(order, show=chip),
        "newest_url": _link(order, show=chip, cid=correlation_id) if before else "",
        "older_url": _link(order, show=chip, cid=correlation_id, before=str(told.older)) if told.older else "",
    }


def _chip(text: str) -> Chip:
    return next((chip for chip in Chip if chip == text), Chip.ALL)


def _row(request: HttpRequest, order: Order, told: Timeline, entry: Entry) -> Row:
    return Row(
        entry,
        told.actor_of(entry),
        url_of(request, entry.page) if entry.page else "",
        _link(order, cid=entry.correlation_id) if entry.correlation_id else "",
    )


def _link(order: Order, *, show: Chip = Chip.ALL, cid: str = "", before: str = "") -> str:
    asked = {"show": "" if show is Chip.ALL else show.value, "cid": cid, "before": before}
    query = urlencode({key: value for key, value in asked.items() if value})
    return f"{reverse('admin:orders_order_change', args=[order.pk])}{'?' if query else ''}{query}#timeline"


def url_of_order(order_id: int, *, correlation_id: str = "") -> str:
    """Return the address of an order's page; with a correlation id, of its timeline filtered by it."""
    url = reverse("admin:orders_order_change", args=[order_id])
    return f"{url}?{urlencode({'cid': correlation_id})}#timeline" if correlation_id else url


def url_of(request: HttpRequest, page: OwnPage) -> str:
    """Return the address of a row's own page, empty where this person may not open it."""
    model = apps.get_model(page.model)
    try:
        screen = admin.site.get_model_admin(model)
    except NotRegistered:
        return ""
    row = model._default_manager.filter(pk=page.key).first()  # whose a case is depends on its kind
    if row is None or not screen.has_view_permission(request, row):
        return ""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    return reverse(name, args=[page.key]) + (f"#{page.fragment}" if page.fragment else "")
