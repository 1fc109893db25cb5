"""Sets up who is told what: add, change, rotate a secret. Refuses what nothing could be sent with.

Disabling and enabling: receivers.py; pausing: breaker.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction

from integrations.connectors import CONNECTORS
from integrations.connectors.contract import Misconfigured
from integrations.models import Destination, DestinationKind

CHANGEABLE = frozenset(
    {"address", "lookup_address", "facts", "options", "owner", "public_key", "idempotent", "ordered"}
)


class DestinationRefused(Exception):
    """The receiver cannot be as asked; the sentence says what to give instead. Nothing changed."""


def add(*, name: str, kind: str, facts: Sequence[str], secret: str, now: datetime, **fields: Any) -> Destination:
    """Keep a new receiver. `secret` in the form of its kind, empty for mail. Raises DestinationRefused."""
    if Destination.objects.filter(name=name).exists():
        raise DestinationRefused(f"There is a receiver {name!r} already.")
    destination = Destination(name=name, kind=kind, facts=sorted(facts), created_at=now, **_known(fields))
    _require_usable(destination, secret=secret)
    if secret:
        destination.set_signing_secrets([secret])
    elif kind != DestinationKind.MAIL:
        raise DestinationRefused("This kind of receiver needs a secret.")
    destination.save()
    return destination


def change(*, name: str, **fields: Any) -> Destination:
    """Change what `fields` names (CHANGEABLE); deliveries on their way go by it from their next try on.

    Raises DestinationRefused.
    """
    with transaction.atomic():
        destination = named(name, lock=True)
        for field, value in _known(fields).items():
            setattr(destination, field, sorted(value) if field == "facts" else value)
        _require_usable(destination)
        destination.save()
    return destination


def rotate(*, name: str, secret: str, overlap_seconds: int, actor: str, now: datetime) -> Destination:
    """Put `secret` first; where the kind signs, the present ones go on signing beside it for `overlap_seconds`.

    Raises DestinationRefused, and CannotDecrypt where the present ones cannot be read.
    """
    with transaction.atomic():
        destination = named(name, lock=True)
        if not secret:
            raise DestinationRefused("There is no secret to rotate to.")
        _require_usable(destination, secret=secret)
        destination.rotate_signing_secret(secret, now=now, overlap_seconds=overlap_seconds, actor=actor)
        destination.save()
    return destination


def named(name: str, *, lock: bool = False) -> Destination:
    """Return the receiver of this name; `lock`: for a change in the caller's transaction. Raises DestinationRefused."""
    rows = Destination.objects.select_for_update() if lock else Destination.objects
    destination = rows.filter(name=name).first()
    if destination is None:
        raise DestinationRefused(f"There is no receiver {name!r}.")
    return destination


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    if unknown := sorted(set(fields) - CHANGEABLE):
        raise TypeError(f"a receiver has no {', '.join(unknown)} to set")
    return dict(fields)


def _require_usable(destination: Destination, *, secret: str | None = None) -> None:
    try:
        destination.full_clean()
        if secret:
            CONNECTORS[destination.kind].check(destination.receiver(secrets=(secret,)))
    except ValidationError as error:
        raise DestinationRefused(" ".join(error.messages)) from error
    except Misconfigured as error:
        raise DestinationRefused(str(error)) from error
