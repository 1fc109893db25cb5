"""One run, read a page at a time: their list beside our rows of the same stretch of time. Each page is one commit.

Ours are read a page behind theirs: both sides' times may differ by seconds, and what the neighbouring pages have is no
difference. What they have not is asked for by its id. Memory holds three pages' ids and one chunk of ours, however long
the lists are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from integrations import providers
from integrations.contract import ListedCapture, Page
from payments.clock import Clock
from payments.models import ReconciliationRun
from payments.models.reconciliation import Phase
from payments.reconciliation import payout_remainders, runs
from payments.reconciliation.confirming import Suspicion, confirm, suspect_listed, suspect_unlisted, tell_of_interrupted
from payments.reconciliation.ours import between, by_ids

PAGES_BEHIND = 2
NEXT_PHASE = {Phase.CAPTURES: Phase.PAYOUTS, Phase.PAYOUTS: Phase.DONE}


class OutOfTime(Exception):
    """This slice of work is over; the run goes on from its last page."""


@dataclass(slots=True)
class Walk:
    """Works on one leased run. `pause`: sleeps so many seconds. `deadline`: of time.monotonic(), None for no end.

    `told`: is called after each page. Raises ProviderError where a list cannot be read, LeaseLost, OutOfTime; the run
    stays as its last commit left it.
    """

    run: ReconciliationRun
    clock: Clock
    pause: Callable[[float], None] = time.sleep
    deadline: float | None = None
    told: Callable[[ReconciliationRun], None] = lambda _: None

    def to_the_end(self) -> None:
        """Read both sides to their end and finish the run."""
        tell_of_interrupted(self.run, clock=self.clock)
        while self.run.phase != Phase.DONE:
            begun = time.monotonic()
            self._check_time()
            self._step()
            self.told(self.run)
            if self.run.phase != Phase.DONE:
                self.pause(max(0, 1 / settings.RECONCILE_PAGES_A_SECOND - (time.monotonic() - begun)))
        runs.finish(self.run, at=self.clock())

    def _step(self) -> None:
        if self.run.phase == Phase.PAYOUTS:
            payout_remainders.find(self.run, clock=self.clock, goes_on=self._has_time)
            runs.keep(self.run, at=self.clock(), phase=NEXT_PHASE[Phase.PAYOUTS])
        else:
            self._page()

    def _page(self) -> None:
        run = self.run
        page = providers.get(run.provider).list_captures(since=run.since, until=run.until, cursor=run.cursor)
        known = by_ids(run.provider, [line.capture_id for line in page.items])
        for line in page.items:
            self._confirm(suspect_listed(run, line, known.get(line.capture_id)))
        ids = [line.capture_id for line in page.items]
        listed_to = min((line.listed_at for line in page.items), default=run.listed_to)
        low = run.since if not page.cursor else run.listed_to
        compared = self._ours(low=low, seen=set(ids).union(*run.recent))
        runs.keep(run, at=self.clock(), **self._progress(page, ids, listed_to, low, compared))

    def _ours(self, *, low: datetime, seen: set[str]) -> int:
        """Compare our rows of [low, where the last page left off) with what was listed; return how many there were."""
        count = 0
        if low >= self.run.ours_read_to:
            return count
        for chunk in between(self.run.provider, low=low, high=self.run.ours_read_to):
            for row in chunk:
                if row.capture_id not in seen:
                    self._confirm(suspect_unlisted(self.run, row))
            count += len(chunk)
        return count

    def _confirm(self, suspicion: Suspicion | None) -> None:
        if suspicion is None:
            return
        if self.run.findings.filter(object_id=suspicion.object_id).exists():
            return  # confirmed before this run was stopped
        self._check_time()
        confirm(self.run, suspicion, clock=self.clock)

    def _progress(
        self, page: Page[ListedCapture], ids: list[str], listed_to: datetime, low: datetime, compared: int
    ) -> dict[str, object]:
        run = self.run
        return {
            "cursor": page.cursor,
            "phase": run.phase if page.cursor else NEXT_PHASE[Phase(run.phase)],
            "listed_to": listed_to,
            "ours_read_to": min(low, run.ours_read_to),
            "confirming": None,
            "recent": [*run.recent, ids][-PAGES_BEHIND:] if page.cursor else [],
            "pages": run.pages + 1,
            "listed": run.listed + len(ids),
            "compared": run.compared + compared,
        }

    def _has_time(self) -> bool:
        """Say whether there is time for one more question; renews the lease."""
        if self.deadline is not None and time.monotonic() >= self.deadline:
            return False
        runs.keep(self.run, at=self.clock())
        return True

    def _check_time(self) -> None:
        if self.deadline is not None and time.monotonic() >= self.deadline:
            raise OutOfTime
