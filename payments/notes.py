"""Notes of people on orders: what the next reader should know. Append-only; shown in the order's timeline.

Threats: a form sent twice (`uid`), script in the text (templates escape it), a card number that a customer read out
(taken out before it is kept).
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from integrations.redaction import scrub_cards
from orders.models import Order
from payments.models import Note
from payments.roles import Area, Verb, check_may

LONGEST_CHARACTERS = 2000


class EmptyNote(ValueError):
    """There is nothing to keep. Ask the person to write something."""


def check_may_note(user: Any) -> None:
    """Raise PermissionDenied, with the sentence a person reads, unless they may write notes."""
    check_may(user, Verb.DO, Area.NOTE)


def add(*, order: Order, user: Any, text: str, uid: uuid.UUID, at: datetime) -> Note:
    """Keep a note; the same `uid` again returns the one that stands. Raises PermissionDenied, EmptyNote."""
    check_may_note(user)
    kept = scrub_cards(text.replace("\x00", "\ufffd").strip())[:LONGEST_CHARACTERS]
    if not kept:
        raise EmptyNote("Write what the next reader should know.")
    note, _ = Note.objects.get_or_create(uid=uid, defaults={"order": order, "author": user, "text": kept, "at": at})
    return note
