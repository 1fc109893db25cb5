"""Takes facts to their receivers: claim (lease, fencing token, the try's row) → send outside any transaction → mark.

Rows are touched by the calling thread only (delivery_claims.py, delivery_marks.py); the threads of a drain do nothing
but the network. At least once, under one key: a receiver that takes that key twice as one effect, or can be asked for
it, has it exactly once.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from django.conf import settings

from integrations import correlation
from integrations.connectors import CONNECTORS
from integrations.connectors.contract import Connector, Found, Message, Misconfigured, Receiver, Verdict
from integrations.delivery_claims import Claim, claim, give_back, has_due, unclaimed
from integrations.delivery_marks import mark, mark_all
from integrations.failpoints import failpoint
from integrations.http_kept import keeping_connections
from integrations.models import Delivery, Failure

__all__ = ["Claim", "Drained", "attempt", "claim", "drain", "find", "has_due", "mark", "mark_all"]

AHEAD_SECONDS = 0.25
"""Of a receiver that answers quickly, so much work is claimed ahead, up to settings.DELIVERY_AHEAD."""
HOLD_SECONDS = 2.0
"""A claim that no thread has taken after this is given back. Far below the lease, and below what a task has left."""
LOOK_AGAIN_SECONDS = 0.1
"""How often to look for other receivers' deliveries while some are on their way."""
MARK_WITHIN_SECONDS = 0.05
MARK_TOGETHER = 16
"""Answers are written when so many have come, when the first has waited so long, or when nothing else is to be done."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drained:
    """What one drain did. `stale`: answers that came after the lease and were dropped."""

    delivered: int = 0
    failed: int = 0
    dead: int = 0
    stale: int = 0


def drain(*, clock: Callable[[], datetime]) -> Drained:
    """Deliver what is due until nothing is, or for settings.DRAIN_SECONDS; tries that run by then are waited for."""
    with ThreadPoolExecutor(settings.DELIVERY_THREADS, thread_name_prefix="deliver") as pool, keeping_connections():
        return _Drain(pool, clock=clock).run()


class _Drain:
    """What one drain has in its hands: claims that wait for a thread, and tries that are on their way.

    Claims and marks go by the batch, since each is a transaction. So of a receiver that has just answered quickly, more
    is claimed than its threads can send at once; what has waited for HOLD_SECONDS, or waits for a receiver that turns
    out to be away, is given back unsent. No claim is ever held so long that its lease could end.
    """

    def __init__(self, pool: ThreadPoolExecutor, *, clock: Callable[[], datetime]) -> None:
        self._pool, self._clock = pool, clock
        self._ends = time.monotonic() + settings.DRAIN_SECONDS
        self._waiting: dict[int, deque[tuple[Claim, float]]] = defaultdict(deque)
        self._flying: dict[Future[tuple[Verdict, float]], Claim] = {}
        self._answers: list[tuple[Claim, Verdict]] = []
        self._answered_at = 0.0
        self._paces: dict[int, float] = {}
        """Seconds a try takes, by destination; only of those that answered last."""
        self._looked_at = 0.0
        self._full: set[int] = set()
        """Destinations of which there was more to claim than was taken."""

    def run(self) -> Drained:
        """Go on until nothing is due, or time is up and nothing is on its way."""
        done: Counter[str] = Counter()
        while True:
            over = time.monotonic() >= self._ends
            if not over and self._is_hungry():
                self._claim()
            self._give_back_old(everything=over)
            self._start()
            if not self._flying and not self._answers:
                return Drained(**done)
            self._listen()
            if self._is_time_to_mark():
                done.update(self._mark())

    def _is_hungry(self) -> bool:
        """Say whether to claim now: nothing is left, a quick receiver's claims run low, or others may be due."""
        if not self._flying:
            return not self._answers
        share: int = settings.DELIVERY_THREADS_A_RECEIVER
        low = any(len(self._waiting[each]) <= share for each in self._full)
        return low or (self._free() > 0 and time.monotonic() - self._looked_at >= LOOK_AGAIN_SECONDS)

    def _claim(self) -> None:
        self._looked_at = time.monotonic()
        held = Counter(claimed.delivery.destination_id for claimed in self._held())
        room = {each: self._room(each, held[each]) for each in {*held, *self._paces}}
        ahead = sum(len(waiting) for waiting in self._waiting.values())
        limit = self._free() - ahead + sum(room.values())
        if limit <= 0:
            return
        taken: Counter[int] = Counter()
        claims = claim(now=self._clock(), limit=limit, room=room)
        since = time.monotonic()  # not from before: what a slow claim brings would be given back as soon as it is there
        for claimed in claims:
            self._waiting[claimed.delivery.destination_id].append((claimed, since))
            taken[claimed.delivery.destination_id] += 1
        emptied = {each for each, wanted in room.items() if taken[each] < wanted}
        self._full = {each for each in {*self._full, *taken} - emptied if each in self._paces}

    def _start(self, *, quick_only: bool = False) -> None:
        """Give threads to what waits, to no receiver more than its share."""
        flying = Counter(claimed.delivery.destination_id for claimed in self._flying.values())
        for destination, waiting in self._waiting.items():
            if quick_only and destination not in self._paces:
                continue
            while waiting and self._free() > 0 and flying[destination] < settings.DELIVERY_THREADS_A_RECEIVER:
                claimed, _ = waiting.popleft()
                flying[destination] += 1
                failpoint("delivery.before_send")
                self._flying[self._pool.submit(_timed, claimed, now=self._clock())] = claimed

    def _listen(self) -> None:
        """Wait until a try has ended, for no longer than there is nothing else to do; keep the threads at work."""
        finished, _ = wait(self._flying, timeout=MARK_WITHIN_SECONDS, return_when=FIRST_COMPLETED)
        for future in finished:
            claimed = self._flying.pop(future)
            verdict, seconds = future.result()
            self._note_pace(claimed.delivery.destination_id, verdict, seconds)
            if verdict.delivered:
                failpoint("delivery.after_send")
            self._answered_at = self._answered_at if self._answers else time.monotonic()
            self._answers.append((claimed, verdict))
        # Not to one that has just failed: first it is to be seen what its breaker says.
        self._start(quick_only=True)

    def _is_time_to_mark(self) -> bool:
        if not self._answers:
            return False
        if len(self._answers) >= MARK_TOGETHER or time.monotonic() - self._answered_at >= MARK_WITHIN_SECONDS:
            return True
        return not any(self._waiting.values()) or not all(verdict.delivered for _, verdict in self._answers)

    def _mark(self) -> list[str]:
        answers, self._answers = self._answers, []
        done = mark_all(answers, now=self._clock())
        failpoint("delivery.after_mark")
        failed = {claimed.delivery.destination_id for claimed, verdict in answers if not verdict.delivered}
        unsent = [claimed for each in failed for claimed, _ in self._waiting.pop(each, ())]
        give_back(unsent, now=self._clock())
        return done

    def _note_pace(self, destination: int, verdict: Verdict, seconds: float) -> None:
        if verdict.delivered:
            self._paces[destination] = (self._paces.get(destination, seconds) + seconds) / 2
        else:
            self._paces.pop(destination, None)

    def _room(self, destination: int, held: int) -> int:
        """Return how many of a destination to claim: what its threads send in AHEAD_SECONDS, once they run low."""
        share: int = settings.DELIVERY_THREADS_A_RECEIVER
        pace = self._paces.get(destination)
        if pace is None:
            return max(0, share - held)
        if len(self._waiting[destination]) > share:
            return 0
        quick = min(share + settings.DELIVERY_AHEAD, int(share * AHEAD_SECONDS / max(pace, 0.001)))
        return max(0, max(share, quick) - held)

    def _give_back_old(self, *, everything: bool) -> None:
        """Let go of what no thread has taken for too long; of `everything` that waits when time is up."""
        oldest = time.monotonic() - HOLD_SECONDS
        back: list[Claim] = []
        for waiting in self._waiting.values():
            while waiting and (everything or waiting[0][1] < oldest):
                back.append(waiting.popleft()[0])
        give_back(back, now=self._clock())

    def _held(self) -> Iterator[Claim]:
        yield from self._flying.values()
        for waiting in self._waiting.values():
            yield from (claimed for claimed, _ in waiting)

    def _free(self) -> int:
        return int(settings.DELIVERY_THREADS) - len(self._flying)


def _timed(claimed: Claim, *, now: datetime) -> tuple[Verdict, float]:
    began = time.monotonic()
    return attempt(claimed, now=now), time.monotonic() - began


def attempt(claimed: Claim, *, now: datetime) -> Verdict:
    """Make one try, with its look-up first where the receiver may have the message already. Touches no row."""
    connector = CONNECTORS[claimed.delivery.destination.kind]
    with correlation.bind(claimed.delivery.event.correlation_id):
        try:
            return _try(connector, claimed, now=now)
        # Whatever one delivery raises, a defect of ours too, must not stop the others.
        except Exception as error:
            verdict = connector.classify(error, now=now)
            if verdict.failure == Failure.INTERNAL:
                log.exception("delivery_defect", key=claimed.delivery.key)
            return replace(verdict, outcome_unknown=verdict.outcome_unknown or claimed.look_first)


def find(row: Delivery, *, now: datetime, deadline_seconds: float) -> Found | None:
    """Ask a delivery's receiver whether it has it, if it can be asked. Touches no row but the record of an opening.

    Raises what the connector raises: CannotLookUp, Misconfigured, and errors of the network.
    """
    asked = unclaimed(row, now=now)
    connector = CONNECTORS[row.destination.kind]
    with correlation.bind(row.event.correlation_id):
        return connector.find(_message(asked), _receiver(asked), now=now, deadline_seconds=deadline_seconds)


def _try(connector: Connector, claimed: Claim, *, now: datetime) -> Verdict:
    began = time.monotonic()
    message, receiver = _message(claimed), _receiver(claimed)
    must_look = claimed.look_first and not claimed.delivery.destination.idempotent
    patience: int = settings.DELIVERY_LOOKUP_SECONDS
    if must_look and (found := connector.find(message, receiver, now=now, deadline_seconds=patience)):
        detail = "It had arrived by an earlier try."
        return Verdict(delivered=True, found=True, detail=detail, external_ids=found.external_ids)
    request = connector.build(message, receiver, now=now)
    left = settings.DELIVERY_SEND_SECONDS - (time.monotonic() - began)
    return connector.classify(connector.send(request, deadline_seconds=left), now=now)


def _message(claimed: Claim) -> Message:
    event = claimed.delivery.event
    return Message(
        key=claimed.delivery.key,
        fact=event.fact,
        event_id=str(event.uid),
        occurred_at=event.created_at,
        payload=event.payload,
        related=claimed.related,
    )


def _receiver(claimed: Claim) -> Receiver:
    destination = claimed.delivery.destination
    if claimed.secrets is None:
        raise Misconfigured("the signing secrets cannot be read; see ENCRYPTION_KEYS")
    return destination.receiver(
        secrets=claimed.secrets,
        allow_loopback=destination.allow_loopback and settings.ENVIRONMENT != "production",
    )
