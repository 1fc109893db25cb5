"""`manage.py status`: one screen for on-call: what broke, how far it reaches, what waits, who works."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Column, Table

from integrations import providers
from payments.management.reporting import Exit, ReportingCommand
from payments.monitoring import figures as health_figures
from payments.monitoring import levels as health_levels
from payments.monitoring.levels import Area, Health, Level, Row

STYLE = {Level.GREEN: "green", Level.AMBER: "yellow", Level.RED: "bold red"}


class Command(ReportingCommand):
    """Exit codes: 0 nothing is red; 3 something is. Reads only; the figures are those of /metrics and of the monitoring
    page."""

    help = "One screen: what broke, how far it reaches, lag and backlog, who works. Words: green, amber, red."

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_json(parser)

    def handle(self, *_: Any, json: bool, **__: Any) -> None:
        health = health_levels.health(now=timezone.now(), providers=providers.enabled())
        if not json and self.stdout.isatty():
            _show(health)
            lines = [_summary(health)]
        else:
            lines = [*_lines(health), _summary(health)]
        code = Exit.FINDINGS if health.level is Level.RED else Exit.CLEAN
        self.finish(_report(health), lines=lines, as_json=json, code=code)


def _report(health: Health) -> dict[str, Any]:
    return {
        "level": health.level,
        "at": health.at.isoformat(),
        "summary": _summary(health),
        "areas": {area.name: [_told(row, at=health.at) for row in area.rows] for area in health.areas},
    }


def _told(row: Row, *, at: datetime) -> dict[str, Any]:
    return {
        "name": row.name,
        "level": row.level,
        "count": row.count,
        "since": row.since.isoformat() if row.since else None,
        "age_seconds": int((at - row.since).total_seconds()) if row.since else None,
        "detail": row.detail,
    }


def _lines(health: Health) -> list[str]:
    return [
        f"{area.name}: {row.name}: {row.level}" + "".join(f", {part}" for part in _parts(area, row, at=health.at))
        for area in health.areas
        for row in area.rows
    ]


def _summary(health: Health) -> str:
    """Say what is wrong and how far it reaches, in one line."""
    named = [
        f"{level}: " + "; ".join(f"{area.name} {row.name}" for area, row in rows)
        for level in (Level.RED, Level.AMBER)
        if (rows := health.rows(level))
    ]
    open_payments = sum(row.count or 0 for area in health.areas if area.name == "providers" for row in area.rows)
    return f"{health.level.upper()}. " + "".join(f"{each}. " for each in named) + f"Payments open now: {open_payments}."


def _parts(area: Area, row: Row, *, at: datetime) -> list[str]:
    return [
        *([f"{_count(row.count)} {area.counts}"] if row.count is not None else []),
        *([f"{area.since} {_ago(row.since, at=at)}"] if row.since else []),
        *([row.detail] if row.detail else []),
    ]


def _show(health: Health) -> None:
    console = Console()
    for area in (each for each in health.areas if each.rows):
        table = Table(
            Column(area.name, min_width=24, overflow="fold"),
            Column("", width=5),
            Column(area.counts, justify="right", width=17),
            Column(area.since, justify="right", width=16),
            Column("", overflow="fold"),
            box=None,
            padding=(0, 2, 0, 0),
            header_style="bold",
        )
        for row in area.rows:
            table.add_row(
                _plain(row.name),
                f"[{STYLE[row.level]}]{row.level}[/{STYLE[row.level]}]",
                "" if row.count is None else _count(row.count),
                _ago(row.since, at=health.at),
                _plain(row.detail),
            )
        console.print(table)
        console.print()


def _count(count: int) -> str:
    return f"{count:,}" + ("+" if count >= health_figures.MOST_COUNTED else "")


def _ago(since: datetime | None, *, at: datetime) -> str:
    if since is None:
        return ""
    seconds = max(0, int((at - since).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def _plain(text: str) -> str:
    """Keep what comes from outside from being read as markup."""
    return text.replace("[", "\\[")
