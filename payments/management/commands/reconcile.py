"""`manage.py reconcile`: holds a provider's lists against our rows, or one order against its provider.

Threats: a run that is started twice (refused), one that is killed (taken up by the next), and lists that lie: a
difference only makes us look, and nothing but a look changes anything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from integrations import providers
from integrations.contract import ProviderError
from payments.management import reconciling_lists, reconciling_order
from payments.management.bar import Show, bar
from payments.management.reporting import Exit, ReportingCommand, usage
from payments.management.since import Since, moment_of, since
from payments.models import ReconciliationRun
from payments.reconciliation import lists
from payments.reconciliation.runs import LeaseLost, RunInProgress

ACTOR = reconciling_order.ACTOR


class Command(ReportingCommand):
    """Exit codes: 0 both sides agree (now); 2 usage; 3 a case is open, a person must see to it; 4 a provider could not
    be asked about everything; 5 another run is in progress."""

    help = (
        "Compare what each provider lists with what is recorded here, in both directions, and settle what it says; or "
        "all attempts of one order. Repeating it does no harm. A run that was killed is taken up where it was."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--order", metavar="N|TOKEN", help="one order, by number or the token in its address")
        parser.add_argument(
            "--since",
            type=since,
            metavar="TIME",
            help="48h, 7d, 2026-11-21 or 2026-11-21T08:00; default: the end of the last run less an overlap",
        )
        parser.add_argument("--provider", help="only this one; default: all that list their payments")
        parser.add_argument(
            "--dry-run", action="store_true", help="tell what the lists differ in; ask and change nothing"
        )
        self.add_json(parser)

    def handle(self, *_: Any, json: bool, order: str | None, **options: Any) -> None:
        if order:
            if options["since"] is not None or options["provider"] or options["dry_run"]:
                raise usage("--order looks at one order: it goes without --since, --provider and --dry-run.")
            self._order(order, as_json=json)
        else:
            self._lists(options["provider"], asked=options["since"], dry_run=options["dry_run"], as_json=json)

    def _order(self, named: str, *, as_json: bool) -> None:
        order = reconciling_order.find(named)
        self.record_run(at=timezone.now(), subject_kind="order", subject_id=order.pk)
        report = reconciling_order.look_at_all(order, clock=timezone.now, progress=self.progress)
        self.finish(
            report,
            lines=reconciling_order.lines_of(report),
            as_json=as_json,
            code=reconciling_order.exit_code(report),
        )

    def _lists(self, provider: str | None, *, asked: Since | None, dry_run: bool, as_json: bool) -> None:
        names = _chosen(provider)
        begin = moment_of(asked, now=timezone.now())
        if not dry_run:
            self.record_run(at=timezone.now(), since=begin.isoformat() if begin else "", providers=list(names))
        runs: list[ReconciliationRun] = []
        failures: dict[str, str] = {}
        in_progress = False
        with bar() as show:
            for name in names:
                try:
                    runs += _reconcile(name, begin=begin, dry_run=dry_run, show=show)
                except (RunInProgress, LeaseLost) as error:
                    failures[name], in_progress = str(error), True
                except ProviderError as error:
                    failures[name] = (
                        f"cannot be asked now ({error.category}: {error.message}); the run goes on next time."
                    )
        report = reconciling_lists.report_of(runs, failures, dry_run=dry_run)
        code = Exit.REFUSED if in_progress else reconciling_lists.exit_code(report)
        self.finish(report, lines=reconciling_lists.lines_of(report), as_json=as_json, code=code)


def _reconcile(name: str, *, begin: datetime | None, dry_run: bool, show: Show) -> list[ReconciliationRun]:
    def told(run: ReconciliationRun) -> None:
        whole = (run.until - run.since).total_seconds() or 1
        show(
            f"{run.provider}: {run.listed} listed, {run.compared} of ours",
            (run.until - run.listed_to).total_seconds() / whole,
        )

    return lists.reconcile(name, since=begin, dry_run=dry_run, actor=ACTOR, clock=timezone.now, told=told)


def _chosen(provider: str | None) -> tuple[str, ...]:
    """Return the providers to reconcile. Raises CommandError."""
    if provider is None:
        names = lists.listing_providers()
        if not names:
            raise usage("No provider that lists its payments is offered (PAYMENTS_PROVIDERS).")
        return names
    if provider not in providers.enabled():
        raise usage(f"{provider} is not offered here; PAYMENTS_PROVIDERS names: {', '.join(providers.enabled())}.")
    try:
        lists.check_lists(provider)
    except lists.NoLists as error:
        raise usage(str(error)) from error
    return (provider,)
