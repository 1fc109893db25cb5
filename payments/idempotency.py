"""Our own API's idempotency: one key makes one object and has one final answer, for 24 h (DESIGN.md).

The key's row is written in the transaction that makes its object, so neither exists without the other. Whoever holds
the key has a lease on it; when that runs out, the next request with the same key goes on with that very object. Only a
final success is kept: whatever was refused or failed is worked out anew, and can never make a second object.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

import structlog
from django.db import DatabaseError, IntegrityError, OperationalError
from django.db.models import QuerySet
from psycopg.errors import LockNotAvailable, UniqueViolation

from integrations.failpoints import failpoint
from payments.clock import Clock
from payments.models import IdempotencyRecord

log = structlog.get_logger(__name__)

KEY_MIN_LENGTH = 16
KEY_MAX_LENGTH = 255
LEASE_SECONDS = 30
KEPT_HOURS = 24
ANONYMOUS = "anonymous"
EXAMPLE_KEY = "3f2b8c1e-6a4d-4f0b-9d57-0c8e2a1b7f63"
"""What the documentation shows. It is refused: clients that copy it would be told of each other's orders."""

_KEY = re.compile(rf"[\x20-\x7e]{{{KEY_MIN_LENGTH},{KEY_MAX_LENGTH}}}")
_ROUNDS = 3
_ONCE = "idempotency_key_once"


class KeyRefused(Exception):
    """The request is not carried out because of its Idempotency-Key; `message` says what to do about it."""

    code = "idempotency_key_refused"
    http_status = 400
    retry_after_seconds: int | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class KeyMissing(KeyRefused):
    """No key was sent. Make one for each thing you want made, and keep it until you have the answer."""

    code = "idempotency_key_missing"


class KeyMalformed(KeyRefused):
    """The key is too short, too long, not printable ASCII, or not the client's own."""

    code = "idempotency_key_malformed"


class KeyReused(KeyRefused):
    """The key was used for another body. Use a new key for a new request."""

    code = "idempotency_key_reused"
    http_status = 422


class InFlight(KeyRefused):
    """The same request is being worked on. Send it again after `retry_after_seconds`, unchanged."""

    code = "idempotency_in_flight"
    http_status = 409

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__("A request with this Idempotency-Key is being worked on. Send it again, unchanged, soon.")
        self.retry_after_seconds = retry_after_seconds


class Taken(Exception):
    """Another request with this key has made its object since we looked. Undo what was done and look again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What makes two requests the same one. `key` is the client's; `body_sha256` that of the raw body, in hex."""

    principal: str
    method: str
    path: str
    key: str
    body_sha256: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client is told; `body` is JSON text."""

    status: int
    body: str
    replayed: bool = False


@dataclass(slots=True)
class Held:
    """The key in our hands, while the work goes on. `object_id` is set where an earlier request made the object."""

    asked: Asked
    clock: Clock
    object_id: int | None = None
    record_id: int | None = None
    fence: int = 1
    outlived: bool = False
    kept: bool = False

    def bind(self, kind: str, object_id: int) -> None:
        """Write the key down with its object, in the transaction that makes the object. Raises Taken, InFlight.

        Needs a transaction, which must end with what is raised here.
        """
        at = self.clock()
        try:
            if self.outlived:
                _rows(self.asked).filter(created_at__lte=_oldest(at)).delete()
            record = IdempotencyRecord.objects.create(
                **_scope(self.asked),
                body_sha256=self.asked.body_sha256,
                created_at=at,
                lease_until=at + timedelta(seconds=LEASE_SECONDS),
                object_kind=kind,
                object_id=object_id,
            )
        except IntegrityError as error:
            if not (isinstance(error.__cause__, UniqueViolation) and error.__cause__.diag.constraint_name == _ONCE):
                raise
            raise Taken from error
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            raise InFlight(retry_after_seconds=1) from error
        self.record_id, self.object_id = record.pk, object_id
        failpoint("idempotency.bound")

    def keep(self, *, status: int, body: str) -> Answer:
        """Store the final answer, unless somebody took the key over meanwhile, and return it for the caller."""
        self._mine().update(status=status, response=body)
        self.kept = True
        return Answer(status, body)

    def release(self) -> None:
        """Let the next request with this key go on at once."""
        if self.record_id is None:
            return
        try:
            self._mine().update(lease_until=self.clock())
        except DatabaseError as error:  # the lease runs out by itself
            log.warning("idempotency_not_released", error=type(error).__name__)

    def _mine(self) -> QuerySet[IdempotencyRecord]:
        return IdempotencyRecord.objects.filter(pk=self.record_id or 0, fence=self.fence, status=None)


def ask(*, principal: str, method: str, path: str, key: str | None, body: bytes) -> Asked:
    """Return what identifies a request. `key`: the header as received. Raises KeyMissing, KeyMalformed."""
    if not key:
        raise KeyMissing(
            "Send an Idempotency-Key header with every POST: a random value of your own, such as a UUID, that stays "
            "the same when you send this request again."
        )
    if not _KEY.fullmatch(key):
        raise KeyMalformed(
            f"The Idempotency-Key must be {KEY_MIN_LENGTH} to {KEY_MAX_LENGTH} printable ASCII characters; a UUID does."
        )
    if key == EXAMPLE_KEY:
        raise KeyMalformed("This Idempotency-Key is the documentation's example. Send a random one of your own.")
    return Asked(principal, method, path, key, hashlib.sha256(body).hexdigest())


def once(asked: Asked, *, clock: Clock, work: Callable[[Held], Answer]) -> Answer:
    """Replay the key's final answer, or do the work with the key held.

    `work` binds the object it makes (Held.bind) or goes on with `held.object_id`, and keeps its answer if that is final
    (Held.keep). Raises KeyReused, InFlight, and what `work` raises; then the key is free for the next try.
    """
    for _ in range(_ROUNDS):
        held = _take(asked, clock=clock)
        if isinstance(held, Answer):
            return held
        try:
            return work(held)
        except Taken:
            continue
        finally:
            if not held.kept:
                held.release()
    raise InFlight(retry_after_seconds=1)


def forget(*, at: datetime) -> int:
    """Delete the keys that were first used 24 h before `at`, or earlier; return how many."""
    return IdempotencyRecord.objects.filter(created_at__lte=_oldest(at)).delete()[0]


def any_to_forget(*, at: datetime) -> bool:
    """Say whether forget() would delete something."""
    return IdempotencyRecord.objects.filter(created_at__lte=_oldest(at)).exists()


def _take(asked: Asked, *, clock: Clock) -> Held | Answer:
    """Return the stored answer, or the key: not bound yet, or taken over where its lease has run out."""
    at = clock()
    record = _rows(asked).first()
    if record is None or record.created_at <= _oldest(at):
        return Held(asked, clock, outlived=record is not None)
    if record.body_sha256 != asked.body_sha256:
        raise KeyReused(
            "This Idempotency-Key was used for another body. To ask for something else, use a new key; to repeat the "
            "first request, send exactly its body."
        )
    if record.status is not None:
        return Answer(record.status, record.response, replayed=True)
    if record.lease_until > at:
        raise InFlight(retry_after_seconds=ceil((record.lease_until - at).total_seconds()))
    lease_until = at + timedelta(seconds=LEASE_SECONDS)
    unclaimed = IdempotencyRecord.objects.filter(pk=record.pk, fence=record.fence, status=None)
    if not unclaimed.update(fence=record.fence + 1, lease_until=lease_until):
        raise InFlight(retry_after_seconds=1)
    return Held(asked, clock, object_id=record.object_id, record_id=record.pk, fence=record.fence + 1)


def _rows(asked: Asked) -> QuerySet[IdempotencyRecord]:
    return IdempotencyRecord.objects.filter(**_scope(asked))


def _scope(asked: Asked) -> dict[str, str]:
    return {"principal": asked.principal, "method": asked.method, "path": asked.path, "key": asked.key}


def _oldest(at: datetime) -> datetime:
    return at - timedelta(hours=KEPT_HOURS)
