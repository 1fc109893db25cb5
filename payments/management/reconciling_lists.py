"""What `reconcile` tells of runs over whole lists: counts by difference, findings with their cases, the exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models import Count

from payments.management.reporting import Exit
from payments.models import ReconciliationFinding, ReconciliationRun
from payments.models.reconciliation import Difference, Upshot

MOST_TOLD = 200
"""So many findings stand in the report; the others are counted, and have their cases."""
OPEN = (Upshot.CASE, Upshot.KNOWN, Upshot.SUSPECTED)


def report_of(runs: Sequence[ReconciliationRun], failures: dict[str, str], *, dry_run: bool) -> dict[str, Any]:
    """Return the report over all providers. `failures`: by provider, why its lists could not be read to the end."""
    findings = ReconciliationFinding.objects.filter(run__in=[run.pk for run in runs])
    counts = findings.order_by().values_list("difference", "upshot").annotate(count=Count("pk"))
    by_difference: dict[str, dict[str, int]] = {name: {} for name in Difference.values}
    for difference, upshot, count in counts:
        by_difference[difference][upshot] = count
    told = findings.filter(upshot__in=[*OPEN, Upshot.UNCONFIRMED]).order_by("pk").select_related("case")[:MOST_TOLD]
    return {
        "dry_run": dry_run,
        "runs": [_run(run) for run in runs],
        "differences": by_difference,
        "new": _count(by_difference, Upshot.CASE) + _count(by_difference, Upshot.SETTLED),
        "settled": _count(by_difference, Upshot.SETTLED),
        "open": sum(_count(by_difference, upshot) for upshot in OPEN),
        "unconfirmed": _count(by_difference, Upshot.UNCONFIRMED),
        "findings": [_finding(each) for each in told],
        "failures": failures,
    }


def exit_code(report: dict[str, Any]) -> Exit:
    """Return what the report means. What a look has settled is no finding any more."""
    if report["failures"] or report["unconfirmed"]:
        return Exit.PARTIAL
    return Exit.FINDINGS if report["open"] else Exit.CLEAN


def lines_of(report: dict[str, Any]) -> list[str]:
    """Return the report as it is read; the last line sums up."""
    lines = [f"{name}: {why}" for name, why in report["failures"].items()]
    lines += [_line(each) for each in report["findings"]]
    lines += [_counted(difference, counts) for difference, counts in report["differences"].items() if counts]
    read = sum(run["listed"] for run in report["runs"])
    ours = sum(run["compared"] for run in report["runs"])
    words = "suspected; nothing was asked or changed" if report["dry_run"] else "open"
    summary = (
        f"{read} of theirs and {ours} of ours compared: {report['settled']} settled, {report['open']} {words}, "
        f"{report['unconfirmed']} unconfirmed"
    )
    return [*lines, summary]


def _run(run: ReconciliationRun) -> dict[str, Any]:
    return {
        "run": run.pk,
        "provider": run.provider,
        "since": run.since.isoformat(),
        "until": run.until.isoformat(),
        "pages": run.pages,
        "listed": run.listed,
        "compared": run.compared,
        "finished": run.finished_at is not None,
    }


def _counted(difference: str, counts: dict[str, int]) -> str:
    return f"{difference}: " + ", ".join(f"{count} {upshot}" for upshot, count in counts.items())


def _line(each: dict[str, Any]) -> str:
    case = f", case {each['case']}" if each["case"] else ""
    about = f"{each['difference']} {each['object']} ({each['upshot']}{case})"
    return f"{about}: ours: {each['ours']} Theirs: {each['theirs']}"


def _finding(each: ReconciliationFinding) -> dict[str, Any]:
    return {
        "difference": each.difference,
        "upshot": each.upshot,
        "object": each.object_id,
        "order": each.order_id,
        "case": each.case_id,
        "amount_minor": each.amount_minor,
        "currency": each.currency,
        "ours": each.ours,
        "theirs": each.theirs,
        "suggested_fix": each.case.suggested_fix if each.case else "",
    }


def _count(by_difference: dict[str, dict[str, int]], upshot: str) -> int:
    return sum(counts.get(upshot, 0) for counts in by_difference.values())
