"""Who opened which sealed value, when and for what: one append-only row for each opening that a person or command
causes, and one an hour, process, value and purpose for what a process opens again and again to do its work.

A process's row is written before its first use and covers the hour up to `until`; what it did with the value in that
hour stands elsewhere already: each delivery it signed is a DeliveryAttempt, each call to a provider a ProviderCall. So
the record is complete in meaning without a write a delivery.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from django.apps import apps
from django.db import models
from django.db.models.functions import Now

from integrations import correlation
from integrations.transactions import in_own_transaction, refuse_open_transaction

if TYPE_CHECKING:
    from integrations.encryption import Place
    from integrations.models.keys import DecryptionRecord

WINDOW_SECONDS = 3600
"""For how long one row covers what a process opens for its work."""
MOST_COVERED = 1000
"""When this many are remembered, those that are over are forgotten."""
PROCESS = "process"
"""The actor of what no person and no command asked for."""


class Purpose(models.TextChoices):
    """What a sealed value was opened for."""

    REVEAL = "reveal", "Shown to a person"
    MASKED = "masked", "Shown to a person, masked"
    ROTATE = "rotate", "Sealed anew with another key"
    CHECK = "check", "Proved by doctor"
    COMPARE = "compare", "Compared with a new value"
    SIGN_IN = "sign_in", "A second factor was checked"
    SIGN = "sign", "Signs what we send"
    VERIFY = "verify", "Proves what we receive"
    CALL = "call", "Opens a provider's API"


OF_PROCESSES = frozenset({Purpose.SIGN, Purpose.VERIFY, Purpose.CALL})
"""Purposes for which a process opens the same value again and again; only these are covered by the hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """One sealed value that was opened, or did not open."""

    key_id: str
    place: Place
    opened: bool


_covered: dict[tuple[object, ...], float] = {}
"""What a row of this process covers, and until when by its monotonic clock."""


def record(opening: Opening, *, purpose: Purpose, actor: str, reason: str = "") -> None:
    """Write down one opening; see unseal() for who and why.

    Of a process's own work only the first in an hour is written. Inside a transaction that may still roll back it does
    not count as written. Raises TransactionOpen for REVEAL inside a transaction.
    """
    if purpose is Purpose.REVEAL:
        refuse_open_transaction("revealing a sealed value")
    if not (purpose in OF_PROCESSES and actor == PROCESS and opening.opened):
        _row(opening, purpose=purpose, actor=actor, reason=reason).save(force_insert=True)
        return
    what = (os.getpid(), opening.key_id, opening.place, purpose)
    began = time.monotonic()
    if _covered.get(what, began) > began:
        return
    row = _row(opening, purpose=purpose, actor=actor, reason=reason)
    row.until = Now() + timedelta(seconds=WINDOW_SECONDS)
    row.save(force_insert=True)
    if not in_own_transaction():
        _cover(what, until=began + WINDOW_SECONDS, now=began)


def record_all(openings: Iterable[Opening], *, purpose: Purpose, actor: str) -> None:
    """Write down many openings in one statement."""
    rows = [_row(opening, purpose=purpose, actor=actor) for opening in openings]
    apps.get_model("integrations", "DecryptionRecord").objects.bulk_create(rows)


def this_process() -> str:
    """Return what tells this process from others: what it runs, its host and its id."""
    cluster = os.environ.get("Q_CLUSTER_NAME", "")
    name = f"qcluster {cluster}" if cluster else Path(sys.argv[0]).stem or "python"
    if name == "manage" and len(sys.argv) > 1:
        name = sys.argv[1]
    return f"{name[:40]}@{socket.gethostname()[:60]}:{os.getpid()}"


def _cover(what: tuple[object, ...], *, until: float, now: float) -> None:
    if len(_covered) >= MOST_COVERED:
        for over in [key for key, end in list(_covered.items()) if end <= now]:
            _covered.pop(over, None)
    _covered[what] = until


def _row(opening: Opening, *, purpose: Purpose, actor: str, reason: str = "") -> DecryptionRecord:
    model: type[DecryptionRecord] = apps.get_model("integrations", "DecryptionRecord")
    return model(
        key_id=opening.key_id[:16],
        table_name=opening.place.table,
        column_name=opening.place.column,
        row_uid=opening.place.row,
        purpose=purpose,
        actor=actor[:100],
        reason=reason[:300],
        process=this_process(),
        opened=opening.opened,
        correlation_id=correlation.current()[:64],
    )
