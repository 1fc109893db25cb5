"""The keeper verifies the ledger once a day, in pieces of a few seconds; what is wrong is a case at once.

A run is a row (LedgerCheck), so that any worker goes on where the last one stopped. `verify_ledger` writes its own.
"""

from __future__ import annotations

import time
from datetime import datetime

from django.db import transaction
from django.db.models import QuerySet

from payments import rounds
from payments.cases import runbooks
from payments.cases.opening import open_case
from payments.ledger import check as ledger_check
from payments.ledger.check import LOWEST_KEY, Checked, Finding
from payments.models import Capture, LedgerCheck, LedgerTransaction
from payments.models.case import CaseKind

ROUND = "verify_ledger"
EVERY_SECONDS = 24 * 3600
PIECE_SECONDS = 4
"""Of each time a worker comes by: a task has 30 seconds for all its housekeeping."""
KEEPER = "worker:keep"


def is_due(at: datetime) -> bool:
    """Say whether a run has not ended, or the next one may begin."""
    if _unfinished().exists():
        return True
    begun = LedgerTransaction.objects.exists() or Capture.objects.exists()  # a shop without money has no ledger yet
    return begun and rounds.is_due(ROUND, every_seconds=EVERY_SECONDS, at=at)


def go_on(at: datetime) -> int:
    """Do a piece of the day's run; return how many rows were compared. Opens the case of what it finds first."""
    if not _unfinished().exists():
        if not is_due(at) or not rounds.begin(ROUND, every_seconds=EVERY_SECONDS, at=at):
            return 0
        LedgerCheck.objects.create(begun_at=at, actor=KEEPER, stage=ledger_check.stages()[0], after_key=LOWEST_KEY)
    with transaction.atomic(durable=True):
        run = _unfinished().select_for_update(skip_locked=True).order_by("pk").first()
        if run is None:  # another worker is at it
            return 0
        seen, findings = _piece(run, at=at)
        run.save()
        if findings:
            _tell(findings[0], at=at)
    return seen


def remember(checked: Checked, *, begun_at: datetime, at: datetime, actor: str) -> LedgerCheck:
    """Keep what a whole run came to, so that `status` and doctor know of it."""
    return LedgerCheck.objects.create(
        begun_at=begun_at,
        finished_at=at,
        actor=actor,
        rows_seen=checked.causes + checked.transactions,
        finding_count=len(checked.findings),
        first_finding=str(checked.findings[0]) if checked.findings else "",
    )


def last_finished() -> LedgerCheck | None:
    """Return the run that ended last."""
    return LedgerCheck.objects.exclude(finished_at=None).order_by("-finished_at").first()


def _unfinished() -> QuerySet[LedgerCheck]:
    return LedgerCheck.objects.filter(finished_at=None)


def _piece(run: LedgerCheck, *, at: datetime) -> tuple[int, list[Finding]]:
    """Do steps until time is up or the run ends; note in its row where the next piece begins."""
    if run.stage not in ledger_check.stages():  # begun by another version: from the beginning
        run.stage, run.after_key = ledger_check.stages()[0], LOWEST_KEY
    seen_before, findings = run.rows_seen, list[Finding]()
    deadline = time.monotonic() + PIECE_SECONDS
    while run.finished_at is None and time.monotonic() < deadline:
        done = ledger_check.step(run.stage, run.after_key)
        findings += done.findings
        run.rows_seen += done.seen
        run.stage, run.after_key = _next(run.stage, done.after)
        if not run.stage or run.finding_count + len(findings) >= ledger_check.MOST_FINDINGS:
            run.finished_at = at
    if findings and not run.finding_count:
        run.first_finding = str(findings[0])
    run.finding_count += len(findings)
    return run.rows_seen - seen_before, findings


def _next(stage: str, after: int | None) -> tuple[str, int]:
    """Return where the step after this one begins; no stage: nowhere."""
    if after is not None:
        return stage, after
    stages = ledger_check.stages()
    later = stages[stages.index(stage) + 1 :]
    return (later[0] if later else ""), LOWEST_KEY


def _tell(finding: Finding, *, at: datetime) -> None:
    open_case(
        CaseKind.LEDGER_BROKEN,
        subject_kind="ledger",
        subject_id=0,
        ours="Causes and postings commit together, and every transaction sums to zero.",
        theirs=finding.what[:500],
        suggested_fix=f"{finding.remedy} Runbook: {runbooks.url_of(CaseKind.LEDGER_BROKEN)}",
        at=at,
    )
