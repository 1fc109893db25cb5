"""`--since` on the command line: a day, a moment, or how long ago."""

from __future__ import annotations

import argparse
import re
from datetime import UTC, date, datetime, time, timedelta

_AGO = re.compile(r"([1-9][0-9]{0,5})(m|h|d)")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
LONGEST = timedelta(days=3650)

Since = datetime | timedelta


def since(text: str) -> Since:
    """Return the moment (UTC where it names no zone), or how long ago. For argparse's `type`."""
    ago = _AGO.fullmatch(text.strip())
    if ago is not None:
        length = timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        if length <= LONGEST:
            return length
    else:
        try:
            if len(text) == len("2026-11-21"):
                return datetime.combine(date.fromisoformat(text), time(), UTC)
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    raise argparse.ArgumentTypeError(f"{text!r} is no time: write 48h, 7d, 2026-11-21 or 2026-11-21T08:00.")


def moment_of(asked: Since | None, *, now: datetime) -> datetime | None:
    """Return the moment that was asked for, never after `now`."""
    if asked is None:
        return None
    return now - asked if isinstance(asked, timedelta) else min(asked, now)
