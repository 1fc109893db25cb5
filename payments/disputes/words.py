"""How a dispute stands, in words that staff read: its countdown, its state, the cardholder's reason. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from integrations.redaction import one_line
from payments.models import Dispute
from payments.states import UNDECIDED_DISPUTES
from payments.states import DisputeState as State

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400

STATE_WORDS = {
    State.INQUIRY: "Inquiry",
    State.OPEN: "Open",
    State.UNDER_REVIEW: "Under review",
    State.WON: "Won",
    State.LOST: "Lost",
    State.CLOSED: "Closed",
}
_TONES = {State.WON: "good", State.CLOSED: "good", State.LOST: "bad", State.UNDER_REVIEW: "wait"}


def countdown(
    state: str, *, respond_by: datetime | None, submitted_at: datetime | None, closed_at: datetime | None, at: datetime
) -> str:
    """Return how long there is to answer, as a phrase: `answer within 3 days 4 hours, by 2026-11-30 09:00 UTC`."""
    if state not in UNDECIDED_DISPUTES:
        return f"{STATE_WORDS[State(state)].lower()}{f' on {stamp(closed_at)}' if closed_at else ''}"
    if submitted_at is not None or state == State.UNDER_REVIEW:
        return f"answered{f' by {stamp(submitted_at)}' if submitted_at else ''}; the bank decides"
    if respond_by is None:
        return "answer it; the provider has named no deadline"
    if at >= respond_by:
        return (
            f"OVERDUE by {span(at - respond_by)}, since {stamp(respond_by)}: the bank may not read an answer any more"
        )
    return f"answer within {span(respond_by - at)}, by {stamp(respond_by)}"


def countdown_of(dispute: Dispute, *, at: datetime) -> str:
    """Return the countdown of a dispute's row."""
    return countdown(
        dispute.state,
        respond_by=dispute.respond_by,
        submitted_at=dispute.evidence_submitted_at,
        closed_at=dispute.closed_at,
        at=at,
    )


def span(left: timedelta) -> str:
    """Return a span in its two largest units: `3 days 4 hours`, `4 hours 10 minutes`, `12 minutes`."""
    seconds = max(0, int(left.total_seconds()))
    days, hours, minutes = seconds // _DAY, seconds % _DAY // _HOUR, seconds % _HOUR // _MINUTE
    if days:
        return f"{_count(days, 'day')} {_count(hours, 'hour')}"
    return f"{_count(hours, 'hour')} {_count(minutes, 'minute')}" if hours else _count(minutes, "minute")


def stamp(at: datetime) -> str:
    """Return a time to the minute."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def reason_words(reason: str) -> str:
    """Return the provider's word for the cardholder's reason as words, in one line; it comes from outside."""
    return one_line(reason.replace("_", " ")) or "not told"


def tone(state: str) -> str:
    """Return the colour of a state's tag; the words say everything alone."""
    return _TONES.get(State(state), "act")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
