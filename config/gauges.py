"""The gauges of /metrics, read from the database at the moment of the scrape; nothing is counted in a process's memory.

Each query follows a partial index over unfinished rows, so that its cost does not grow with the tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db.models import Count, Max, Min, QuerySet
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from integrations.models import Breaker, BreakerState, Delivery, DeliveryState, Destination, Heartbeat
from payments.models import Case, PaymentAttempt, ProviderCall, ProviderEvent
from payments.states import LIVE_STATES, CallState, EventState

Row = tuple[str, int, datetime | None]

WAITING_EVENTS = (EventState.RECEIVED, EventState.FAILED, EventState.PARKED)
UNFINISHED_CALLS = (CallState.PREPARED, CallState.SENT, CallState.UNKNOWN)
UNFINISHED_DELIVERIES = (DeliveryState.QUEUED, DeliveryState.SENDING)


def exposition(*, now: datetime) -> bytes:
    """Return all gauges in Prometheus' text format; ages are seconds before `now`."""
    registry = CollectorRegistry()
    registry.register(_FromDatabase(now))
    return generate_latest(registry)


class _FromDatabase(Collector):
    def __init__(self, now: datetime) -> None:
        self._now = now

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: registering must not ask the database."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Ask the database."""
        yield from self._backlog("inbox", "Events that wait for a look", _events())
        yield from self._backlog("calls", "Calls to providers without a stored answer", _calls())
        yield from self._backlog("deliveries", "Deliveries on their way", _deliveries())
        yield self._due_deliveries()
        yield from self._backlog("dead_deliveries", "Deliveries given up", _dead_deliveries())
        yield from self._breakers()
        yield _receivers()
        yield _attempts()
        yield _cases()
        yield self._heartbeats()

    def _backlog(self, name: str, what: str, rows: list[Row]) -> Iterator[Metric]:
        counts = GaugeMetricFamily(f"shop_{name}", f"{what}, by state", labels=["state"])
        ages = GaugeMetricFamily(
            f"shop_{name}_oldest_seconds", f"{what}: age of the oldest, by state", labels=["state"]
        )
        for state, count, oldest in rows:
            counts.add_metric([state], count)
            ages.add_metric([state], self._age(oldest))
        yield counts
        yield ages

    def _due_deliveries(self) -> Metric:
        due = Delivery.objects.filter(state__in=UNFINISHED_DELIVERIES, not_before__lte=self._now).aggregate(
            n=Count("pk")
        )
        return GaugeMetricFamily("shop_deliveries_due", "Deliveries that a worker should take now", value=due["n"])

    def _breakers(self) -> Iterator[Metric]:
        """One series a state, so that an alert may ask for any: 1 where it is in that state, else 0."""
        states = GaugeMetricFamily(
            "shop_breaker", "Whether a provider or receiver is left alone", labels=["kind", "name", "state"]
        )
        ages = GaugeMetricFamily(
            "shop_breaker_not_closed_seconds", "For how long it has been away or paused", labels=["kind", "name"]
        )
        for breaker in Breaker.objects.select_related("destination"):
            kind = "provider" if breaker.provider else "receiver"
            for state in BreakerState:
                states.add_metric([kind, breaker.name, state], float(breaker.state == state))
            closed = breaker.state == BreakerState.CLOSED
            ages.add_metric([kind, breaker.name], 0.0 if closed else self._age(breaker.since))
        yield states
        yield ages

    def _heartbeats(self) -> Metric:
        ages = GaugeMetricFamily(
            "shop_heartbeat_age_seconds", "Since a process of this name last worked", labels=["name"]
        )
        for name, last in Heartbeat.objects.values_list("name").annotate(last=Max("beaten_at")).order_by("name"):
            ages.add_metric([name], self._age(last))
        return ages

    def _age(self, since: datetime | None) -> float:
        return max(0.0, (self._now - since).total_seconds()) if since is not None else 0.0


def _events() -> list[Row]:
    """One query a state: a partial index answers for one set of states only."""
    waiting = (ProviderEvent.objects.filter(state=state).order_by() for state in WAITING_EVENTS)
    return _with_all(WAITING_EVENTS, [row for rows in waiting for row in _by_state(rows, "received_at")])


def _calls() -> list[Row]:
    rows = ProviderCall.objects.filter(state__in=UNFINISHED_CALLS).order_by()
    return _with_all(UNFINISHED_CALLS, _by_state(rows, "created_at"))


def _deliveries() -> list[Row]:
    rows = Delivery.objects.filter(state__in=UNFINISHED_DELIVERIES).order_by()
    return _with_all(UNFINISHED_DELIVERIES, _by_state(rows, "queued_at"))


def _dead_deliveries() -> list[Row]:
    rows = Delivery.objects.filter(state=DeliveryState.DEAD).order_by()
    return _with_all((DeliveryState.DEAD,), _by_state(rows, "died_at"))


def _attempts() -> Metric:
    live = PaymentAttempt.objects.filter(state__in=LIVE_STATES).order_by().values_list("provider", "state")
    family = GaugeMetricFamily("shop_attempts_live", "Attempts that may still take money", labels=["provider", "state"])
    for provider, state, count in live.annotate(count=Count("pk")):
        family.add_metric([provider, state], count)
    return family


def _cases() -> Metric:
    family = GaugeMetricFamily("shop_cases_open", "Cases that wait for a person", labels=["kind"])
    open_cases = Case.objects.filter(closed_at__isnull=True).order_by().values_list("kind")
    for kind, count in open_cases.annotate(count=Count("pk")):
        family.add_metric([kind], count)
    return family


def _receivers() -> Metric:
    family = GaugeMetricFamily("shop_receiver_active", "1 where new facts go to it, 0 where disabled", labels=["name"])
    for name, active in Destination.objects.values_list("name", "active"):
        family.add_metric([name], float(active))
    return family


def _by_state(rows: QuerySet, moment: str) -> list[Row]:  # type: ignore[type-arg]  # of any work row
    return list(rows.values_list("state").annotate(count=Count("pk"), oldest=Min(moment)))


def _with_all(states: Iterable[str], rows: list[Row]) -> list[Row]:
    """Add the states without a row as 0: an alert on a series that is not there never fires."""
    found = {str(state): (count, oldest) for state, count, oldest in rows}
    return [(str(state), *found.get(str(state), (0, None))) for state in states]
