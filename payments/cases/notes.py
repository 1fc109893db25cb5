"""What whoever a case is for (payments/cases/areas.py) does with it while it is open: take it on, and write down what
was found out.

Threats: a form sent twice (`uid`), script in the text (templates escape it), a card number read out on the phone (taken
out before it is kept), a person without the role (asked at each call).
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction

from integrations.redaction import scrub_cards
from payments.cases.areas import area_of
from payments.models import Case, CaseNote
from payments.notes import LONGEST_CHARACTERS, EmptyNote
from payments.roles import Verb, check_may
from payments.staff_operations import NotPossible


def add(*, case: Case, user: Any, text: str, uid: uuid.UUID, at: datetime) -> CaseNote:
    """Keep a note; the same `uid` again returns the one that stands. Raises PermissionDenied, EmptyNote."""
    check_may(user, Verb.DO, area_of(case.kind))
    kept = scrub_cards(text.replace("\x00", "\ufffd").strip())[:LONGEST_CHARACTERS]
    if not kept:
        raise EmptyNote("Write what the next reader should know.")
    note, _ = CaseNote.objects.get_or_create(uid=uid, defaults={"case": case, "author": user, "text": kept, "at": at})
    return note


def take(*, case_id: int, user: Any) -> Case:
    """Make a person the owner of an open case, in the place of whoever was. Raises PermissionDenied, NotPossible."""
    with transaction.atomic():
        case = Case.objects.select_for_update(of=("self",)).get(pk=case_id)
        check_may(user, Verb.DO, area_of(case.kind))
        if case.closed_at is not None:
            raise NotPossible("This case is closed already.")
        case.owner = user
        case.save(update_fields=["owner"])
    return case
