"""`manage.py replay_inbox`: puts events of the inbox back, so that a worker looks again at what they speak of."""

from __future__ import annotations

from typing import Any

import structlog
from django.core.management.base import CommandParser
from django.db.models import QuerySet
from django.utils import timezone

from payments import inbox
from payments.audit import recording as audit
from payments.management.reporting import Exit, ReportingCommand, usage
from payments.models import ProviderEvent
from payments.states import EventState

REPLAYABLE = (EventState.FAILED, EventState.DEAD, EventState.PARKED, EventState.PROCESSED)
"""What can be looked at again. Received ones wait already; ignored and rejected ones are no hints of ours."""
AT_ONCE = 500

log = structlog.get_logger(__name__)


class Command(ReportingCommand):
    """Exit codes: 0 done (also when there was nothing); 2 usage; 4 some of the named events cannot be replayed."""

    help = (
        "Put events of the inbox back to received: those named by id (7 or evt_…), or all in a state. An event is only "
        "a hint to look again, so replaying one doubles nothing."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("events", nargs="*", metavar="EVENT", help="its number here, or the provider's id of it")
        parser.add_argument("--state", choices=[state.value for state in REPLAYABLE], help="all in this state")
        parser.add_argument("--provider", help="only those of this provider")
        parser.add_argument("--reason", default="by command", help="why; written to the audit log with your name")
        parser.add_argument("--dry-run", action="store_true", help="say which, change nothing")
        self.add_json(parser)

    def handle(self, *_: Any, json: bool, dry_run: bool, reason: str, **options: Any) -> None:
        named: list[str] = options["events"]
        if not named and not options["state"]:
            raise usage("Name events, or give --state.")
        chosen = ProviderEvent.objects.filter(state__in=[options["state"]] if options["state"] else REPLAYABLE)
        if options["provider"]:
            chosen = chosen.filter(provider=options["provider"])
        wanted, unknown = _resolve(named)
        if named:
            chosen = chosen.filter(pk__in=wanted)
        ids = list(chosen.order_by("pk").values_list("pk", flat=True))
        if ids and not dry_run:
            self.record_run(at=timezone.now(), state=options["state"] or "", named=len(named), replayed=len(ids))
            _requeue(ids, reason=reason[:300])
        skipped = sorted(wanted - set(ids))
        report = {"replayed": ids, "not_replayable": skipped, "unknown": unknown, "dry_run": dry_run}
        self.finish(report, lines=_lines(report), as_json=json, code=Exit.PARTIAL if skipped or unknown else Exit.CLEAN)


def _requeue(ids: list[int], *, reason: str) -> None:
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        inbox.requeue(some, at=timezone.now())
        log.info("inbox_replayed", actor=audit.command_actor(), reason=reason, events=some)


def _resolve(named: list[str]) -> tuple[set[int], list[str]]:
    """Return the numbers of what is named by number or provider's id, and the names that match nothing."""
    found: set[int] = set()
    unknown: list[str] = []
    for name in named:
        ids = list(_matching(name).values_list("pk", flat=True))
        found.update(ids)
        if not ids:
            unknown.append(name)
    return found, unknown


def _matching(name: str) -> QuerySet[ProviderEvent]:
    if name.isascii() and name.isdigit() and len(name) < 19:
        return ProviderEvent.objects.filter(pk=int(name))
    return ProviderEvent.objects.filter(event_id=name)


def _lines(report: dict[str, Any]) -> list[str]:
    done = "would be replayed" if report["dry_run"] else "replayed"
    replayed, skipped, unknown = (len(report[name]) for name in ("replayed", "not_replayable", "unknown"))
    return [
        *(
            f"event {pk} cannot be replayed in its state, or is not among those chosen"
            for pk in report["not_replayable"]
        ),
        *(f"there is no event {name}" for name in report["unknown"]),
        ", ".join((f"{replayed} {done}", f"{skipped} not replayable", f"{unknown} unknown")),
    ]
