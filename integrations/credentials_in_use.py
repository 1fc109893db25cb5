"""The integration keys as this process uses them: an active row wins over the environment, within seconds of a change.

Every webhook and every call to a provider asks here, so the answer is kept: one small query in REFRESH_SECONDS a
process, and a value is opened only when its row is new. Nothing here raises or writes inside somebody's transaction.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from django.db import DatabaseError
from django.db.models import Q
from django.db.models.functions import Now

from integrations import redaction
from integrations.contract import SettingProblem
from integrations.credentials import KINDS, environment_values, fingerprint, open_value
from integrations.decryptions import PROCESS
from integrations.encryption import CannotDecrypt
from integrations.models.keys import Credential
from integrations.transactions import in_own_transaction

REFRESH_SECONDS = 3
"""How old this process's knowledge may be; a change counts everywhere within 5 s."""
NOTED_EVERY_SECONDS = 60
"""How often the same key's use is written down."""

log = structlog.get_logger(__name__)

_Opened = dict[tuple[uuid.UUID, bytes], str | None]
"""Clear value by row and sealed value; None where it does not open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One accepted value. `uid` is None for one of the environment."""

    uid: uuid.UUID | None
    clear: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class InUse:
    """The rows that count, at one moment: the values newest first, what could not be opened, what was revoked."""

    values: Mapping[tuple[str, str], tuple[Value, ...]]
    unreadable: Mapping[tuple[str, str], tuple[str, ...]]
    revoked: Mapping[tuple[str, str], frozenset[str]]

    def of(self, provider: str, name: str) -> tuple[Value, ...]:
        """Return the accepted values, newest first: the rows', or the environment's where no row counts."""
        key = (provider, name)
        if rows := self.values.get(key):
            return rows
        if key in self.unreadable:
            return ()
        revoked = self.revoked.get(key, frozenset())
        every = environment_values(provider, name)
        return tuple(Value(uid=None, clear=value) for value in every if fingerprint(value) not in revoked)

    def problems(self, provider: str) -> list[SettingProblem]:
        """Return what a person must mend before this provider's keys can be used."""
        return [
            SettingProblem(
                code="credential.unreadable",
                remedy=f"The integration key {provider} {name} {', '.join(marks)} does not open: put its key back into "
                "ENCRYPTION_KEYS, or revoke it.",
            )
            for (of, name), marks in self.unreadable.items()
            if of == provider
        ]


@dataclass(slots=True)
class _Process:
    """What this process knows. Clear values stand here and in the adapters, nowhere else."""

    asked_at: float = 0
    in_use: InUse | None = None
    opened: _Opened = field(default_factory=dict, repr=False)
    noted: dict[uuid.UUID, float] = field(default_factory=dict)


_known = _Process()
_refreshing = threading.Lock()


def current() -> InUse:
    """Return the keys in use, at most REFRESH_SECONDS old; the same object as long as nothing has changed.

    With the database away, what was known last goes on counting. Raises DatabaseError where nothing is known yet.
    """
    known = _known
    if known.in_use is None:
        _refreshing.acquire()
    elif time.monotonic() - known.asked_at < REFRESH_SECONDS or not _refreshing.acquire(blocking=False):
        return known.in_use  # fresh enough, or another thread is asking
    try:
        return _refresh(known)
    finally:
        _refreshing.release()


def forget() -> None:
    """Know nothing, as a new process does: the database is asked at the next use. A forked worker begins so, too."""
    global _known, _refreshing
    _known, _refreshing = _Process(), threading.Lock()


os.register_at_fork(after_in_child=forget)


def noting(provider: str) -> Callable[[str], None]:
    """Return what an adapter calls with the very value it has used, so that its row says when that was."""
    in_use = current()
    rows = {value.clear: value.uid for (of, _), each in in_use.values.items() if of == provider for value in each}

    def used(clear: str) -> None:
        if uid := rows.get(clear):
            _note_use(uid)

    return used


def _refresh(known: _Process) -> InUse:
    within = in_own_transaction()
    if within and known.in_use is not None:
        return known.in_use  # the record of an opening must not be rolled back with somebody's work
    now = time.monotonic()
    try:
        fresh, opened = _read(known)
    except DatabaseError:
        if known.in_use is None:
            raise
        log.warning("credentials_not_refreshed", exc_info=True)
        fresh, opened = known.in_use, known.opened
    if within:
        return fresh  # nothing is kept: the next use, outside, opens and records again
    known.asked_at, known.opened = now, opened
    if known.in_use is None or fresh != known.in_use:
        known.in_use = fresh
    return known.in_use


def _read(known: _Process) -> tuple[InUse, _Opened]:
    values: dict[tuple[str, str], list[Value]] = {}
    unreadable: dict[tuple[str, str], list[str]] = {}
    revoked: dict[tuple[str, str], set[str]] = {}
    opened: _Opened = {}
    for row in _rows():
        key = (row.provider, row.name)
        if row.revoked_at is not None:
            revoked.setdefault(key, set()).add(row.fingerprint)
            continue
        what = (row.uid, bytes(row.value_sealed or b""))
        opened[what] = clear = known.opened[what] if what in known.opened else _open(row)
        if clear is None:
            unreadable.setdefault(key, []).append(row.fingerprint)
        else:
            values.setdefault(key, []).append(Value(uid=row.uid, clear=clear))
    in_use = InUse(
        values={key: tuple(each) for key, each in values.items()},
        unreadable={key: tuple(each) for key, each in unreadable.items()},
        revoked={key: frozenset(each) for key, each in revoked.items()},
    )
    return in_use, opened


def _rows() -> list[Credential]:
    """Return the rows that count now by the database's clock, and the revoked ones; few, however long it runs."""
    counts = Q(
        Q(expires_at__isnull=True) | Q(expires_at__gt=Now()),
        Q(overlap_until__isnull=True) | Q(overlap_until__gt=Now()),
        active_from__lte=Now(),
        value_sealed__isnull=False,
    )
    rows = Credential.objects.filter(counts | Q(revoked_at__isnull=False))
    return list(rows.order_by("-active_from", "-pk"))


def _open(row: Credential) -> str | None:
    """Open a value once; from then on this process's log leaves it out, whatever it looks like."""
    try:
        clear = open_value(row, purpose=KINDS[row.provider, row.name].purpose, actor=PROCESS)
    except (CannotDecrypt, KeyError):
        log.exception("credential_unreadable", credential=str(row.uid))
        return None
    redaction.know_secrets([clear])
    return clear


def _note_use(uid: uuid.UUID) -> None:
    """Write down that a key was used; a statement a minute, key and process, never inside somebody's transaction."""
    now = time.monotonic()
    if now - _known.noted.get(uid, -NOTED_EVERY_SECONDS) < NOTED_EVERY_SECONDS or in_own_transaction():
        return
    _known.noted[uid] = now
    lately = Now() - timedelta(seconds=NOTED_EVERY_SECONDS)
    try:
        Credential.objects.filter(Q(last_used_at__isnull=True) | Q(last_used_at__lt=lately), uid=uid).update(
            last_used_at=Now()
        )
    except DatabaseError:
        log.warning("credential_use_not_noted", credential=str(uid), exc_info=True)
