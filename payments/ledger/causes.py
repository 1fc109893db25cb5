"""Every cause that may post to the ledger, and what each row of it must have posted: what `verify_ledger` compares.

A cause is registered beside its posting function (payments/ledger/posting.py and others), with what its rows must have
posted worked out anew from the rows, not from the posting. A cause_kind that no cause registers fails a test
(tests/architecture/test_ledger_causes.py) and is a finding of `verify_ledger`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Model, QuerySet

from orders.money import Money


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What one row must have posted. `lines`: account → minor units, debit positive.

    `at`: exactly then; None where the row does not say, then only not before `since`. `waits`: the posting may still
    come, since it needs another row that may be told later.
    """

    currency: str
    lines: dict[str, int]
    at: datetime | None = None
    since: datetime | None = None
    waits: bool = False


def nothing(rows: Sequence[Any]) -> None:
    """Prepare nothing: a row says all by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One kind of cause. `says`, `debit`, `credit`: for people (docs/ledger.md, the ledger's pages).

    `rows`: the rows that may have caused a posting, of the model whose primary key is the posting's `cause_id`.
    `expected`: what one of them must have posted, None for nothing. `prepare`: looks up for some thousand rows at once
    what `expected` reads of each.
    """

    kind: str
    says: str
    debit: str
    credit: str
    rows: Callable[[], QuerySet[Any]]
    expected: Callable[[Any], Expected | None]
    prepare: Callable[[Sequence[Any]], None] = nothing

    @property
    def model(self) -> type[Model]:
        return self.rows().model


CAUSES: dict[str, Cause] = {}
"""By kind, in the order in which they were registered."""


def register(cause: Cause) -> Cause:
    """Make a cause known. Raises ValueError where its kind is taken."""
    if cause.kind in CAUSES:
        raise ValueError(f"{cause.kind} is taken")
    CAUSES[cause.kind] = cause
    return cause


def two_sides(
    amount: Money,
    *,
    debit: str,
    credit: str,
    at: datetime | None = None,
    since: datetime | None = None,
    waits: bool = False,
) -> Expected:
    """Return what payments.ledger.posting.post() writes for this amount."""
    lines = {debit: amount.amount_minor, credit: -amount.amount_minor}
    return Expected(currency=amount.currency, lines=lines, at=at, since=since, waits=waits)
