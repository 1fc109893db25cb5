"""What people do with their accounts, told to the log: signing in, wrong codes, lockouts, enrolment, step-up, tokens.

User ids only: names and addresses are personal data. Never a credential: people type passwords into the name's field.
"""

from __future__ import annotations

from typing import Any

import structlog
from django.http import HttpRequest

_log = structlog.get_logger("shop.staff")


def record(event: str, *, user_id: int | None, request: HttpRequest | None = None, **about: Any) -> None:
    """Tell what a person did, from which address."""
    client = str(request.META.get("REMOTE_ADDR", "")) if request is not None else ""
    _log.info(event, user_id=user_id, client=client, **about)
