"""The inbox: insert or recognise, claim, match, park. An event is a hint; looking and settling is settlement's.

received → processed | ignored | parked | failed; failed → received | dead; parked → received | ignored. Those whose
proof is still to be checked: payments/unverified.py.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet

from integrations import correlation, encryption, wakeups
from integrations.contract import Notification
from integrations.failpoints import failpoint
from payments import event_watermarks
from payments.cases.opening import open_case
from payments.models import PaymentAttempt, ProviderEvent
from payments.models.case import CaseKind
from payments.models.inbox import EventSource
from payments.payouts import watch as payout_watch
from payments.retrying import made_again
from payments.states import EventState

RETRY_SECONDS = (5, 15, 60, 120, 300, 600, 900)
EVENT_MAX_TRIES = 12
PROVIDER_AWAY_HOURS = 72
PARKED_BECOMES_CASE_HOURS = 24
TABLE = "payments_providerevent"


@dataclass(frozen=True, slots=True)
class Claim:
    """An event in this worker's hands; `fence` makes a stale worker's writes touch nothing."""

    event_id: int
    fence: int


@dataclass(frozen=True, slots=True)
class Inserted:
    """A new event stands. `nudge_waits`: its workers are about to be woken anyway."""

    nudge_waits: bool


def receive(
    notification: Notification, *, body: bytes, at: datetime, source: EventSource = EventSource.WEBHOOK
) -> bool:
    """Make a verified event durable; return False when it was known already. One insert, committed on return.

    `source`: a webhook, or the provider's own list of events (payments/backfill.py).
    """
    uid = uuid.uuid4()
    event = ProviderEvent(
        uid=uid,
        provider=notification.provider,
        event_id=notification.event_id,
        type=notification.type,
        mode=str(notification.mode),
        account=notification.account,
        api_version=notification.api_version,
        source=source,
        state=(EventState.RECEIVED if notification.relevant else EventState.IGNORED).value,
        provider_created_at=notification.created_at,
        received_at=at,
        object_ids=list(notification.object_ids),
        page_id=notification.ids.page_id,
        intent_id=notification.ids.intent_id,
        reference=notification.reference,
        body_sealed=encryption.seal(body, table=TABLE, column="body_sealed", row=uid),
        body_sha256=hashlib.sha256(body).hexdigest(),
        correlation_id=correlation.current(),
        next_try_at=at if notification.relevant else None,
        finished_at=None if notification.relevant else at,
    )
    failpoint("inbox.before_commit")
    inserted = insert(event)
    if inserted is None:
        return False
    failpoint("inbox.after_commit")
    if notification.relevant:
        wakeups.nudge("look", one_waits=inserted.nudge_waits)
    tell_of(notification, at=at)
    return True


def tell_of(notification: Notification, *, at: datetime) -> None:
    """Pass on what a verified event says beside what it hints at: of payouts, and that events were lost."""
    if notification.of_payouts:
        payout_watch.hint(notification.provider, at=at)
    if notification.events_lost:
        event_watermarks.hasten(notification.provider, at=at)


def insert(event: ProviderEvent) -> Inserted | None:
    """Insert an event that is not known yet; None when it was known.

    One statement, committed by itself: a provider waits for it, and save() with its transaction takes three. For the
    same reason a kept connection is not tried out first (CONN_HEALTH_CHECKS): a broken one shows here, and the
    statement may be repeated on another. If it had committed all the same, the event is known, and `tick` wakes the
    workers.
    """
    kept = connection.connection is not None and not connection.in_atomic_block
    if kept:
        connection.health_check_done = True  # type: ignore[attr-defined]  # not in the stubs
    try:
        return _execute_insertion(event)
    except (OperationalError, InterfaceError):
        if not kept or connection.is_usable():
            raise
        connection.close()
        return _execute_insertion(event)


def _execute_insertion(event: ProviderEvent) -> Inserted | None:
    statement, names, more = _insertion()
    with connection.cursor() as cursor:
        cursor.execute(statement, [*(getattr(event, name) for name in names), *more])
        row = cursor.fetchone()
    return None if row is None else Inserted(nudge_waits=row[0])


@cache
def _insertion() -> tuple[str, list[str], list[str]]:
    """Return the statement, the attributes in its order (all but the key, which the database gives), and parameters
    that come after them."""
    fields = [field for field in ProviderEvent._meta.concrete_fields if not field.primary_key]
    quoted = connection.ops.quote_name
    columns = ", ".join(quoted(str(field.column)) for field in fields)
    values = ", ".join(["%s"] * len(fields))
    one_waits, parameters = wakeups.one_waits("look")
    statement = (
        f"INSERT INTO {quoted(TABLE)} ({columns}) VALUES ({values})"  # nosec B608: the names are our own
        f" ON CONFLICT (provider, event_id) DO NOTHING RETURNING {one_waits}"
    )
    return statement, [field.attname for field in fields], parameters


def raw_body(event: ProviderEvent, *, purpose: encryption.Purpose, actor: str, reason: str = "") -> bytes:
    """Return the exact bytes the provider sent, once it is recorded who opened them and why (encryption.unseal).

    Raises CannotDecrypt; for REVEAL, TransactionOpen inside a transaction.
    """
    if event.state == EventState.REJECTED:
        raise encryption.CannotDecrypt("Nothing of it is kept but its digest: its proof was wrong.")
    return encryption.unseal(
        bytes(event.body_sealed),
        table=TABLE,
        column="body_sealed",
        row=event.uid,
        purpose=purpose,
        actor=actor,
        reason=reason,
    )


def due(at: datetime) -> Q:
    """Return the filter for events to work on: waiting, not in somebody's hands."""
    return Q(state__in=[EventState.RECEIVED, EventState.FAILED], next_try_at__lte=at) & (
        Q(lease_until=None) | Q(lease_until__lt=at)
    )


@made_again
def claim(*, at: datetime, most: int) -> list[Claim]:
    """Lease up to `most` due events to the caller, oldest first, one for each attempt that is known already."""
    with transaction.atomic(durable=True):
        events = list(ProviderEvent.objects.filter(due(at)).order_by("pk").select_for_update(skip_locked=True)[:most])
        for event in events:
            event.fence += 1
            event.tries += 1
            event.lease_until = at + timedelta(seconds=settings.LEASE_SECONDS)
        ProviderEvent.objects.bulk_update(events, ["fence", "tries", "lease_until"])
    return [Claim(event.pk, event.fence) for event in events]


def match(event: ProviderEvent) -> PaymentAttempt | None:
    """Return the attempt an event speaks of: by our reference, by the provider's ids, else by money we hold of it (some
    providers' refunds and disputes name nothing but the capture)."""
    attempts = PaymentAttempt.objects.filter(provider=event.provider)
    if event.reference:
        return attempts.filter(reference=event.reference).first()
    for key in ("page_id", "intent_id"):
        value = getattr(event, key)
        found = attempts.filter(**{key: value}).first() if value else None
        if found is not None:
            return found
    if not event.object_ids:
        return None
    return attempts.filter(captures__provider=event.provider, captures__capture_id__in=event.object_ids).first()


def attach(event: ProviderEvent, attempt: PaymentAttempt) -> None:
    """Note which attempt the event speaks of. Its own transaction.

    The attempt is locked first, as everywhere: settle() holds it while it uses events, and the foreign key needs it.
    """
    if event.attempt_id == attempt.pk:
        return
    with transaction.atomic(durable=True):
        PaymentAttempt.objects.select_for_update(no_key=True).get(pk=attempt.pk)
        ProviderEvent.objects.filter(pk=event.pk).update(attempt=attempt)


def park(held: Claim, *, at: datetime) -> None:
    """Set aside an event that matches nothing yet; unpark() or the keeper takes it up again."""
    _mark(held, state=EventState.PARKED, next_try_at=None, error="")


def ignore(held: Claim, *, at: datetime, why: str) -> None:
    """End an event that changes nothing here; `why` is for staff."""
    _mark(held, state=EventState.IGNORED, next_try_at=None, finished_at=at, error=why[:300])


@made_again
def fail(held: Claim, *, at: datetime, why: str, away: bool = False) -> None:
    """Put an event back for a later try, or give it up after the last one, with a case.

    `away`: the provider could not be asked. That says nothing of the event, so it is tried for three days.
    """
    with transaction.atomic(durable=True):
        event = (
            ProviderEvent.objects.select_for_update()
            .filter(pk=held.event_id, fence=held.fence, state__in=[EventState.RECEIVED, EventState.FAILED])
            .first()
        )
        if event is None:
            return
        event.error, event.lease_until = why[:300], None
        if away and at < event.received_at + timedelta(hours=PROVIDER_AWAY_HOURS):
            event.tries = min(event.tries, len(RETRY_SECONDS))
        if event.tries < EVENT_MAX_TRIES:
            event.state = EventState.FAILED
            event.next_try_at = at + timedelta(seconds=RETRY_SECONDS[min(event.tries, len(RETRY_SECONDS)) - 1])
        else:
            event.state, event.next_try_at = EventState.DEAD, None
            _dead(event, at=at)
        event.save(update_fields=["state", "tries", "next_try_at", "error", "lease_until"])


def done(held: Claim, *, at: datetime) -> None:
    """End an event after its attempt was settled; does nothing where settle() has used it already."""
    _mark(held, state=EventState.PROCESSED, next_try_at=None, finished_at=at, error="")


def unpark(attempt: PaymentAttempt, *, at: datetime) -> int:
    """Take up events that came before their attempt's ids were stored; return how many. Needs a transaction."""
    ids = [value for value in (attempt.page_id, attempt.intent_id) if value]
    speaks = Q(reference=attempt.reference) | Q(reference="", object_ids__overlap=ids)
    count = ProviderEvent.objects.filter(speaks, provider=attempt.provider, state=EventState.PARKED).update(
        state=EventState.RECEIVED, next_try_at=at, lease_until=None, attempt=attempt
    )
    if count:
        wakeups.nudge("look")
    return count


def tell_of_parked(*, at: datetime, most: int) -> int:
    """Open a case for events parked longer than 24 h; return how many were seen to. They stay parked.

    One that matches by now (its ids were being stored while it was parked) goes back to work instead.
    """
    seen = 0
    for event in _untold_parked(at).order_by("pk")[:most]:
        seen += 1
        if match(event) is not None:
            requeue([event.pk], at=at)
            continue
        with transaction.atomic(durable=True):
            open_case(
                CaseKind.PARKED_EVENT,
                subject_kind="event",
                subject_id=event.pk,
                ours="No attempt here has this reference or these ids.",
                theirs=f"{event.provider} told of {event.type} ({event.event_id}).",
                suggested_fix="If another system shares the account, limit the endpoint's events.",
                at=at,
            )
            ProviderEvent.objects.filter(pk=event.pk).update(error="Parked for longer than 24 h: a case is open.")
    return seen


def has_untold_parked(*, at: datetime) -> bool:
    """Say whether tell_of_parked() has something to tell."""
    return _untold_parked(at).exists()


def _untold_parked(at: datetime) -> QuerySet[ProviderEvent]:
    before = at - timedelta(hours=PARKED_BECOMES_CASE_HOURS)
    return ProviderEvent.objects.filter(state=EventState.PARKED, received_at__lte=before, error="")


def requeue(event_ids: list[int], *, at: datetime) -> int:
    """Put dead, failed, parked or processed events back to `received`; return how many. A look repeats nothing."""
    count = (
        ProviderEvent.objects.filter(pk__in=event_ids)
        .exclude(state__in=[EventState.UNVERIFIED, EventState.REJECTED])
        .update(
            state=EventState.RECEIVED,
            next_try_at=at,
            lease_until=None,
            tries=0,
            fence=F("fence") + 1,
            finished_at=None,
            error="",
        )
    )
    if count:
        wakeups.nudge("look")
    return count


def _mark(held: Claim, **changes: object) -> bool:
    """Write the outcome if this claim still holds the event; a stale worker touches no row."""
    return bool(
        ProviderEvent.objects.filter(
            pk=held.event_id, fence=held.fence, state__in=[EventState.RECEIVED, EventState.FAILED]
        ).update(lease_until=None, **changes)
    )


def _dead(event: ProviderEvent, *, at: datetime) -> None:
    open_case(
        CaseKind.DEAD_EVENT,
        subject_kind="event",
        subject_id=event.pk,
        order=event.attempt.order if event.attempt else None,
        ours=f"Tried {event.tries} times: {event.error}",
        theirs=f"{event.provider} told of {event.type} ({event.event_id}).",
        suggested_fix="Mend what the error names, then replay the event; sweeping goes on looking meanwhile.",
        at=at,
    )
