"""Events whose proof could not be checked inside their request: kept, no hints, and proved by a worker. A page of the
inbox: unverified → received | rejected.

Threats: anybody may send what cannot be proved at once. Such a row takes no event's id (its own is a digest of proof
and body, so a forgery never stands in the way of the genuine event), names no payment, and makes nobody look. Few are
taken a minute from one address, and few may wait at a time; of a rejected one only digests are left.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from integrations import correlation, encryption, providers, wakeups
from integrations.contract import Notification, NotificationRejected, ProviderError
from payments import inbox, signatures
from payments.clock import Clock
from payments.inbox import TABLE, Claim
from payments.models import ProviderEvent
from payments.retrying import made_again
from payments.states import EventState

log = structlog.get_logger(__name__)

MOST_WAITING = 1000
"""So many of one provider may wait for their proof; it sends others again later. With 1 MiB each they fill 1 GiB."""
RETRY_SECONDS = (5, 15, 60, 300, 900)
WRITER = "worker:proof"


def has_room(provider: str) -> bool:
    """Say whether one more of this provider may wait."""
    waiting = ProviderEvent.objects.filter(state=EventState.UNVERIFIED, provider=provider)
    return waiting.order_by()[:MOST_WAITING].count() < MOST_WAITING


def receive(claimed: Notification, *, headers: Mapping[str, str], body: bytes, at: datetime) -> bool:
    """Keep an event that cannot be proved now; return False where the very same was kept before. One insert.

    `claimed`: what it says of itself, of which its type and time are shown to staff and nothing is believed. `headers`:
    those of the request; only the ones that prove it are kept.
    """
    proof = _proof(claimed.provider, headers)
    sealed = json.dumps(proof, sort_keys=True).encode()
    uid = uuid.uuid4()
    event = ProviderEvent(
        uid=uid,
        provider=claimed.provider,
        event_id=f"unverified:{hashlib.sha256(sealed + body).hexdigest()}",
        type=claimed.type[:120],
        mode=str(claimed.mode),
        state=EventState.UNVERIFIED.value,
        provider_created_at=claimed.created_at,
        received_at=at,
        object_ids=[],
        body_sealed=encryption.seal(body, table=TABLE, column="body_sealed", row=uid),
        headers_sealed=encryption.seal(sealed, table=TABLE, column="headers_sealed", row=uid),
        body_sha256=hashlib.sha256(body).hexdigest(),
        correlation_id=correlation.current(),
        next_try_at=at,
    )
    inserted = inbox.insert(event)
    if inserted is not None:
        wakeups.nudge("look", one_waits=inserted.nudge_waits)
    return inserted is not None


def due(at: datetime) -> Q:
    """Return the filter for events to prove: waiting, not in somebody's hands."""
    return Q(state=EventState.UNVERIFIED, next_try_at__lte=at) & (Q(lease_until=None) | Q(lease_until__lt=at))


@made_again
def claim(*, at: datetime, most: int) -> list[Claim]:
    """Lease up to `most` due ones to the caller, the oldest first."""
    with transaction.atomic(durable=True):
        rows = ProviderEvent.objects.filter(due(at)).order_by("received_at", "pk")
        ids = list(rows.select_for_update(skip_locked=True).values_list("pk", flat=True)[:most])
        ProviderEvent.objects.filter(pk__in=ids).update(
            fence=F("fence") + 1, tries=F("tries") + 1, lease_until=at + timedelta(seconds=settings.LEASE_SECONDS)
        )
        claimed = ProviderEvent.objects.filter(pk__in=ids).order_by("pk")
        return [Claim(pk, fence) for pk, fence in claimed.values_list("pk", "fence")]


def prove(held: Claim, *, clock: Clock) -> None:
    """Have one event proved by its provider's adapter, which may ask the network. Never inside a transaction."""
    event = ProviderEvent.objects.filter(pk=held.event_id, fence=held.fence, state=EventState.UNVERIFIED).first()
    if event is None:
        return
    with correlation.bind(event.correlation_id):
        body = inbox.raw_body(event, purpose=encryption.Purpose.VERIFY, actor=WRITER)
        headers = _headers_of(event)
        try:
            proved = providers.get(event.provider).prove(headers=headers, body=body, now=event.received_at)
        except NotificationRejected as error:
            _reject(held, at=clock(), why=str(error))
            signatures.note_refused(event.provider, at=clock())
        except ProviderError as error:
            put_off(held, at=clock(), why=f"Not proved yet: {error.category}: {error.message}")
        else:
            _accept(held, proved, at=clock())


def put_off(held: Claim, *, at: datetime, why: str) -> None:
    """Try again later: that its proof cannot be had says nothing of the event. Its age is told by an alert.

    After three days, as long as providers send again, it ends: looks have found what it would have told.
    """
    event = ProviderEvent.objects.filter(_held(held)).first()
    if event is None:
        return
    if at >= event.received_at + timedelta(hours=inbox.PROVIDER_AWAY_HOURS):
        _reject(held, at=at, why=f"Not proved in {inbox.PROVIDER_AWAY_HOURS} h. {why}")
        return
    wait = RETRY_SECONDS[min(event.tries, len(RETRY_SECONDS)) - 1]
    ProviderEvent.objects.filter(_held(held)).update(
        next_try_at=at + timedelta(seconds=wait), lease_until=None, error=why[:300]
    )


def _accept(held: Claim, proved: Notification, *, at: datetime) -> None:
    """Let a proved event be what any other is, under its own id; a copy of one that is known ends here."""
    state = EventState.RECEIVED if proved.relevant else EventState.IGNORED
    try:
        with transaction.atomic(durable=True):
            taken = ProviderEvent.objects.filter(_held(held)).update(
                event_id=proved.event_id,
                type=proved.type,
                mode=str(proved.mode),
                account=proved.account,
                api_version=proved.api_version,
                provider_created_at=proved.created_at,
                object_ids=list(proved.object_ids),
                page_id=proved.ids.page_id,
                intent_id=proved.ids.intent_id,
                reference=proved.reference,
                state=state,
                headers_sealed=None,
                tries=0,
                lease_until=None,
                next_try_at=at if proved.relevant else None,
                finished_at=None if proved.relevant else at,
                error="",
            )
            if taken:
                inbox.tell_of(proved, at=at)
    except IntegrityError:  # its own id stands: it came another time, and was proved
        _reject(held, at=at, why=f"A copy: {proved.event_id} is known.")
        return
    log.info("event_proved", inbox_row=held.event_id, provider=proved.provider, event_id=proved.event_id)


def _reject(held: Claim, *, at: datetime, why: str) -> None:
    """End one whose proof is wrong. Its digests stay: of the body, and of body and proof in its id."""
    ProviderEvent.objects.filter(_held(held)).update(
        state=EventState.REJECTED,
        body_sealed=b"",
        headers_sealed=None,
        lease_until=None,
        next_try_at=None,
        finished_at=at,
        error=why[:300],
    )
    log.warning("event_rejected", inbox_row=held.event_id, why=why[:200])


def _held(held: Claim) -> Q:
    """Return the filter for the row while this claim still holds it; a stale worker touches none."""
    return Q(pk=held.event_id, fence=held.fence, state=EventState.UNVERIFIED)


def _proof(provider: str, headers: Mapping[str, str]) -> dict[str, str]:
    wanted = providers.get(provider).capabilities.proof_headers
    lower = {name.lower(): value for name, value in headers.items()}
    return {name: lower[name] for name in wanted if name in lower}


def _headers_of(event: ProviderEvent) -> dict[str, str]:
    opened = encryption.unseal(
        bytes(event.headers_sealed or b""),
        table=TABLE,
        column="headers_sealed",
        row=event.uid,
        purpose=encryption.Purpose.VERIFY,
        actor=WRITER,
    )
    headers: dict[str, str] = json.loads(opened)
    return headers
