"""How commands report: JSON on stdout, progress on stderr only on a terminal, exit codes as DESIGN.md fixes them."""

from __future__ import annotations

import json
import logging
import sys
from datetime import datetime
from enum import IntEnum
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from payments.audit import recording as audit
from payments.audit.events import Event


class Exit(IntEnum):
    """What a command's exit code tells."""

    CLEAN = 0
    CRASH = 1
    USAGE = 2
    FINDINGS = 3
    PARTIAL = 4
    REFUSED = 5


class ReportingCommand(BaseCommand):
    """A command with `--json`, `progress()` and `finish()`; what it changes stands in the audit log under its name.

    To a person at a terminal it shows its report, and of the log only what is wrong; elsewhere the whole log goes to
    stderr.
    """

    def execute(self, *args: Any, **options: Any) -> str | None:
        if sys.stderr.isatty():
            logging.getLogger().setLevel(logging.WARNING)
        reason = str(options.get("reason") or "")
        with audit.acting(actor=audit.command_actor(), command=f"manage.py {self.name}", reason=reason):
            return super().execute(*args, **options)

    @property
    def name(self) -> str:
        """The command's name: its file's."""
        return type(self).__module__.rpartition(".")[2]

    def record_run(self, *, at: datetime, subject_kind: str = "", subject_id: int = 0, **details: Any) -> None:
        """Write into the audit log that this command is about to change something. Call it before the first change."""
        now = audit.current()
        audit.record(
            Event.COMMAND_RUN,
            actor=now.actor,
            subject_kind=subject_kind,
            subject_id=subject_id,
            reason=now.reason,
            details={"command": self.name, **details},
            at=at,
        )

    def add_json(self, parser: Any) -> None:
        """Add the option `--json`."""
        parser.add_argument("--json", action="store_true", help="report as one JSON object on stdout")

    def progress(self, sentence: str) -> None:
        """Say what is being done, to a person at a terminal."""
        if sys.stderr.isatty():
            self.stderr.write(sentence, self.style.NOTICE)

    def finish(self, report: dict[str, Any], *, lines: list[str], as_json: bool, code: Exit = Exit.CLEAN) -> None:
        """Write the report: one JSON line, or `lines`, the last of which sums up; then end with `code`."""
        self.stdout.write(json.dumps(report) if as_json else "\n".join(lines))
        if code is not Exit.CLEAN:
            sys.exit(code)


def usage(sentence: str) -> CommandError:
    """Return the error for a command line that asks for what cannot be done."""
    return CommandError(sentence, returncode=Exit.USAGE)


def refused(sentence: str) -> CommandError:
    """Return the error for what this command will not do here."""
    return CommandError(sentence, returncode=Exit.REFUSED)
