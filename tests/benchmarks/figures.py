"""What was measured, as one table: figures with their goals, and the machine they were taken on."""

from __future__ import annotations

import os
import platform
import statistics
from dataclasses import dataclass
from pathlib import Path

from django.db import connection


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `goal`: what `measured` must reach (a ratio) or stay under (milliseconds); None: told
    only."""

    name: str
    measured: float
    unit: str = ""
    at_least: float | None = None
    at_most: float | None = None
    rounds: tuple[float, ...] = ()

    @property
    def is_met(self) -> bool:
        return (self.at_least is None or self.measured >= self.at_least) and (
            self.at_most is None or self.measured <= self.at_most
        )

    @property
    def goal(self) -> str:
        if self.at_least is not None:
            return f"≥ {self.at_least:g}{self.unit}"
        return f"≤ {self.at_most:g}{self.unit}" if self.at_most is not None else ""

    def row(self) -> list[str]:
        places = 2 if self.unit == "" else 1
        said = [f"{value:.{places}f}" for value in self.rounds]
        verdict = ("met" if self.is_met else "MISSED") if self.goal else ""
        return [self.name, self.goal, f"{self.measured:.{places}f}{self.unit}", verdict, " ".join(said)]


def figure(name: str, rounds: list[float], unit: str = "", **goal: float) -> Figure:
    """Return the median of `rounds` as a figure."""
    return Figure(name, statistics.median(rounds), unit, rounds=tuple(rounds), **goal)


def missed(figures: list[Figure]) -> list[str]:
    """Return the names of those that miss their goal."""
    return [each.name for each in figures if not each.is_met]


def print_table(figures: list[Figure], *, before: tuple[float, float, float]) -> None:
    """Print the table. `before`: the load averages at the start."""
    rows = [["figure (medians of 5)", "goal", "measured", "", "rounds"], *(each.row() for each in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    print()
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip())
    print(f"machine: {_machine()}; load average {before[0]:.1f} at the start, {os.getloadavg()[0]:.1f} at the end")


def _machine() -> str:
    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in (Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else [])
            if line.startswith("model name")
        ),
        platform.processor() or platform.machine(),
    )
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        [version] = cursor.fetchone() or ("?",)
    return f"{os.cpu_count()} × {cpu}, Python {platform.python_version()}, PostgreSQL {version}"
