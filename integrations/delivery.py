"""Takes facts to their receivers: claim (lease, fencing token, the try's row) → send outside any transaction → mark.

Rows are touched by the calling thread only (delivery_claims.py, delivery_marks.py); the threads of a drain do nothing
but the network. At least once, under one key: a receiver that takes that key twice as one effect, or can be asked for
it, has it exactly once.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from django.conf import settings

from integrations import correlation
from integrations.connectors import CONNECTORS
from integrations.connectors.contract import Connector, Found, Message, Misconfigured, Receiver, Verdict
from integrations.delivery_claims import Claim, claim, has_due, unclaimed
from integrations.delivery_marks import mark, mark_all
from integrations.failpoints import failpoint
from integrations.models import Delivery, Failure

__all__ = ["Claim", "Drained", "attempt", "claim", "drain", "find", "has_due", "mark", "mark_all"]

_POLL_SECONDS = 0.25

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
    started = time.monotonic()
    done: Counter[str] = Counter()
    flying: dict[Future[Verdict], Claim] = {}
    threads: int = settings.DELIVERY_THREADS
    with ThreadPoolExecutor(threads, thread_name_prefix="deliver") as pool:
        while True:
            if time.monotonic() - started < settings.DRAIN_SECONDS and len(flying) < threads:
                for claimed in claim(now=clock(), limit=threads - len(flying), busy=_busy(flying.values())):
                    failpoint("delivery.before_send")
                    flying[pool.submit(attempt, claimed, now=clock())] = claimed
            if not flying:
                return Drained(**done)
            finished, _ = wait(flying, timeout=_POLL_SECONDS, return_when=FIRST_COMPLETED)
            done.update(_mark_finished([(flying.pop(future), future.result()) for future in finished], now=clock()))


def _mark_finished(results: list[tuple[Claim, Verdict]], *, now: datetime) -> list[str]:
    if not results:
        return []
    if any(verdict.delivered for _, verdict in results):
        failpoint("delivery.after_send")
    done = mark_all(results, now=now)
    failpoint("delivery.after_mark")
    return done


def _busy(flying: Collection[Claim]) -> Counter[int]:
    return Counter(claimed.delivery.destination_id for claimed in flying)


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
