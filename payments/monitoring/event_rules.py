"""Alert conditions about what should have come from a provider: answers by their deadline, events within its window."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from integrations import providers
from integrations.contract import ConfigurationError
from payments import backfill, expected
from payments.models import EventWatermark
from payments.monitoring.alert_rules import Finding, Seen, age, number_of

GRACE = timedelta(minutes=2)
"""After a miss a look is made at once; if it could not tell within this time, a person hears of it."""
MOST = 20
"""So many are told one by one; the others are of the same cause."""


def expected_missed(seen: Seen) -> Iterator[Finding]:
    """Calls and payments under way whose answer did not come in time, and that a look could not tell of either; and
    payments with an end of which no look can be settled any more."""
    for call in expected.overdue_calls(seen.at, grace=GRACE).select_related("attempt")[:MOST]:
        yield Finding(
            subject_kind="call",
            subject_id=call.pk,
            ours=f"We asked {call.attempt.provider} to {call.get_operation_display().lower()} (attempt "
            f"{call.attempt_id}); the outcome is known within {expected.seconds_for(call.operation)} s.",
            theirs=f"No answer for {age(call.first_sent_at, seen.at)}: {call.error_category or 'none came back'}.",
            since=call.first_sent_at,
        )
    for attempt in expected.overdue_attempts(seen.at).filter(look_failures__gt=0)[:MOST]:
        since = attempt.looked_at or attempt.created_at
        yield Finding(
            subject_kind="attempt",
            subject_id=attempt.pk,
            ours=f"A payment that is {attempt.state.replace('_', ' ')} is heard of in time, or answers a look.",
            theirs=f"{attempt.provider} has told nothing of it for {age(since, seen.at)}: {attempt.look_error[:200]}",
            since=since,
        )
    for attempt in expected.attempts_not_settled()[:MOST]:
        yield Finding(
            subject_kind="attempt",
            subject_id=attempt.pk,
            ours=f"A payment that is {attempt.state.replace('_', ' ')} is still looked at, for what follows at "
            f"{attempt.provider}: a refund, a dispute, late money.",
            theirs=f"{attempt.look_failures} looks in a row have failed: {attempt.look_error[:200]}",
            since=attempt.looked_at,
        )


def events_unchecked(seen: Seen) -> Iterator[Finding]:
    """Providers whose list of events was not read for so long that what was missed may soon be lost for good."""
    for mark in EventWatermark.objects.filter(provider__in=providers.enabled()):
        try:
            days = backfill.window_days(mark.provider)
        except (ConfigurationError, providers.UnknownProvider):
            continue
        if not days or seen.at < backfill.warns_from(mark, days=days):
            continue
        yield Finding(
            subject_kind="provider",
            subject_id=number_of(mark.provider),
            ours=f"All events of {mark.provider} are here until {mark.complete_until:%Y-%m-%d %H:%M} UTC.",
            theirs=f"It lists events for {days} days only: what was missed since is lost from "
            f"{backfill.lost_from(mark, days=days):%Y-%m-%d %H:%M} UTC on.",
            since=mark.complete_until,
        )
