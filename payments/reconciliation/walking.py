"""One run, read a page at a time: their list beside our rows of the same stretch of time. Each page is one commit.

Ours are read a page behind theirs: both sides' times may differ by seconds, and what the neighbouring pages have is no
difference. What they have not is asked for by its id. Memory holds three pages' ids and one chunk of ours, however long
the lists are.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from integrations.contract import Page
from payments.clock import Clock
from payments.models import ReconciliationRun
from payments.models.reconciliation import Phase
from payments.reconciliation import payout_remainders, runs
from payments.reconciliation.sides import SIDES, Side

PAGES_BEHIND = 2
NEXT_PHASE = {Phase.CAPTURES: Phase.REFUNDS, Phase.REFUNDS: Phase.PAYOUTS, Phase.PAYOUTS: Phase.DONE}


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
        if self.run.phase in SIDES:
            SIDES[self.run.phase].tell_of_interrupted(self.run, clock=self.clock)
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
        side = SIDES[run.phase]
        page = side.page(run)
        ids = [side.id_of(line) for line in page.items]
        known = side.known(run.provider, ids)
        for line in page.items:
            self._confirm(side, side.suspect_listed(run, line, known.get(side.id_of(line))))
        listed_to = min((line.listed_at for line in page.items), default=run.listed_to)
        low = run.since if not page.cursor else run.listed_to
        compared = self._ours(side, low=low, seen=set(ids).union(*run.recent))
        runs.keep(run, at=self.clock(), **self._progress(page, ids, listed_to, low, compared))

    def _ours(self, side: Side, *, low: datetime, seen: set[str]) -> int:
        """Compare our rows of [low, where the last page left off) with what was listed; return how many there were."""
        count = 0
        if low >= self.run.ours_read_to:
            return count
        for chunk in side.between(self.run.provider, low=low, high=self.run.ours_read_to):
            for row in chunk:
                if side.id_of(row) not in seen:
                    self._confirm(side, side.suspect_unlisted(self.run, row))
            count += len(chunk)
        return count

    def _confirm(self, side: Side, suspicion: Any) -> None:
        if suspicion is None:
            return
        if self.run.findings.filter(object_id=suspicion.object_id).exists():
            return  # confirmed before this run was stopped
        self._check_time()
        side.confirm(self.run, suspicion, clock=self.clock)

    def _progress(
        self, page: Page[Any], ids: list[str], listed_to: datetime, low: datetime, compared: int
    ) -> dict[str, object]:
        run = self.run
        counts = {
            "confirming": None,
            "pages": run.pages + 1,
            "listed": run.listed + len(ids),
            "compared": run.compared + compared,
        }
        if not page.cursor:  # the next list begins at its newest end
            newest = run.until + timedelta(seconds=1)
            phase = NEXT_PHASE[Phase(run.phase)]
            return {**counts, "phase": phase, "cursor": "", "listed_to": newest, "ours_read_to": newest, "recent": []}
        return {
            **counts,
            "cursor": page.cursor,
            "listed_to": listed_to,
            "ours_read_to": min(low, run.ours_read_to),
            "recent": [*run.recent, ids][-PAGES_BEHIND:],
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
