"""What people do with dead letters: see which are alike, queue them again under their old keys, let others pass them.

Reads and rows only; whether a receiver has a letter already is asked in dead_letter_lookup.py. Every question goes by
the partial indexes of the dead, however many deliveries there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import Count, Max, Min, Q, QuerySet
from django.utils.dateparse import parse_datetime

from integrations import breaker
from integrations.models import (
    AttemptOutcome,
    BreakerState,
    Delivery,
    DeliveryReplay,
    DeliverySkip,
    DeliveryState,
    breaker_of,
)
from integrations.wakeups import nudge

_MOMENTS = ("died_from", "died_before")


class CannotReplay(Exception):
    """Nothing was queued. The message says why, and what to do first."""


class SetChanged(CannotReplay):
    """Other letters match now than those that were shown. Show the preview again, and ask again."""

    def __init__(self) -> None:
        super().__init__("Other letters match now than those you saw. Nothing was queued; please look at them again.")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadFilter:
    """Which dead letters: a page of ids, or all that match. Whatever is given must hold; nothing given means all.

    `fingerprint`: of the error (Delivery.error_fingerprint). `died_from` is inclusive, `died_before` is not.
    """

    ids: tuple[int, ...] = ()
    destination_id: int | None = None
    fact: str = ""
    fingerprint: str = ""
    died_from: datetime | None = None
    died_before: datetime | None = None

    def rows(self) -> QuerySet[Delivery]:
        """Return the dead letters that match, oldest delivery first."""
        wanted = {
            "pk__in": self.ids or None,
            "destination_id": self.destination_id,
            "event__fact": self.fact or None,
            "error_fingerprint": self.fingerprint or None,
            "died_at__gte": self.died_from,
            "died_at__lt": self.died_before,
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        return Delivery.objects.filter(state=DeliveryState.DEAD, **given).order_by("pk")

    def as_json(self) -> dict[str, Any]:
        """Return it as plain JSON, for a form or an action's row."""
        plain = {name: value for name, value in asdict(self).items() if value}
        return {name: value.isoformat() if name in _MOMENTS else value for name, value in plain.items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> DeadFilter:
        """Return what `as_json` gave. Raises TypeError or ValueError on anything else."""
        fields = dict(stored)
        for name in _MOMENTS:
            if name in fields and (moment := parse_datetime(fields[name])) is not None:
                fields[name] = moment
        fields["ids"] = tuple(int(each) for each in fields.get("ids", ()))
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadGroup:
    """Dead letters of one receiver that died of the same error; `example` is the newest of them."""

    fingerprint: str
    destination_id: int
    destination: str
    count: int
    oldest: datetime
    newest: datetime
    example: Delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a replay would queue. Times are of death.

    `already_delivered`: of the letters named by id, those that have been delivered since; they are left out.
    `perhaps_there`: those whose last try may have arrived though nobody confirmed it; where the receiver can be asked
    it is asked first, else it knows the key. `held_back`: those whose receiver takes nothing at present; they would
    wait, and `waits_at` names those receivers with the reason. `fingerprint_of_the_set` changes with the set.
    """

    count: int
    oldest: datetime | None
    newest: datetime | None
    already_delivered: int
    perhaps_there: int
    held_back: int
    waits_at: tuple[str, ...]
    fingerprint_of_the_set: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryOutcome:
    """How the one that went first has ended so far. `state`: `waiting`, `sending`, `delivered` or `failed`."""

    state: str
    detail: str
    http_status: int | None = None

    @property
    def has_ended(self) -> bool:
        return self.state in ("delivered", "failed")


# --- seeing --------------------------------------------------------------------------------------------------


def dead_without_case() -> QuerySet[Delivery]:
    """Return the dead deliveries for which nobody has opened a Case: open one, then set `case_opened_at`."""
    return Delivery.objects.filter(state=DeliveryState.DEAD, case_opened_at__isnull=True).order_by("died_at")


def groups_of_dead(chosen: DeadFilter | None = None) -> list[DeadGroup]:
    """Return the dead letters grouped by error and receiver, the largest group first."""
    found = (
        (chosen or DeadFilter())
        .rows()
        .order_by()
        .values("error_fingerprint", "destination_id")
        .annotate(count=Count("pk"), oldest=Min("died_at"), newest=Max("died_at"), example=Max("pk"))
    )
    groups = list(found.order_by("-count", "destination_id", "error_fingerprint"))
    examples = Delivery.objects.select_related("event", "destination").in_bulk([each["example"] for each in groups])
    return [
        DeadGroup(
            fingerprint=each["error_fingerprint"],
            destination_id=each["destination_id"],
            destination=examples[each["example"]].destination.name,
            count=each["count"],
            oldest=each["oldest"],
            newest=each["newest"],
            example=examples[each["example"]],
        )
        for each in groups
    ]


def preview_replay(chosen: DeadFilter) -> Preview:
    """Return what `replay` would queue now. Reads only."""
    rows = chosen.rows()
    told = rows.order_by().aggregate(
        count=Count("pk"),
        oldest=Min("died_at"),
        newest=Max("died_at"),
        perhaps_there=Count("pk", filter=Q(outcome_unknown=True)),
    )
    waiting = _receivers_that_take_nothing(rows)
    return Preview(
        **told,
        already_delivered=Delivery.objects.filter(pk__in=chosen.ids, state=DeliveryState.DELIVERED).count(),
        held_back=sum(count for count, _ in waiting),
        waits_at=tuple(sentence for _, sentence in waiting),
        fingerprint_of_the_set=_fingerprint(rows),
    )


def waits_for(delivery: Delivery) -> Delivery | None:
    """Return the earlier delivery about the same order that must come first at this receiver; None: there is none."""
    if delivery.state != DeliveryState.QUEUED or not delivery.destination.ordered or not delivery.ordering_key:
        return None
    earlier = Delivery.objects.filter(
        destination_id=delivery.destination_id, ordering_key=delivery.ordering_key, pk__lt=delivery.pk
    )
    unconfirmed = earlier.exclude(ordering_key="").exclude(state=DeliveryState.DELIVERED)
    return unconfirmed.filter(skipped_at__isnull=True).select_related("event").order_by("pk").first()


def why_waiting(delivery: Delivery) -> str:
    """Return the sentence about what this delivery waits for, besides its time; empty where it waits for nothing."""
    if delivery.state != DeliveryState.QUEUED:
        return ""
    front = waits_for(delivery)
    if front is None:
        return _why_nothing_is_taken(delivery)
    dead = front.state == DeliveryState.DEAD
    stands = "which is dead: replay or skip that one." if dead else "which is not confirmed yet."
    return f"It waits for delivery {front.pk} ({front.event.fact}) about the same order, {stands}"


# --- doing ---------------------------------------------------------------------------------------------------


def replay(chosen: DeadFilter, *, expected: str, actor: str, reason: str, now: datetime) -> list[int]:
    """Queue again every dead letter that matches, if these are the ones that were shown; return their ids.

    `expected`: the preview's fingerprint_of_the_set. Raises SetChanged; then nothing was queued.
    """
    with transaction.atomic():
        locked = chosen.rows().select_for_update(of=("self",))
        if _fingerprint(locked) != expected:
            raise SetChanged
        return redeliver(chosen.rows(), actor=actor, reason=reason, now=now)


def replay_canary(chosen: DeadFilter, *, actor: str, reason: str, now: datetime) -> DeliveryReplay:
    """Queue again exactly one of those that match, before all others of its receiver; ask `canary_outcome` about it.

    The oldest whose receiver takes anything. Raises CannotReplay where there is none.
    """
    with transaction.atomic():
        taken = Q(destination__breaker__isnull=True) | ~Q(destination__breaker__state=BreakerState.PAUSED)
        rows = chosen.rows().filter(taken, destination__active=True).select_related("destination__breaker")
        canary = rows.select_for_update(of=("self",), skip_locked=True).first()
        if canary is None:
            waiting = [sentence for _, sentence in _receivers_that_take_nothing(chosen.rows())]
            raise CannotReplay(" ".join(waiting) or "There is no such dead letter.")
        known = breaker_of(canary.destination)
        if known is not None and known.state == BreakerState.OPEN:  # it is what finds out
            breaker.try_now(breaker.Subject(destination_id=canary.destination_id), now=now)
        redeliver(Delivery.objects.filter(pk=canary.pk), actor=actor, reason=reason, now=now)
        Delivery.objects.filter(pk=canary.pk).update(not_before=min(canary.queued_at, now))
        return canary.replays.order_by("-pk")[0]


def canary_outcome(replayed: DeliveryReplay) -> CanaryOutcome:
    """Return how the first try after this replay ended, or where it stands. Later tries do not count."""
    tried = replayed.delivery.attempts.filter(number__gt=replayed.tries).order_by("number").first()
    if tried is None:
        detail = why_waiting(replayed.delivery) or "A worker takes it up within seconds."
        return CanaryOutcome(state="waiting", detail=detail)
    if not tried.outcome:
        return CanaryOutcome(state="sending", detail="It is on its way.")
    arrived = tried.outcome in (AttemptOutcome.DELIVERED, AttemptOutcome.FOUND)
    return CanaryOutcome(
        state="delivered" if arrived else "failed",
        detail=tried.detail or str(tried.get_outcome_display()),
        http_status=tried.http_status,
    )


def redeliver(deliveries: QuerySet[Delivery], *, actor: str, reason: str, now: datetime) -> list[int]:
    """Queue again those of `deliveries` that are dead, under their old keys, and record who and why; return their ids.

    `actor`: `user:7` or `command:<name>`. The schedule begins anew. Set-based: a hundred thousand are two statements.
    """
    with transaction.atomic():
        # In one order everywhere, so that two replays cannot lock each other out.
        dead = deliveries.filter(state=DeliveryState.DEAD).order_by("pk")
        ids = list(dead.select_for_update(of=("self",)).values_list("pk", flat=True))
        with connection.cursor() as cursor:
            cursor.execute(_RECORD_REPLAYS, {"ids": ids, "now": now, "actor": actor, "reason": reason[:300]})
            cursor.execute(_QUEUE_AGAIN, {"ids": ids, "now": now})
        if ids:
            nudge("deliver")
    return ids


_RECORD_REPLAYS = """
    INSERT INTO integrations_deliveryreplay (delivery_id, at, actor, reason, dead_reason, tries)
    SELECT id, %(now)s, %(actor)s, %(reason)s, dead_reason, tries FROM integrations_delivery
    WHERE id = ANY(%(ids)s) ORDER BY id
"""
_QUEUE_AGAIN = """
    UPDATE integrations_delivery SET
        state = 'queued', queued_at = %(now)s, not_before = %(now)s, tries_before_replay = tries,
        unfinished_tries = 0, died_at = NULL, dead_reason = '', case_opened_at = NULL, skipped_at = NULL
    WHERE id = ANY(%(ids)s)
"""


def skip(deliveries: QuerySet[Delivery], *, actor: str, reason: str, now: datetime) -> list[int]:
    """Let later facts pass those of `deliveries` that are dead, where they are taken in order; return their ids.

    They stay dead, and may still be replayed. Recorded with who and why. `actor`: `user:7` or `command:<name>`.
    """
    with transaction.atomic():
        dead = deliveries.filter(state=DeliveryState.DEAD, skipped_at__isnull=True).order_by("pk")
        rows = list(dead.select_for_update(of=("self",)))
        DeliverySkip.objects.bulk_create(
            [DeliverySkip(delivery=row, at=now, actor=actor, reason=reason[:300]) for row in rows]
        )
        Delivery.objects.filter(pk__in=[row.pk for row in rows]).update(skipped_at=now)
        for row in sorted(rows, key=lambda each: (each.destination_id, each.ordering_key)):  # as delivery_marks.py
            _wake_those_behind(row, now=now)
        if rows:
            nudge("deliver")
    return [row.pk for row in rows]


def _wake_those_behind(row: Delivery, *, now: datetime) -> None:
    if row.ordering_key:
        Delivery.objects.filter(
            destination_id=row.destination_id,
            ordering_key=row.ordering_key,
            state=DeliveryState.QUEUED,
            pk__gt=row.pk,
            not_before__gt=now,
        ).update(not_before=now)


def _fingerprint(rows: QuerySet[Delivery]) -> str:
    """Return what tells this set from any other: which letters, and how often each was taken up.

    Of locked rows, the fingerprint is of what is locked.
    """
    query, values = rows.order_by("pk").values("pk", "fence").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT md5(coalesce(string_agg(id || ':' || fence, ',' ORDER BY id), ''))
            FROM ({query}) AS chosen(id, fence)
            """,  # nosec B608: Django's own SQL
            values,
        )
        [found] = cursor.fetchone() or ("",)
    return str(found)


def _why_nothing_is_taken(row: Delivery) -> str:
    """Say why nothing is sent to the letter's receiver, whatever its time; empty where something is."""
    destination, known = row.destination, breaker_of(row.destination)
    if not destination.active:
        why = f" ({destination.disabled_reason})" if destination.disabled_reason else ""
        return f"{destination.name} is disabled{why}; enable it first."
    if known is not None and known.state == BreakerState.PAUSED:
        return f"{destination.name} is paused by {known.actor} ({known.reason}); resume it first."
    return ""


def _receivers_that_take_nothing(rows: QuerySet[Delivery]) -> list[tuple[int, str]]:
    """Return how many letters wait at each receiver that takes nothing, with the sentence that says why."""
    by_receiver = rows.order_by().values("destination_id").annotate(count=Count("pk"), example=Max("pk"))
    counts = {each["example"]: each["count"] for each in by_receiver.order_by("destination_id")}
    examples = Delivery.objects.select_related("destination__breaker").in_bulk(list(counts))
    told = [(count, _why_nothing_is_taken(examples[example])) for example, count in counts.items()]
    return [(count, sentence) for count, sentence in told if sentence]
