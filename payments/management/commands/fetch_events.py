"""`manage.py fetch_events`: takes events that never came out of the provider's own list of them into the inbox.

Threats: an event is only a hint to look again, so fetching doubles nothing; the list is the provider's, asked for under
our key, and is read by the same reader as a webhook's body.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from integrations import providers
from integrations.contract import ConfigurationError, ProviderError
from payments import backfill
from payments.backfill import Fetched
from payments.management.bar import bar
from payments.management.reporting import Exit, ReportingCommand, usage
from payments.management.since import moment_of, since


class Command(ReportingCommand):
    """Exit codes: 0 read to the end, whatever was missed is in the inbox now; 2 usage; 4 a provider could not be read
    to the end."""

    help = (
        "Fetch events that never came from the provider's own list into the inbox, the newest first, down to --since "
        "or to where they are known to be complete. Repeating it does no harm."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--since",
            type=since,
            metavar="TIME",
            help="48h, 7d, 2026-11-21 or 2026-11-21T08:00; default: down to where they are complete",
        )
        parser.add_argument("--provider", help="only this one; default: all that list their events")
        parser.add_argument("--dry-run", action="store_true", help="count what was missed; take nothing in")
        self.add_json(parser)

    def handle(self, *_: Any, json: bool, dry_run: bool, provider: str | None, **options: Any) -> None:
        names = _chosen(provider)
        begin = moment_of(options["since"], now=timezone.now())
        if not dry_run:
            self.record_run(at=timezone.now(), since=begin.isoformat() if begin else "", providers=list(names))
        fetched: list[Fetched] = []
        failures: dict[str, str] = {}
        with bar() as show:
            for name in names:
                try:
                    fetched.append(
                        backfill.fetch(
                            name,
                            since=begin,
                            dry_run=dry_run,
                            clock=timezone.now,
                            told=lambda done: show(f"{done.provider}: {done.listed} listed, {done.missed} missed", 0),
                        )
                    )
                except ProviderError as error:
                    failures[name] = f"cannot be asked now ({error.category}: {error.message}); what was read is kept."
        report = {
            "dry_run": dry_run,
            "providers": [_told(each) for each in fetched],
            "missed": sum(each.missed for each in fetched),
            "failures": failures,
        }
        lines = [*(_line(each) for each in fetched), *(f"{name}: {why}" for name, why in failures.items())]
        taken = "would be fetched" if dry_run else "fetched into the inbox"
        lines.append(f"{report['missed']} missed events {taken}, {len(failures)} providers not read to the end")
        self.finish(report, lines=lines, as_json=json, code=Exit.PARTIAL if failures else Exit.CLEAN)


def _chosen(provider: str | None) -> tuple[str, ...]:
    """Return the providers to ask. Raises CommandError."""
    if provider is None:
        names = tuple(name for name in providers.enabled() if _lists(name))
        if not names:
            raise usage("No provider that lists its events is offered (PAYMENTS_PROVIDERS).")
        return names
    if provider not in providers.enabled():
        raise usage(f"{provider} is not offered here; PAYMENTS_PROVIDERS names: {', '.join(providers.enabled())}.")
    if not _lists(provider):
        raise usage(f"{provider} lists no events, or its keys cannot be used; see manage.py doctor.")
    return (provider,)


def _lists(name: str) -> bool:
    try:
        return bool(backfill.window_days(name))
    except (ConfigurationError, providers.UnknownProvider):
        return False


def _told(each: Fetched) -> dict[str, Any]:
    return {**asdict(each), "begun": each.begun.isoformat(), "down_to": each.down_to.isoformat()}


def _line(each: Fetched) -> str:
    why = "where they are known to be complete" if each.stopped_at_watermark else "as was asked for"
    return (
        f"{each.provider}: {each.listed} listed down to {each.down_to:%Y-%m-%d %H:%M} UTC, {why}; "
        f"{each.missed} missed, {each.irrelevant} of no use here"
    )
