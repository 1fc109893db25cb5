"""An answer to *why*, and the words that several rules share. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from orders.states import OrderState
from payments.situation import Attempt, OpenCase, Situation

_SAID = {
    "pending": "processing",
    "requires_action": "that the shopper's bank wants one more step",
}


@dataclass(frozen=True, slots=True)
class Why:
    """`rule`: which rule matched; payments/replies.py answers the customer by it.

    `tone` (good, wait, act, bad) colours the tag; the words alone say everything. `next_step` and `next_at`: what
    happens next by itself, and when; no time: nothing, or at once. `case`: number of the case that decides.
    """

    rule: str
    tone: str
    sentence: str
    next_step: str
    next_at: datetime | None = None
    case: int | None = None

    def next_sentence(self, *, now: datetime) -> str:
        """Return the next step with its time."""
        time = _at_or_on(self.next_at, now=now) if self.next_at is not None else ""
        return f"{self.next_step.rstrip('.')}{time}."


def by_case(rule: str, case: OpenCase, sentence: str) -> Why:
    """Return the answer of a rule that a case stands behind: a person must decide, nothing else happens."""
    return Why(
        rule, "act", sentence, f"Nothing happens by itself. Case {case.number}: {case.suggested_fix}", None, case.number
    )


def moment(at: datetime, *, now: datetime) -> str:
    """Return a time as staff read it: `14:05 UTC`, with its day where that is not today's."""
    at = at.astimezone(UTC)
    return f"{at:%H:%M} UTC" if _same_day(at, now) else f"{at.day} {at:%B %Y}, {at:%H:%M} UTC"


def when(at: datetime | None, it: Situation) -> str:
    """Return ` at 14:05 UTC` or ` on 20 November 2026, 14:05 UTC`, to go into a sentence; empty for no time."""
    return "" if at is None else _at_or_on(at, now=it.now)


def is_placed(it: Situation) -> bool:
    """Say whether the order waits for its money."""
    return it.state == OrderState.PLACED


def last_said(attempt: Attempt, it: Situation) -> str:
    """Return what the provider last said of it, and when."""
    if attempt.looked_at is None or not attempt.said:
        return f"it has told us nothing since the payment began{when(attempt.created_at, it)}"
    told = "that its page is open, not paid" if attempt.page_open else _SAID.get(attempt.said, attempt.said)
    return f"{when(attempt.looked_at, it).lstrip()} it said {told}"


def tries(times: int) -> str:
    return "1 try" if times == 1 else f"{times} tries"


def decline(attempt: Attempt) -> str:
    """Return the last decline with the provider's own word, for staff only."""
    code = f" (code {attempt.decline_code})" if attempt.decline_code not in ("", attempt.decline_reason) else ""
    return f"{attempt.decline_reason.replace('_', ' ')}{code}"


def lag(waited: timedelta) -> str:
    seconds = max(0, int(waited.total_seconds()))
    if seconds < 120:
        return f"lag {seconds} s"
    return f"lag {seconds // 60} min" if seconds < 7200 else f"lag {seconds // 3600} h"


def capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def lowered(label: str) -> str:
    return label[:1].lower() + label[1:]


def ended(text: str) -> str:
    """Return a text from outside as the end of a sentence."""
    text = text.strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _same_day(at: datetime, now: datetime) -> bool:
    return at.astimezone(UTC).date() == now.astimezone(UTC).date()


def _at_or_on(at: datetime, *, now: datetime) -> str:
    return f" {'at' if _same_day(at, now) else 'on'} {moment(at, now=now)}"
