"""What an examination of doctor says, and what is put before it."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone

from integrations import credentials
from payments.management.doctor import examination
from payments.management.doctor.examination import EXAMINATIONS, Place, Result, examine

DAY = timedelta(days=1)
SECRET, OTHER = "whsec_" + "a" * 32, "whsec_" + "b" * 32
URL = "http://127.0.0.1:1"


def outcome(code: str, *, at: datetime | None = None, url: str = URL) -> Any:
    return examine(EXAMINATIONS[code], Place(at=at or timezone.now(), clock=timezone.now, url=url, actor="command:ida"))


def is_ok(code: str, **where: Any) -> bool:
    told = outcome(code, **where)
    return bool(told.result is Result.OK and not told.details)


def finds(code: str, *words: str, **where: Any) -> bool:
    told = outcome(code, **where)
    said = " ".join(told.details)
    assert all(word in said for word in words), said
    return bool(told.result is Result.FINDING)


def run(*options: str) -> tuple[int, dict[str, Any]]:
    out, code = io.StringIO(), 0
    try:
        call_command("doctor", "--json", *options, stdout=out)
    except SystemExit as end:
        code = int(end.code or 0)
    report: dict[str, Any] = json.loads(out.getvalue())
    return code, report


def add(value: str, *, at: datetime, **more: Any) -> Any:
    told = {"owner": "Ida", "actor": "user:7", "reason": "new at the provider", **more}
    return credentials.add(provider="stripe", name="webhook_secret", value=value, at=at, **told)


def examinations(results: dict[str, Callable[[Place], list[str]]]) -> dict[str, examination.Examination]:
    return {
        code: examination.Examination(code=code, holds=f"holds {code}", remedy=f"mend {code}", examine=look)
        for code, look in results.items()
    }


def away(*_: Any, **__: Any) -> Any:
    raise DatabaseError("away")
