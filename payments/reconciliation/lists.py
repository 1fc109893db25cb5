"""Reconciling one provider's lists from a moment until now: what the command and the scheduled slices call.

Threats: two at once (one lease a provider, held in a row), a process that dies (its run is taken up after its lease), a
provider that limits us (a rate of pages, and its own refusals end the attempt, not the run).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime

from integrations import providers
from integrations.contract import ConfigurationError
from payments.clock import Clock
from payments.models import ReconciliationRun
from payments.reconciliation import plan, runs
from payments.reconciliation.walking import Walk

Tell = Callable[[ReconciliationRun], None]


class NoLists(Exception):
    """This provider does not list its payments: look at its orders one by one (`reconcile --order`)."""


def reconcile(
    provider: str,
    *,
    since: datetime | None,
    dry_run: bool,
    actor: str,
    clock: Clock,
    pause: Callable[[float], None] = time.sleep,
    told: Tell = lambda _: None,
) -> list[ReconciliationRun]:
    """Read a provider's lists and our rows from `since` (None: where the last run ended) until now, both directions.

    Returns the runs that did it: a run left behind by a process that died is finished first. `told` is called after
    each page. Opens its own transactions; never inside one. Raises NoLists, runs.RunInProgress, runs.LeaseLost,
    ProviderError (the run then waits to be taken up).
    """
    check_lists(provider)
    until = clock()
    begin: datetime | None = since if since is not None else plan.since_last(provider, at=until)
    done = []
    while begin is not None:
        run = plan.open_run(provider, since=begin, until=until, dry_run=dry_run, actor=actor, at=clock())
        walk_or_leave(Walk(run, clock=clock, pause=pause, told=told))
        done.append(run)
        begin = plan.rest_of(run, until=until)
    return done


def check_lists(provider: str) -> None:
    """Raise NoLists unless the provider lists payments. Raises ConfigurationError where it cannot be used."""
    if not providers.get(provider).capabilities.lists_payments:
        raise NoLists(f"{provider} does not list its payments: manage.py reconcile --order N looks at one order.")


def listing_providers() -> tuple[str, ...]:
    """Return the providers whose lists can be read with the keys at hand."""
    return tuple(name for name in providers.enabled() if _lists(name))


def walk_or_leave(walk: Walk) -> None:
    """Walk to the end; whatever stops it gives the lease back, so that nobody waits for us."""
    try:
        walk.to_the_end()
    except runs.LeaseLost:
        raise
    except BaseException:
        runs.leave(walk.run)
        raise


def _lists(name: str) -> bool:
    try:
        return providers.get(name).capabilities.lists_payments
    except (ConfigurationError, providers.UnknownProvider):  # `doctor` says what is wrong with it
        return False
