"""record(): writes a fact, and its deliveries, in the transaction that makes it true. Opens no socket."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection, transaction

from integrations import correlation
from integrations.facts import Fact
from integrations.failpoints import failpoint
from integrations.models import Delivery, OutboxEvent
from integrations.wakeups import nudge


class OutsideTransaction(RuntimeError):
    """A fact was to be recorded where nothing makes it true. Open the transaction that does, and record inside it."""


def record(
    fact: str, *, subject_kind: str, subject_id: int, payload: dict[str, Any], now: datetime, ordering_key: str = ""
) -> OutboxEvent:
    """Insert one fact and a delivery for each active destination that wants it; wake the workers after the commit.

    `payload` is plain JSON; money in it is `amount_minor` (int, minor units) with `currency`. `ordering_key`: facts of
    one key reach an ordered destination in the order in which they were recorded; by default the subject's own, so
    name the order (`order:1042`) where the subject only belongs to one. Record such facts under that order's lock: it
    is what puts them in order. A paused destination gets its delivery too, and takes it once resumed.

    Raises OutsideTransaction, and ValueError on an unknown fact or on a payload that is no plain JSON (a float, an
    object, NUL or a lone surrogate, which jsonb refuses).
    """
    if not transaction.get_connection().in_atomic_block:
        raise OutsideTransaction(f"{fact} must be recorded in the transaction that makes it true.")
    known = Fact(fact)
    _require_plain_json(payload)
    key = ordering_key or f"{subject_kind}:{subject_id}"
    event = OutboxEvent.objects.create(
        fact=known.value,
        subject_kind=subject_kind,
        subject_id=subject_id,
        ordering_key=key,
        payload=payload,
        correlation_id=correlation.current(),
        created_at=now,
    )
    Delivery.objects.bulk_create(
        [
            Delivery(event=event, destination_id=receiver_id, ordering_key=key, queued_at=now, not_before=now)
            for receiver_id in _receivers_of(known)
        ]
    )
    failpoint("outbox.after_insert")
    nudge("deliver")
    return event


def _receivers_of(fact: Fact) -> list[int]:
    """Return the active destinations that want a fact, and hold all that want it, the disabled ones too.

    Enabling and disabling wait for whoever has read that they are off or on (receivers.py), so that no fact falls
    between. KEY SHARE, as each delivery's foreign key takes it: those who record never wait for one another.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, active FROM integrations_destination WHERE facts @> ARRAY[%s]::varchar[] ORDER BY id"
            " FOR KEY SHARE",
            [fact.value],
        )
        return [receiver_id for receiver_id, active in cursor.fetchall() if active]


def _require_plain_json(value: object) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"A payload's keys are strings, not {key!r}.")
            _require_plain_json(key)
            _require_plain_json(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _require_plain_json(item)
    elif isinstance(value, str):
        if "\x00" in value or any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("A payload's strings hold no NUL and no lone surrogate.")
    elif value is not None and not isinstance(value, bool | int):
        raise ValueError(f"A payload holds no {type(value).__name__}; amounts are integers in minor units.")
