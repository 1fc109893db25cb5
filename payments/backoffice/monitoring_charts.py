"""The charts of the monitoring page and of home, from the figures of hours and days."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from integrations.contract import DeclineReason
from payments.backoffice.charts import Chart, Series
from payments.models.period import Length
from payments.monitoring import period_figures
from payments.monitoring.period_figures import Figures
from payments.roles import Area, Verb, may

Periods = list[tuple[datetime, Figures]]


def charts_for(user: Any, length: Length, *, at: datetime, most: int | None = None) -> list[Chart]:
    """Return the charts this person may see over the last 24 hours or 30 days, up to `most`, the important first."""
    periods = period_figures.last(length, at=at)
    allowed = [build for area, build in CHARTS if may(user, Verb.VIEW, area)]
    return [build(periods, length) for build in allowed[:most]]


def success(periods: Periods, length: Length) -> Chart:
    """Attempts that ended paid, by provider."""
    return _over_time(
        periods,
        length,
        key="success",
        title="Attempts that were paid",
        explanation="Of the attempts opened in each period that have ended by now: the share that was paid. Open ones "
        "are left out; a page that nobody used counts as unpaid.",
        unit="%",
        series=_by_name(periods, "attempts", lambda told: _share(told["paid"], told["paid"] + told["unpaid"])),
    )


def approvals(periods: Periods, length: Length) -> Chart:
    """Tries that the bank took, by provider."""
    return _over_time(
        periods,
        length,
        key="approvals",
        title="Tries that were approved",
        explanation="Each time a shopper gave a card or account: the share that bank and provider accepted.",
        unit="%",
        series=_by_name(periods, "tries", lambda told: _share(told["made"] - told["declined"], told["made"])),
    )


def declines(periods: Periods, length: Length) -> Chart:
    """Declined tries by reason, over the whole time shown."""
    total: dict[str, int] = {}
    for _, figures in periods:
        for reason, count in figures.get("declines", {}).items():
            total[reason] = total.get(reason, 0) + count
    ranked = sorted(total.items(), key=lambda each: (-each[1], each[0]))
    return Chart(
        key="declines",
        title="Why tries were declined",
        explanation="Declined tries by reason, over the whole time shown.",
        labels=[_reason(reason) for reason, _ in ranked],
        series=[Series(name="declined", values=[count for _, count in ranked])],
        label_heading="reason",
        bars=True,
        empty="No try was declined in this time.",
    )


def arrival(periods: Periods, length: Length) -> Chart:
    """From the event's making at the provider to its arrival here."""
    return _over_time(
        periods,
        length,
        key="arrival",
        title="Webhooks: from the provider to us",
        explanation="Time between an event's making at the provider and its arrival here. Repeats of a webhook that we "
        "missed arrive late; clocks may differ by a second.",
        unit=" ms",
        series=_lags(periods, "events", "arrival"),
    )


def processing(periods: Periods, length: Length) -> Chart:
    """From an event's arrival to the look that used it."""
    return _over_time(
        periods,
        length,
        key="processing",
        title="Webhooks: from arrival to processed",
        explanation="Time between an event's arrival and the look at the provider that used it.",
        unit=" ms",
        series=_lags(periods, "events", "processing"),
    )


def backlog(periods: Periods, length: Length) -> Chart:
    """How much waited at most."""
    return _over_time(
        periods,
        length,
        key="backlog",
        title="Backlog",
        explanation="The most events and deliveries that waited at once, as seen each minute.",
        series=[_of_backlog(periods, "events", "events"), _of_backlog(periods, "deliveries", "deliveries")],
    )


def age(periods: Periods, length: Length) -> Chart:
    """How old the oldest waiting row was at most."""
    return _over_time(
        periods,
        length,
        key="age",
        title="Age of the oldest that waited",
        explanation="How long the oldest event and the oldest delivery had been waiting at worst. Alerts look at this, "
        "not at an average.",
        unit=" s",
        series=[
            _of_backlog(periods, "events_oldest_seconds", "oldest event"),
            _of_backlog(periods, "deliveries_oldest_seconds", "oldest delivery"),
        ],
    )


def out(periods: Periods, length: Length) -> Chart:
    """Confirmed deliveries, by receiver."""
    return _over_time(
        periods,
        length,
        key="deliveries",
        title="Deliveries that receivers confirmed",
        explanation="Confirmed deliveries by receiver. The table tells the tries that failed as well.",
        series=_by_name(periods, "deliveries", lambda told: told["delivered"]),
        only_in_table=_by_name(periods, "deliveries", lambda told: told["failed"], suffix=", failed tries"),
    )


CHARTS: tuple[tuple[Area, Callable[[Periods, Length], Chart]], ...] = (
    (Area.ORDER, success),
    (Area.ORDER, approvals),
    (Area.MESSAGES, age),
    (Area.ORDER, declines),
    (Area.MESSAGES, arrival),
    (Area.MESSAGES, processing),
    (Area.MESSAGES, backlog),
    (Area.MESSAGES, out),
)
"""What each is about, by the roles table, in the order shown."""


# --- from figures to lines -------------------------------------------------------------------------------------


def _over_time(periods: Periods, length: Length, **chart: Any) -> Chart:
    form = "%H:%M" if length is Length.HOUR else "%d %b"
    labels = [start.strftime(form) for start, _ in periods]
    return Chart(labels=labels, label_heading=f"{length.label.lower()} (UTC)", **chart)


def _by_name(
    periods: Periods, family: str, value: Callable[[dict[str, Any]], int | None], *, suffix: str = ""
) -> list[Series]:
    return [
        Series(name=f"{name}{suffix}", values=[_value(figures, family, name, value) for _, figures in periods])
        for name in _names(periods, family)
    ]


def _value(figures: Figures, family: str, name: str, value: Callable[[dict[str, Any]], int | None]) -> int | None:
    told = figures.get(family, {}).get(name)
    return value(told) if told is not None else None


def _lags(periods: Periods, family: str, lag: str) -> list[Series]:
    half, most = f"{lag}_p50_ms", f"{lag}_p95_ms"
    return [
        *_by_name(periods, family, lambda told: told.get(half), suffix=", half within"),
        *_by_name(periods, family, lambda told: told.get(most), suffix=", 95% within"),
    ]


def _of_backlog(periods: Periods, figure: str, name: str) -> Series:
    return Series(name=name, values=[figures.get("backlog", {}).get(figure) for _, figures in periods])


def _names(periods: Iterable[tuple[datetime, Figures]], family: str) -> list[str]:
    return sorted({name for _, figures in periods for name in figures.get(family, {})})


def _share(part: int, of: int) -> int | None:
    return part * 100 // of if of else None


def _reason(reason: str) -> str:
    return (reason or DeclineReason.UNKNOWN).replace("_", " ")
