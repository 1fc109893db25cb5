"""What people do with their accounts, told to the log and to the audit log: codes, enrolment, step-up, tokens.

User ids only: names and addresses are personal data. Never a credential: people type passwords into the name's field.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import structlog

from payments.audit import recording as audit
from payments.audit.events import Event

_log = structlog.get_logger("shop.staff")


def record(event: Event, *, user: Any, by: Any = None, at: datetime, **details: Any) -> None:
    """Tell what happened to a person's account, by themselves or by somebody else; the address is the request's.

    Raises DatabaseError where the audit log cannot be written: then let the act fail too.
    """
    _log.info(event.value, user_id=user.pk, **details)
    audit.record(
        event, actor=user if by is None else by, subject_kind="user", subject_id=user.pk, details=details, at=at
    )
