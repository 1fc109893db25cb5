"""The gauges of /metrics, read from the database at the moment of the scrape; nothing is counted in a process's memory.

The figures are those of payments/monitoring/figures.py, which `manage.py status` shows too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from integrations.models import BreakerState
from payments.monitoring import figures as health_figures
from payments.monitoring import period_figures
from payments.monitoring.figures import ReceiverBacklog, Waiting


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
        """Ask the database. A state without a row is told as 0: an alert on a series that is not there never fires."""
        receivers = health_figures.receivers(now=self._now)
        *unsent, dead = health_figures.deliveries(receivers)
        yield from self._backlog("inbox", "Events that wait for a look", health_figures.inbox())
        yield from self._backlog("calls", "Calls to providers without a stored answer", health_figures.provider_calls())
        yield from self._backlog("deliveries", "Deliveries on their way", unsent)
        yield from self._backlog("dead_deliveries", "Deliveries given up", [dead])
        yield from self._receivers(receivers)
        yield from self._breakers()
        yield from self._looks_overdue()
        yield from self._running_hour()
        yield GaugeMetricFamily(
            "shop_approvals_waiting", "Acts that wait for a second person", value=health_figures.approvals_waiting()
        )
        yield self._keys()
        yield _attempts()
        yield _cases()
        yield self._heartbeats()

    def _backlog(self, name: str, what: str, rows: Iterable[Waiting]) -> Iterator[Metric]:
        counts = GaugeMetricFamily(f"shop_{name}", f"{what}, by state", labels=["state"])
        ages = GaugeMetricFamily(
            f"shop_{name}_oldest_seconds", f"{what}: age of the oldest, by state", labels=["state"]
        )
        for row in rows:
            counts.add_metric([row.state], row.count)
            ages.add_metric([row.state], self._age(row.oldest))
        yield counts
        yield ages

    def _receivers(self, receivers: Iterable[ReceiverBacklog]) -> Iterator[Metric]:
        due = GaugeMetricFamily(
            "shop_deliveries_due",
            "Deliveries that a worker should take now",
            value=sum(receiver.due for receiver in receivers),
        )
        unsent = GaugeMetricFamily("shop_receiver_unsent", "Deliveries on their way to a receiver", labels=["receiver"])
        oldest = GaugeMetricFamily(
            "shop_receiver_oldest_unsent_seconds", "Age of the oldest delivery on its way", labels=["receiver"]
        )
        dead = GaugeMetricFamily("shop_receiver_dead", "Deliveries to a receiver given up", labels=["receiver"])
        active = GaugeMetricFamily(
            "shop_receiver_active", "1 where new facts go to the receiver, 0 where it is disabled", labels=["receiver"]
        )
        for receiver in receivers:
            unsent.add_metric([receiver.name], receiver.unsent.count)
            oldest.add_metric([receiver.name], self._age(receiver.unsent.oldest))
            dead.add_metric([receiver.name], receiver.dead.count)
            active.add_metric([receiver.name], int(receiver.active))
        yield from (due, unsent, oldest, dead, active)

    def _breakers(self) -> Iterator[Metric]:
        """One series a state, so that an alert may ask for any: 1 where it is in that state, else 0."""
        states = GaugeMetricFamily(
            "shop_breaker", "Whether a provider or receiver is left alone", labels=["kind", "name", "state"]
        )
        ages = GaugeMetricFamily(
            "shop_breaker_not_closed_seconds", "For how long it has been away or paused", labels=["kind", "name"]
        )
        for breaker in health_figures.breakers():
            for state in BreakerState:
                states.add_metric([breaker.kind, breaker.name, state], int(breaker.state == state))
            ages.add_metric([breaker.kind, breaker.name], self._age(breaker.not_closed_since))
        yield from (states, ages)

    def _looks_overdue(self) -> Iterator[Metric]:
        overdue = health_figures.looks_overdue(now=self._now)
        yield GaugeMetricFamily("shop_looks_overdue", "Looks that should have begun", value=overdue.count)
        yield GaugeMetricFamily(
            "shop_looks_overdue_oldest_seconds", "How late the oldest of them is", value=self._age(overdue.oldest)
        )

    def _running_hour(self) -> Iterator[Metric]:
        """Of the running hour, as the keeper last computed it: what success and decline rates are made of."""
        figures = period_figures.of_running_hour(at=self._now)
        for family, what in (("attempts", "Attempts opened this hour"), ("tries", "Tries of this hour")):
            gauge = GaugeMetricFamily(f"shop_hour_{family}", f"{what}, by outcome", labels=["provider", "outcome"])
            for provider, outcomes in figures.get(family, {}).items():
                for outcome, count in outcomes.items():
                    gauge.add_metric([provider, outcome], count)
            yield gauge
        yield _webhook_lag(figures.get("events", {}))

    def _keys(self) -> Metric:
        days = GaugeMetricFamily(
            "shop_key_expires_days", "Days until an integration key in use expires", labels=["provider", "name"]
        )
        for key in health_figures.key_expiries():
            days.add_metric([key.provider, key.name], (key.expires_at - self._now).total_seconds() / 86_400)
        return days

    def _heartbeats(self) -> Metric:
        ages = GaugeMetricFamily(
            "shop_heartbeat_age_seconds", "Since a process of this name last worked", labels=["name"]
        )
        for beat in health_figures.heartbeats():
            if beat.last is not None:
                ages.add_metric([beat.name], self._age(beat.last))
        return ages

    def _age(self, since: datetime | None) -> float:
        return max(0.0, (self._now - since).total_seconds()) if since is not None else 0.0


def _webhook_lag(events: Mapping[str, Mapping[str, int]]) -> Metric:
    """From the provider's moment until an event was here, and from then until it had been processed."""
    gauge = GaugeMetricFamily(
        "shop_hour_webhook_lag_seconds", "How long webhooks of this hour took", labels=["provider", "part", "quantile"]
    )
    for provider, figures in events.items():
        for part in ("arrival", "processing"):
            for quantile in ("50", "95"):
                if (lag_ms := figures.get(f"{part}_p{quantile}_ms")) is not None:
                    gauge.add_metric([provider, part, f"0.{quantile}"], lag_ms / 1000)
    return gauge


def _attempts() -> Metric:
    family = GaugeMetricFamily("shop_attempts_live", "Attempts that may still take money", labels=["provider", "state"])
    for row in health_figures.live_attempts():
        family.add_metric([row.provider, row.state], row.count)
    return family


def _cases() -> Metric:
    family = GaugeMetricFamily("shop_cases_open", "Cases that wait for a person", labels=["kind"])
    for row in health_figures.open_cases():
        family.add_metric([row.kind], row.count)
    return family
