"""What both sides list, and how each kind is read and judged: payments, and refunds."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from integrations import providers
from integrations.contract import Page
from payments.clock import Clock
from payments.models import ReconciliationRun
from payments.models.reconciliation import Phase
from payments.reconciliation import confirming, ours, refund_lists


class Between(Protocol):
    """Our rows of [low, high), newest first, in chunks."""

    def __call__(self, provider: str, *, low: datetime, high: datetime) -> Iterator[list[Any]]: ...


class Confirm(Protocol):
    """Ask about one suspicion, and write what came of it."""

    def __call__(self, run: ReconciliationRun, suspicion: Any, *, clock: Clock) -> None: ...


class Interrupted(Protocol):
    """Write what came of the look in which a run was stopped."""

    def __call__(self, run: ReconciliationRun, *, clock: Clock) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One kind of object. `id_of` is the provider's id of a line of its list and of a row of ours."""

    page: Callable[[ReconciliationRun], Page[Any]]
    known: Callable[[str, Collection[str]], dict[str, Any]]
    id_of: Callable[[Any], str]
    suspect_listed: Callable[[ReconciliationRun, Any, Any], Any]
    between: Between
    suspect_unlisted: Callable[[ReconciliationRun, Any], Any]
    confirm: Confirm
    tell_of_interrupted: Interrupted


def _captures(run: ReconciliationRun) -> Page[Any]:
    return providers.get(run.provider).list_captures(since=run.since, until=run.until, cursor=run.cursor)


def _refunds(run: ReconciliationRun) -> Page[Any]:
    return providers.get(run.provider).list_refunds(since=run.since, until=run.until, cursor=run.cursor)


SIDES: dict[str, Side] = {
    Phase.CAPTURES: Side(
        page=_captures,
        known=ours.by_ids,
        id_of=lambda row: str(row.capture_id),
        suspect_listed=confirming.suspect_listed,
        between=ours.between,
        suspect_unlisted=confirming.suspect_unlisted,
        confirm=confirming.confirm,
        tell_of_interrupted=confirming.tell_of_interrupted,
    ),
    Phase.REFUNDS: Side(
        page=_refunds,
        known=refund_lists.by_ids,
        id_of=lambda row: str(row.refund_id),
        suspect_listed=refund_lists.suspect_listed,
        between=refund_lists.between,
        suspect_unlisted=refund_lists.suspect_unlisted,
        confirm=refund_lists.confirm,
        tell_of_interrupted=refund_lists.tell_of_interrupted,
    ),
}
