"""`manage.py rotate_keys`: seals every sealed value anew with the first of ENCRYPTION_KEYS (docs/keys.md)."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from integrations import encryption, encryption_keys, resealing
from integrations.encryption_keys import KeyState
from integrations.resealing import ColumnReport, SealedColumn
from payments.audit.recording import command_actor
from payments.management.reporting import Exit, ReportingCommand


class Command(ReportingCommand):
    """Exit codes: 0 every value stands under the first key (--dry-run: can be brought there); 3 values stand under a
    key that is not there, or a key was changed under its id; 4 some values do not open, or changed meanwhile."""

    help = (
        "Seal every sealed value anew with the first of ENCRYPTION_KEYS, in small transactions beside the running "
        "service, and say which key ids nothing stands under any more. May be killed and run again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="count by key id; open and change nothing")
        self.add_json(parser)

    def handle(self, *_: Any, dry_run: bool, json: bool, **__: Any) -> None:
        encryption_keys.note_ring(at=timezone.now())
        states = encryption_keys.states(at=timezone.now())
        columns = resealing.sealed_columns()
        work = resealing.count_by_key if dry_run else _reseal
        done = self._go_through("looking through" if dry_run else "sealing", columns, work)
        # The service goes on writing meanwhile: what may be dropped is told by a look at what stands there now.
        now_there = done if dry_run else self._go_through("counting", columns, resealing.count_by_key)
        report = _report(done, now_there, states, dry_run=dry_run)
        self.finish(report, lines=_lines(report), as_json=json, code=_code(report))

    def _go_through(self, doing: str, columns: tuple[SealedColumn, ...], work: Any) -> list[ColumnReport]:
        shown = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
            transient=True,
        )
        with shown:
            reports = []
            for column in columns:
                task = shown.add_task(f"{doing} {column}", total=None)
                reports.append(work(column, told=_telling(shown, task)))
                shown.update(task, total=1, completed=1)
            return reports


def _telling(shown: Progress, task: TaskID) -> resealing.Progress:
    def tell(_: SealedColumn, last: int, highest: int) -> None:
        shown.update(task, completed=last, total=highest)

    return tell


def _reseal(column: SealedColumn, *, told: resealing.Progress) -> ColumnReport:
    return resealing.reseal_column(column, actor=command_actor(), told=told)


def _report(
    done: list[ColumnReport], now_there: list[ColumnReport], states: tuple[KeyState, ...], *, dry_run: bool
) -> dict[str, Any]:
    there: Counter[str] = sum((each.by_key for each in now_there), Counter())
    before = {str(each.column): each.by_key for each in done}
    ring = encryption.ring_ids()
    missing = sorted(key_id for key_id in there if key_id not in ring)
    return {
        "dry_run": dry_run,
        "writing_key": ring[0],
        "resealed": sum(each.resealed for each in done),
        "to_reseal": sum(count for each in now_there for key_id, count in each.by_key.items() if key_id != ring[0]),
        "unreadable": sum(each.unreadable for each in done),
        "changed_meanwhile": sum(each.changed_meanwhile for each in done),
        "columns": [
            {
                "column": str(each.column),
                "before": dict(before[str(each.column)]),
                "now": dict(each.by_key),
            }
            for each in now_there
        ],
        "unreadable_values": [name for each in done for name in each.named],
        "droppable": [key_id for key_id in ring[1:] if not there[key_id]],
        "missing": missing,
        "changed": [state.key_id for state in states if state.changed],
    }


def _code(report: dict[str, Any]) -> Exit:
    if report["unreadable"] or report["changed_meanwhile"]:
        return Exit.PARTIAL
    return Exit.FINDINGS if report["missing"] or report["changed"] else Exit.CLEAN


def _lines(report: dict[str, Any]) -> list[str]:
    lines = [f"{each['column']}: {_counts(each['now'])}" for each in report["columns"]]
    lines += [f"does not open: {name}" for name in report["unreadable_values"]]
    lines += [
        f"values stand under {key_id}, which is not in ENCRYPTION_KEYS: put it back" for key_id in report["missing"]
    ]
    lines += [
        f"another key stands under the id {key_id} than at first: see docs/keys.md" for key_id in report["changed"]
    ]
    if report["droppable"]:
        lines.append(
            f"nothing stands under {', '.join(report['droppable'])} any more: take it out of ENCRYPTION_KEYS once all "
            f"processes have been restarted with {report['writing_key']} first and --dry-run says this again"
        )
    if report["dry_run"]:
        return [*lines, f"{report['to_reseal']} values would be sealed anew with {report['writing_key']}"]
    done = f"{report['resealed']} values sealed anew with {report['writing_key']}"
    return [*lines, f"{done}, {report['unreadable']} do not open, {report['changed_meanwhile']} changed meanwhile"]


def _counts(by_key: dict[str, int]) -> str:
    return ", ".join(f"{count} under {key_id or 'no id'}" for key_id, count in sorted(by_key.items())) or "empty"
