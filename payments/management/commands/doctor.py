"""`manage.py doctor`: examines settings, keys, database, processes, providers and our own door; says what to do."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Column, Table

from payments.audit.recording import command_actor
from payments.management.doctor import (  # noqa: F401 - each registers its examinations
    of_addresses,
    of_backlog,
    of_database,
    of_keys,
    of_pages,
    of_processes,
    of_providers,
    of_settings,
)
from payments.management.doctor.examination import EXAMINATIONS, Outcome, Place, Result, examine
from payments.management.doctor.secret_list import Secret, secrets_in_use
from payments.management.reporting import Exit, ReportingCommand, usage

WORDS = {Result.OK: "ok", Result.FINDING: "FINDING", Result.UNCHECKED: "not checked", Result.SKIPPED: "–"}


class Command(ReportingCommand):
    """Exit codes: 0 clean; 2 usage; 3 findings; 4 nothing found, but something could not be examined.

    Changes nothing but: a harmless event for each signing secret in the inbox, and the records of what it opened.
    """

    help = (
        "Examine settings, keys, database, workers, providers and our own door. Each finding has a code and a remedy."
    )
    requires_system_checks = []  # it runs them itself (D001), and goes on

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", help="where the service answers (PUBLIC_BASE_URL)")
        parser.add_argument("--only", metavar="CODES", help="examine these only, e.g. D040,D042")
        self.add_json(parser)

    def handle(self, *_: Any, url: str | None, only: str | None, json: bool, **__: Any) -> None:
        chosen = _chosen(only)
        place = Place(
            at=timezone.now(),
            clock=timezone.now,
            url=(url or settings.PUBLIC_BASE_URL).rstrip("/"),
            actor=command_actor(),
        )
        outcomes = []
        for each in chosen:
            self.progress(f"{each.code} {each.holds}")
            outcomes.append(examine(each, place))
        secrets = secrets_in_use()
        report = {
            "environment": settings.ENVIRONMENT,
            "url": place.url,
            "findings": sum(outcome.result is Result.FINDING for outcome in outcomes),
            "unchecked": sum(outcome.result is Result.UNCHECKED for outcome in outcomes),
            "examinations": [asdict(outcome) for outcome in outcomes],
            "secrets": [asdict(secret) for secret in secrets],
            "outgoing_addresses": of_addresses.outgoing(),
            "providers": [asdict(reach) for reach in of_addresses.reaches()],
        }
        if not json and self.stdout.isatty():
            _show(outcomes, secrets)
            lines = [*of_addresses.lines(), _summary(report)]
        else:
            lines = [*map(_line, outcomes), *map(_secret_line, secrets), *of_addresses.lines(), _summary(report)]
        self.finish(report, lines=lines, as_json=json, code=_code(report))


def _chosen(only: str | None) -> list[Any]:
    if only is None:
        return [EXAMINATIONS[code] for code in sorted(EXAMINATIONS)]
    codes = [code.strip().upper() for code in only.split(",")]
    if unknown := [code for code in codes if code not in EXAMINATIONS]:
        raise usage(f"There is no {', '.join(unknown)}; docs/doctor.md lists the codes.")
    return [EXAMINATIONS[code] for code in codes]


def _code(report: dict[str, Any]) -> Exit:
    if report["findings"]:
        return Exit.FINDINGS
    return Exit.PARTIAL if report["unchecked"] else Exit.CLEAN


def _summary(report: dict[str, Any]) -> str:
    count = len(report["examinations"])
    findings, unchecked = report["findings"], report["unchecked"]
    plural = "" if findings == 1 else "s"
    return f"{count} examined in {report['environment']}: {findings} finding{plural}, {unchecked} not checked"


def _line(outcome: Outcome) -> str:
    lines = [f"{outcome.code} {WORDS[outcome.result]}: {outcome.holds}", *(f"     {each}" for each in outcome.details)]
    if outcome.result is Result.FINDING:
        lines.append(f"     → {outcome.remedy}")
    return "\n".join(lines)


def _secret_line(secret: Secret) -> str:
    said = f"secret {secret.name}: {secret.where}"
    return f"{said}{f', {secret.shown}' if secret.shown else ''}{'' if secret.counts else ' (does not count)'}"


def _show(outcomes: list[Outcome], secrets: list[Secret]) -> None:
    console = Console()
    table = Table("code", "", "what it holds", "found and remedy")
    colour = {Result.OK: "green", Result.FINDING: "bold red", Result.UNCHECKED: "yellow", Result.SKIPPED: "dim"}
    for outcome in outcomes:
        told = list(outcome.details)
        if outcome.result is Result.FINDING:
            told.append(f"→ {outcome.remedy}")
        style = colour[outcome.result]
        table.add_row(
            outcome.code, f"[{style}]{WORDS[outcome.result]}[/{style}]", outcome.holds, _plain("\n".join(told))
        )
    console.print(table)
    sources = Table(*(Column(name, overflow="fold") for name in ("secret", "comes from", "shown by", "counts")))
    for secret in secrets:
        sources.add_row(
            _plain(secret.name), _plain(secret.where), _plain(secret.shown), "yes" if secret.counts else "no"
        )
    console.print(sources)


def _plain(text: str) -> str:
    """Keep what comes from outside from being read as markup."""
    return text.replace("[", "\\[")
