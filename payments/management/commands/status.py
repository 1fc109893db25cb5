"""`manage.py status`: one screen for whoever is on call."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table
from rich.text import Text

from payments import status
from payments.management.reporting import Exit, ReportingCommand
from payments.status import Light, Line

STYLES = {Light.GREEN: "green", Light.AMBER: "yellow", Light.RED: "bold red"}


class Command(ReportingCommand):
    """Exit codes: 0 nothing is red; 3 something is."""

    help = "What is wrong, what waits and since when, what was given up, who is paused. Changes nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        self.add_json(parser)

    def handle(self, *_: Any, json: bool, **__: Any) -> None:
        at = timezone.now()
        found = status.lines(at=at)
        worst = status.worst(found)
        red = sum(line.light is Light.RED for line in found)
        summary = f"{worst.upper()}: {red} red, {sum(line.light is Light.AMBER for line in found)} amber"
        self.finish(
            {"at": at.isoformat(), "worst": worst, "lines": [_plain(line) for line in found]},
            lines=[*_table(found, at=at), summary],
            as_json=json,
            code=Exit.FINDINGS if worst is Light.RED else Exit.CLEAN,
        )


def _plain(line: Line) -> dict[str, Any]:
    return {**asdict(line), "oldest": line.oldest.isoformat() if line.oldest else None}


def _table(found: list[Line], *, at: datetime) -> list[str]:
    table = Table("", "area", "what", "count", "oldest", "more", expand=False)
    for line in found:
        more = " ".join(filter(None, [line.detail, line.runbook]))
        table.add_row(
            Text(line.light, STYLES[line.light]),
            *(Text(cell) for cell in (line.area, line.what, str(line.count), _age(line.oldest, at), more)),
        )
    console = Console(stderr=False)
    with console.capture() as captured:
        console.print(table)
    return captured.get().rstrip().splitlines()


def _age(since: datetime | None, at: datetime) -> str:
    """Return how long ago, in the two largest units."""
    if since is None:
        return "–"
    seconds = max(0, int((at - since).total_seconds()))
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= size:
            return f"{seconds // size} {unit} {seconds % size // smaller} {name}"
    return f"{seconds} s"
