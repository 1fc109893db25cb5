"""What the first page of the back office shows one person: their queue, what is wrong now, what is at stake.

Each part is read by the roles table, as the screens it links to are: nobody learns here what they may not open.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, QuerySet, Sum
from django.urls import reverse

from orders.money import Money
from payments import approvals
from payments.backoffice.charts import Chart
from payments.backoffice.monitoring_charts import charts_for
from payments.cases import areas as case_areas
from payments.cases import runbooks
from payments.disputes import deadlines as dispute_deadlines
from payments.disputes import words as dispute_words
from payments.models import Case, StaffAction
from payments.models.action import ActionState
from payments.models.case import CaseKind
from payments.models.period import Length
from payments.monitoring import alerts
from payments.roles import Area, Verb, may

MOST_SHOWN = 10
MOST_REQUESTS = 200
"""So many waiting requests are asked about; more than a day's worth there never are, since they expire."""

# Where each alert is looked into first: a list of the back office and its filter.
LISTS = {
    CaseKind.STALE_EVENTS: ("admin:payments_providerevent_changelist", "?state__exact=received"),
    CaseKind.STALE_DELIVERIES: ("admin:integrations_delivery_changelist", "?state__exact=queued"),
    CaseKind.STALE_CALLS: ("admin:payments_paymentattempt_changelist", ""),
    CaseKind.LATE_LOOKS: ("admin:payments_paymentattempt_changelist", ""),
    CaseKind.PROVIDER_SILENT: ("admin:payments_providerevent_changelist", ""),
    CaseKind.BAD_SIGNATURES: ("admin:payments_providerevent_changelist", ""),
    CaseKind.WORKER_SILENT: ("backoffice:monitoring", ""),
}


@dataclass(frozen=True, slots=True)
class Signal:
    """Something that is wrong now, with its runbook and the list it is looked into in."""

    title: str
    told: str
    runbook: str
    rows: str


@dataclass(frozen=True, slots=True)
class KindOfCase:
    """The open cases of one kind: how many, and the money at stake by currency."""

    label: str
    count: int
    stakes: list[Money]
    rows: str


@dataclass(frozen=True, slots=True)
class NearDispute:
    """A dispute that waits for our answer and whose deadline is near or has passed."""

    text: str
    countdown: str
    url: str


@dataclass(frozen=True, slots=True)
class Home:
    """All parts, for the template."""

    signals: list[Signal] | None
    cases: list[Case]
    kinds: list[KindOfCase]
    may_see_cases: bool
    may_see_ledger: bool
    to_decide: list[StaffAction]
    own_requests: list[StaffAction]
    charts: list[Chart]
    disputes: list[NearDispute] | None = None


def home_of(user: Any, *, at: datetime) -> Home:
    """Return what this person's first page shows."""
    open_cases = Case.objects.filter(closed_at=None, kind__in=case_areas.kinds_for(user))
    waiting = StaffAction.objects.filter(state=ActionState.REQUESTED).select_related("requested_by", "order")
    undecided = waiting.filter(approval__decision="").order_by("approval__expires_at")[:MOST_REQUESTS]
    return Home(
        signals=_signals(at) if may(user, Verb.VIEW, Area.MESSAGES) else None,
        cases=_queue(open_cases, user),
        kinds=_kinds(open_cases),
        may_see_cases=case_areas.may_see_any(user),
        may_see_ledger=may(user, Verb.VIEW, Area.FINANCE),
        to_decide=[action for action in undecided if approvals.may_decide(user, action)][:MOST_SHOWN],
        own_requests=list(waiting.filter(requested_by_id=user.pk).order_by("-pk")[:MOST_SHOWN]),
        charts=charts_for(user, Length.HOUR, at=at, most=2),
        disputes=_near_disputes(at) if may(user, Verb.VIEW, Area.DISPUTE) else None,
    )


def _near_disputes(at: datetime) -> list[NearDispute]:
    """Return the disputes that wait for an answer, the nearest deadline first; those that are overdue lead."""
    near = dispute_deadlines.near(at=at).select_related("order")[:MOST_SHOWN]
    return [
        NearDispute(
            text=f"Dispute {dispute.dispute_id} over {dispute.amount}, order {dispute.order.number}",
            countdown=dispute_words.countdown_of(dispute, at=at),
            url=reverse("admin:payments_dispute_change", args=[dispute.pk]),
        )
        for dispute in near
    ]


def _signals(at: datetime) -> list[Signal]:
    return [
        Signal(
            title=str(each.rule.kind.label),
            told=each.finding.theirs,
            runbook=runbooks.path_of(each.rule.kind),
            rows=_list_of(each.rule.kind),
        )
        for each in alerts.raised(at)
    ]


def _list_of(kind: CaseKind) -> str:
    name, query = LISTS[kind]
    return f"{reverse(name)}{query}"


def _queue(open_cases: QuerySet[Case], user: Any) -> list[Case]:
    """Those of theirs first, then those nobody has taken, the oldest first."""
    rows = open_cases.select_related("order")
    own = list(rows.filter(owner_id=user.pk).order_by("opened_at")[:MOST_SHOWN])
    return (own + list(rows.filter(owner=None).order_by("opened_at")[:MOST_SHOWN]))[:MOST_SHOWN]


def _kinds(open_cases: QuerySet[Case]) -> list[KindOfCase]:
    found: dict[str, tuple[int, list[Money]]] = {}
    rows = open_cases.order_by("kind", "currency").values_list("kind", "currency")
    for kind, currency, count, total in rows.annotate(count=Count("pk"), total=Sum("amount_minor")):
        before, stakes = found.get(kind, (0, []))
        found[kind] = (before + count, [*stakes, Money(total, currency)] if currency and total else stakes)
    url = reverse("admin:payments_case_changelist")
    return [
        KindOfCase(str(CaseKind(kind).label), count, stakes, f"{url}?kind__exact={kind}&closed_at__isempty=1")
        for kind, (count, stakes) in found.items()
    ]
