"""Suspicious patterns: many declined tries, many cards, many small payments, many refunds; over a threshold, a case.

Each is a count over the rows of its window, by an index on their time. What stands in a case closed by a person does
not count again: only what came after. Cards and network addresses are known by keyed hashes (payments/keyed_hashes.py);
a case names no e-mail address, only the newest order concerned.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Max, Q, QuerySet

from orders.models import Order
from payments.cases import runbooks
from payments.cases.opening import open_case
from payments.keyed_hashes import as_subject_id
from payments.models import Case, PaymentAttempt, PaymentTry
from payments.models.case import CaseKind
from payments.monitoring import figures as health_figures

MOST_GROUPS = 100
"""Of one pattern in one round: an attack in full swing needs no more cases to be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """One count of one kind of thing by one key.

    `rows(begin)`: what counts since then. `by`: the path to the key. `distinct`: count different values of this path
    instead of rows. `order`: the path to the order concerned.
    """

    kind: CaseKind
    setting: str
    subject_kind: str
    what: str
    whose: str
    rows: Callable[[datetime], QuerySet[Any]]
    by: str
    order: str
    distinct: str = ""
    fix: str

    @property
    def window(self) -> tuple[int, int] | None:
        """The threshold and the window in minutes; None where the pattern is switched off."""
        found: tuple[int, int] | None = getattr(settings, self.setting)
        return found


def _declined(begin: datetime) -> QuerySet[Any]:
    return PaymentTry.objects.filter(seen_at__gte=begin, succeeded=False)


def _with_card(begin: datetime) -> QuerySet[Any]:
    return PaymentTry.objects.filter(seen_at__gte=begin).exclude(method_key="")


def _small(begin: datetime) -> QuerySet[Any]:
    small = [Q(currency=code, amount_minor__lte=most) for code, most in settings.PATTERN_SMALL_AMOUNTS.items()]
    if not small:
        return PaymentAttempt.objects.none()
    return PaymentAttempt.objects.filter(reduce(or_, small), created_at__gte=begin)


_TRIES = {
    "order": {"by": "attempt__order_id", "order": "attempt__order_id", "whose": "one order"},
    "email": {"by": "attempt__order__email", "order": "attempt__order_id", "whose": "one e-mail address"},
    "client": {"by": "attempt__client_key", "order": "attempt__order_id", "whose": "one network address"},
}
_ATTEMPTS = {
    "email": {"by": "order__email", "order": "order_id", "whose": "one e-mail address"},
    "client": {"by": "client_key", "order": "order_id", "whose": "one network address"},
}


def _tries_by(subject_kind: str) -> Pattern:
    return Pattern(
        kind=CaseKind.FAILED_TRIES,
        setting=f"PATTERN_FAILED_TRIES_BY_{subject_kind.upper()}",
        subject_kind=subject_kind,
        what="declined tries",
        rows=_declined,
        fix="See whether a buyer is in trouble or somebody tries out cards.",
        **_TRIES[subject_kind],
    )


def _cards_by(subject_kind: str) -> Pattern:
    return Pattern(
        kind=CaseKind.MANY_CARDS,
        setting=f"PATTERN_CARDS_BY_{subject_kind.upper()}",
        subject_kind=subject_kind,
        what="different cards",
        rows=_with_card,
        distinct="method_key",
        fix="See the orders; hold back what has not been sent.",
        **_TRIES[subject_kind],
    )


def _small_by(subject_kind: str) -> Pattern:
    return Pattern(
        kind=CaseKind.SMALL_AMOUNTS,
        setting=f"PATTERN_SMALL_AMOUNTS_BY_{subject_kind.upper()}",
        subject_kind=subject_kind,
        what="small attempts",
        rows=_small,
        fix="See whether somebody tries out cards with small orders.",
        **_ATTEMPTS[subject_kind],
    )


PATTERNS = (
    *(_tries_by(subject_kind) for subject_kind in ("order", "email", "client")),
    *(_cards_by(subject_kind) for subject_kind in ("email", "client")),
    *(_small_by(subject_kind) for subject_kind in ("email", "client")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Who is over a threshold: by which subject, how much, and the newest order of it."""

    subject_id: int
    count: int
    order_id: int


def watch(at: datetime) -> int:
    """Open or see again a case of everything that is over its threshold at `at`; return how many there are."""
    count = 0
    for pattern in PATTERNS:
        for found in over(pattern, at=at):
            _tell(pattern, found, at=at)
            count += 1
    return count + _watch_refunds(at)


def over(pattern: Pattern, *, at: datetime) -> Iterator[Found]:
    """Return who is over the pattern's threshold at `at`, those most over it first."""
    if pattern.window is None:
        return
    threshold, minutes = pattern.window
    begin = at - timedelta(minutes=minutes)
    for key, counted, order_id in _groups(pattern, begin)[:MOST_GROUPS]:
        subject_id = key if isinstance(key, int) else as_subject_id(str(key))
        count = _not_yet_judged(pattern, key, subject_id, counted, begin=begin)
        if count >= threshold:
            yield Found(subject_id=subject_id, count=count, order_id=order_id)


def _not_yet_judged(pattern: Pattern, key: Any, subject_id: int, counted: int, *, begin: datetime) -> int:
    """Return what has been counted since a person closed the last case of this subject, if that was in the window."""
    closed = _last_closed(pattern.kind, pattern.subject_kind, subject_id)
    if closed is None or closed < begin:
        return counted
    since = _groups(pattern, closed).filter(**{pattern.by: key}).first()
    return since[1] if since else 0


def _groups(pattern: Pattern, begin: datetime) -> QuerySet[Any, Any]:
    """Return (key, count, newest order) of each group that reaches the threshold since `begin`."""
    counted = Count(pattern.distinct, distinct=True) if pattern.distinct else Count("pk")
    threshold = pattern.window[0] if pattern.window else 0
    rows = pattern.rows(begin)
    if pattern.subject_kind == "client":  # of some attempts no address is known
        rows = rows.exclude(**{pattern.by: ""})
    found: QuerySet[Any, Any] = (
        rows.order_by()
        .values_list(pattern.by)
        .annotate(counted=counted, newest=Max(pattern.order))
        .filter(counted__gte=threshold)
        .order_by("-counted")
    )
    return found


def _tell(pattern: Pattern, found: Found, *, at: datetime) -> None:
    threshold, minutes = pattern.window or (0, 0)
    with transaction.atomic(durable=True):
        open_case(
            pattern.kind,
            subject_kind=pattern.subject_kind,
            subject_id=found.subject_id,
            order=Order.objects.filter(pk=found.order_id).first(),
            ours=f"Fewer than {threshold} {pattern.what} in {minutes} minutes are usual for {pattern.whose}.",
            theirs=f"{found.count} {pattern.what} for {pattern.whose} in {minutes} minutes.",
            suggested_fix=f"{pattern.fix} Runbook: {runbooks.url_of(pattern.kind)}",
            at=at,
        )


def _watch_refunds(at: datetime) -> int:
    """Refunds, ours and those made at providers, against what was taken in the same time."""
    window = settings.PATTERN_REFUNDS
    if window is None:
        return 0
    threshold, minutes = window
    begin = at - timedelta(minutes=minutes)
    closed = _last_closed(CaseKind.REFUND_SPIKE, "shop", 0)
    refunds = health_figures.refunds_seen(begin=max(begin, closed) if closed else begin)
    if refunds < threshold:
        return 0
    taken = PaymentTry.objects.filter(seen_at__gte=begin, succeeded=True).count()
    if refunds * 100 < taken * settings.PATTERN_REFUND_PERCENT:
        return 0
    with transaction.atomic(durable=True):
        open_case(
            CaseKind.REFUND_SPIKE,
            subject_kind="shop",
            subject_id=0,
            ours=f"Fewer than {threshold} refunds in {minutes} minutes are usual, or less than "
            f"{settings.PATTERN_REFUND_PERCENT}% of what is taken.",
            theirs=f"{refunds} refunds were made in {minutes} minutes; {taken} payments were taken.",
            suggested_fix="See who makes the refunds, and whether a key or an account is in other hands. "
            f"Runbook: {runbooks.url_of(CaseKind.REFUND_SPIKE)}",
            at=at,
        )
    return 1


def _last_closed(kind: CaseKind, subject_kind: str, subject_id: int) -> datetime | None:
    closed = Case.objects.filter(kind=kind, subject_kind=subject_kind, subject_id=subject_id, closed_at__isnull=False)
    return closed.order_by("-closed_at").values_list("closed_at", flat=True).first()
