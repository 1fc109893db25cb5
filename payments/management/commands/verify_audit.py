"""`manage.py verify_audit`: computes the audit log's seals again and names the first broken link (docs/audit.md)."""

from __future__ import annotations

import argparse
import re
from datetime import date, datetime
from typing import Any

from django.core.management.base import CommandParser
from django.db import DatabaseError, transaction
from django.utils import timezone

from payments.audit import recording as audit
from payments.audit.events import Event
from payments.audit.verification import MOST_BREAKS, Break, Verified, verify
from payments.cases import runbooks
from payments.cases.opening import open_case
from payments.management.days import day
from payments.management.reporting import Exit, ReportingCommand
from payments.models.case import CaseKind

SHOWN = 20
"""Of the breaks after the first, without --json."""


class Command(ReportingCommand):
    """Exit codes: 0 every sealed row is as it was written; 2 usage; 3 a link is broken."""

    help = (
        "Compute the digests of all sealed audit rows again and compare them with the daily seals. Names the first "
        "broken link: the seal, the table, the row's key, and what differs."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from", dest="from_day", type=day, metavar="DAY", help="only seals of DAY (UTC) and later"
        )
        parser.add_argument(
            "--anchor",
            action="append",
            default=[],
            type=_anchor,
            metavar="NUMBER:DIGEST",
            help="a seal's digest that was kept elsewhere; may be given several times",
        )
        self.add_json(parser)

    def handle(self, *_: Any, from_day: date | None, anchor: list[tuple[int, str]], json: bool, **__: Any) -> None:
        result = verify(
            now=timezone.now(),
            from_day=from_day,
            anchors=dict(anchor),
            told=lambda rows: self.progress(f"{rows} rows"),
        )
        self._remember(result)
        code = Exit.FINDINGS if result.breaks else Exit.CLEAN
        self.finish(_report(result), lines=_lines(result), as_json=json, code=code)

    def _remember(self, result: Verified) -> None:
        """Let the back office show up to when the log is proved, and tell a person of a broken link. Where that cannot
        be written, the result counts."""
        told = {**_report(result), "first_broken": str(result.breaks[0]) if result.breaks else ""}
        kept = {name: told[name] for name in ("seals", "rows", "verified_until", "broken", "first_broken")}
        try:
            audit.record(Event.AUDIT_VERIFIED, actor=audit.current().actor, details=kept, at=timezone.now())
            if result.breaks:
                _tell(result.breaks[0], at=timezone.now())
        except DatabaseError as error:
            self.stderr.write(f"The result could not be written to the audit log ({type(error).__name__}).")


def _tell(broken: Break, *, at: datetime) -> None:
    with transaction.atomic():
        open_case(
            CaseKind.AUDIT_BROKEN,
            subject_kind="audit_seal",
            subject_id=broken.seal,
            ours="Each sealed row is as it was written.",
            theirs=f"First broken link: {broken}"[:500],
            suggested_fix="Treat it as an incident: the application's role cannot do this. "
            f"Runbook: {runbooks.url_of(CaseKind.AUDIT_BROKEN)}",
            at=at,
        )


def _anchor(text: str) -> tuple[int, str]:
    found = re.fullmatch(r"([1-9][0-9]{0,17}):([0-9a-f]{64})", text, re.ASCII)
    if found is None:
        raise argparse.ArgumentTypeError("An anchor is a seal's number, a colon and its 64 hexadecimal digits.")
    return int(found[1]), found[2]


def _report(result: Verified) -> dict[str, Any]:
    return {
        "seals": result.seals,
        "rows": result.rows,
        "verified_until": result.until.isoformat() if result.until else None,
        "last_seal": {"number": result.last.number, "digest": result.last.digest} if result.last else None,
        "broken": len(result.breaks),
        "first_broken": result.breaks[0].as_json() if result.breaks else None,
        "breaks": [each.as_json() for each in result.breaks],
        "unsealed": result.unsealed,
    }


def _lines(result: Verified) -> list[str]:
    waiting = sum(result.unsealed.values())
    looked_at = f"{result.seals} seals, {result.rows} rows, {waiting} rows not sealed yet"
    if not result.breaks:
        until = f", verified until {result.until:%Y-%m-%d %H:%M:%S} UTC" if result.until else ""
        anchor = [f"anchor: {result.last.number}:{result.last.digest}"] if result.last else []
        return [*anchor, f"{looked_at}, 0 broken links{until}"]
    more = result.breaks[1:]
    many = f"{MOST_BREAKS} or more" if len(result.breaks) >= MOST_BREAKS else str(len(result.breaks))
    return [
        f"First broken link: {result.breaks[0]}",
        *(f"then {each}" for each in more[:SHOWN]),
        *([f"and {len(more) - SHOWN} further ones; --json shows them"] if len(more) > SHOWN else []),
        f"{looked_at}, {many} broken links",
    ]
