"""`manage.py redeliver`: queues dead deliveries again, under their old keys."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from integrations.dead_letters import redeliver
from integrations.facts import Fact
from integrations.models import Delivery, DeliveryState, Destination
from payments.audit import recording as audit
from payments.management.reporting import ReportingCommand

EXIT_USAGE = 2
EXIT_PARTIAL = 4


class Command(ReportingCommand):
    """Exit codes: 0 done (also when nothing was dead), 2 usage, 4 some of the named deliveries are not dead."""

    help = (
        "Queue dead deliveries again: those named by id or key, or all of a destination or fact, or --all. "
        "They keep their keys, so a receiver that had one already takes it as the same."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("deliveries", nargs="*", metavar="DELIVERY", help="id or key (msg_…)")
        parser.add_argument("--destination", help="only those to this destination, by name")
        parser.add_argument("--fact", choices=[fact.value for fact in Fact], help="only those of this fact")
        parser.add_argument("--all", action="store_true", help="all that are dead")
        parser.add_argument("--reason", default="by command", help="why; kept with each of them")
        parser.add_argument("--dry-run", action="store_true", help="say which, change nothing")
        parser.add_argument("--json", action="store_true", help="report as one JSON object on stdout")

    def handle(self, *_: Any, **options: Any) -> None:
        named: list[str] = options["deliveries"]
        if not (named or options["destination"] or options["fact"] or options["all"]):
            raise CommandError("Name deliveries, or give --destination, --fact or --all.", returncode=EXIT_USAGE)
        if options["destination"] and not Destination.objects.filter(name=options["destination"]).exists():
            raise CommandError(f"There is no destination {options['destination']!r}.", returncode=EXIT_USAGE)
        chosen = Delivery.objects.filter(state=DeliveryState.DEAD)
        wanted, unknown = _resolve(named)
        if named:
            chosen = chosen.filter(pk__in=wanted)
        if options["destination"]:
            chosen = chosen.filter(destination__name=options["destination"])
        if options["fact"]:
            chosen = chosen.filter(event__fact=options["fact"])
        ids = self._queue(chosen, **options)
        skipped = sorted(wanted - set(ids))
        self._report(ids, skipped=skipped, unknown=unknown, **options)
        if skipped or unknown:
            sys.exit(EXIT_PARTIAL)

    def _queue(self, chosen: Any, *, dry_run: bool, reason: str, **_: Any) -> list[int]:
        if dry_run:
            return list(chosen.values_list("pk", flat=True))
        self.record_run(at=timezone.now(), found=chosen.count())
        return redeliver(chosen, actor=audit.command_actor()[:80], reason=reason[:300], now=timezone.now())

    def _report(self, ids: list[int], *, skipped: list[int], unknown: list[str], dry_run: bool, **options: Any) -> None:
        if options["json"]:
            report = {"queued": ids, "not_dead": skipped, "unknown": unknown, "dry_run": dry_run}
            self.stdout.write(json.dumps(report))
            return
        for pk in skipped:
            self.stderr.write(f"delivery {pk} is not dead, or not among those chosen")
        for name in unknown:
            self.stderr.write(f"there is no delivery {name}")
        done = "would be queued" if dry_run else "queued"
        self.stdout.write(f"{len(ids)} {done}, {len(skipped)} not dead, {len(unknown)} unknown")


def _resolve(named: list[str]) -> tuple[set[int], list[str]]:
    """Return the ids of what is named by id or key, and the names that match nothing."""
    found: set[int] = set()
    unknown: list[str] = []
    for name in named:
        is_id = name.isascii() and name.isdigit() and len(name) < 19
        matching = Delivery.objects.filter(pk=int(name)) if is_id else Delivery.objects.filter(key=name)
        ids = list(matching.values_list("pk", flat=True))
        found.update(ids)
        if not ids:
            unknown.append(name)
    return found, unknown
