"""Expected answers: each sent call and each payment under way has a deadline, by kind; a miss makes us look now.

What a look could not tell after a miss is told by an alert (payments/monitoring/event_rules.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Q, QuerySet

from integrations import wakeups
from payments.models import PaymentAttempt, ProviderCall
from payments.models.call import Operation
from payments.states import AttemptState, CallState

UNDER_WAY = (AttemptState.PENDING, AttemptState.REQUIRES_ACTION, AttemptState.AUTHORIZED)
UNDECIDED = (CallState.SENT, CallState.UNKNOWN)
FAILED_LOOKS = 10
"""So many failed looks in a row take three quarters of an hour (payments/sweeping.py): time alone will not mend it."""
MOST = 200

SETTING_OF: Mapping[str, str] = {
    Operation.START: "EXPECT_START_SECONDS",
    Operation.CLOSE: "EXPECT_CLOSE_SECONDS",
    Operation.RELEASE: "EXPECT_CLOSE_SECONDS",
}
"""The setting that holds the deadline of each operation; every other one moves money."""
OF_MONEY = "EXPECT_MONEY_SECONDS"


def seconds_for(operation: str) -> int:
    """Return within how many seconds of its sending the outcome of a call is to be known."""
    return int(getattr(settings, SETTING_OF.get(operation, OF_MONEY)))


def overdue_calls(at: datetime, *, grace: timedelta = timedelta()) -> QuerySet[ProviderCall]:
    """Return the calls whose outcome should have been known `grace` ago, the oldest first."""
    overdue = Q()
    known = Q()
    for operation in SETTING_OF:
        overdue |= Q(operation=operation, first_sent_at__lte=at - grace - _within(operation))
        known |= Q(operation=operation)
    overdue |= ~known & Q(first_sent_at__lte=at - grace - timedelta(seconds=getattr(settings, OF_MONEY)))
    return ProviderCall.objects.filter(overdue, state__in=UNDECIDED).order_by("created_at")


def overdue_attempts(at: datetime) -> QuerySet[PaymentAttempt]:
    """Return the payments under way of which nothing was heard for too long, though we still expect something."""
    before = at - timedelta(seconds=settings.EXPECT_PENDING_SECONDS)
    silent = Q(looked_at__lte=before) | Q(looked_at=None, created_at__lte=before)
    return PaymentAttempt.objects.filter(silent, state__in=UNDER_WAY, next_look_at__isnull=False).order_by("created_at")


def attempts_not_settled() -> QuerySet[PaymentAttempt]:
    """Return the payments beyond their way of which look after look fails: what the provider tells cannot be believed,
    or not be settled, and money that moves there (a refund, a dispute) is not seen here."""
    elsewhere = (AttemptState.CREATED, *UNDER_WAY)  # told by their calls, and by their own deadline
    failing = PaymentAttempt.objects.filter(look_failures__gte=FAILED_LOOKS, next_look_at__isnull=False)
    return failing.exclude(state__in=elsewhere).order_by("next_look_at", "pk")


def look_at_overdue(at: datetime) -> int:
    """Let the workers look now at whatever missed its deadline and was not looked at since; return how many.

    A look that failed has its own next one (payments/sweeping.py), and is left alone.
    """
    ids = set(overdue_attempts(at).values_list("pk", flat=True)[:MOST])
    for call in overdue_calls(at).select_related("attempt")[:MOST]:
        attempt = call.attempt
        due = (call.first_sent_at or at) + timedelta(seconds=seconds_for(call.operation))
        if attempt.looked_at is None or attempt.looked_at < due:
            ids.add(attempt.pk)
    waits = Q(look_failures=0) & (Q(next_look_at__gt=at) | Q(next_look_at=None))
    count = PaymentAttempt.objects.filter(waits, pk__in=ids).update(next_look_at=at, sweep_lease_until=None)
    if count:
        wakeups.nudge("look")
    return count


def _within(operation: str) -> timedelta:
    return timedelta(seconds=seconds_for(operation))
