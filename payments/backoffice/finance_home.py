"""What the first page shows whoever looks after the money: payouts with a remainder, bank lines nobody has named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from payments.backoffice.payouts import with_remainder
from payments.bank import matching as bank_matching
from payments.models import Payout, PayoutMirror
from payments.roles import Area, Verb, may

MOST_COUNTED = 1000
"""Nobody needs to know of more than this; a list that long is not counted to its end."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """How many of something wait, in words, and the list that shows them. `more`: there are at least so many."""

    label: str
    count: int
    rows: str
    more: bool = False


@dataclass(frozen=True, slots=True)
class FinanceHome:
    """What waits, and which providers' payouts could not be read."""

    waiting: list[Waiting]
    unread: list[PayoutMirror]


def finance_home_of(user: Any) -> FinanceHome | None:
    """Return this part for people who work on money; None for everybody else."""
    if not may(user, Verb.VIEW, Area.FINANCE):
        return None
    payouts = reverse("admin:payments_payout_changelist")
    remainder = Payout.objects.filter(with_remainder())
    lines = reverse("admin:payments_bankline_changelist")
    return FinanceHome(
        waiting=[
            _waiting("Payouts with an unexplained remainder", remainder, f"{payouts}?explained=no"),
            _waiting("Bank lines that nobody has named yet", bank_matching.unmatched(), f"{lines}?is=open"),
        ],
        unread=list(PayoutMirror.objects.exclude(error="").order_by("provider")),
    )


def _waiting(label: str, rows: Any, url: str) -> Waiting:
    count = rows.order_by()[: MOST_COUNTED + 1].count()
    return Waiting(label, min(count, MOST_COUNTED), url, more=count > MOST_COUNTED)
