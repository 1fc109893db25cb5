"""The payouts of the provider in memory: what it lists is what the test put there, page by page."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from integrations.contract import (
    BalanceEntry,
    EntryKind,
    InvalidRequest,
    Mode,
    Page,
    PayoutSnapshot,
    PayoutStatus,
    UnknownObject,
)

PAID_OUT_AT = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
Item = TypeVar("Item")


class FakePayouts:
    """The payout verbs of a provider. `page_size` is small where a test wants several pages."""

    page_size = 100

    def __init__(self) -> None:
        self.payouts: dict[str, PayoutSnapshot] = {}
        self.balance: list[BalanceEntry] = []
        self.entries_of: dict[str, list[BalanceEntry]] = {}
        self._payout_numbers = itertools.count(1)

    # --- the verbs -------------------------------------------------------------------------------------------

    def list_payouts(self, *, since: datetime, cursor: str = "") -> Page[PayoutSnapshot]:
        self._begin("list_payouts", cursor)
        newest_first = sorted(self.payouts.values(), key=lambda payout: payout.created_at, reverse=True)
        return self._page([payout for payout in newest_first if payout.created_at >= since], cursor)

    def fetch_payout(self, payout_id: str) -> PayoutSnapshot:
        self._begin("fetch_payout", payout_id)
        if payout_id not in self.payouts:
            raise UnknownObject("no such payout")
        return self.payouts[payout_id]

    def payout_entries(self, payout_id: str, *, cursor: str = "") -> Page[BalanceEntry]:
        self._begin("payout_entries", payout_id)
        if not self.payouts[payout_id].automatic:
            raise InvalidRequest("entries of a manual payout cannot be told")
        return self._page(self.entries_of[payout_id], cursor)

    def list_balance_entries(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[BalanceEntry]:
        self._begin("list_balance_entries", cursor)
        return self._page([entry for entry in reversed(self.balance) if since <= entry.created_at < until], cursor)

    # --- what the test makes true ----------------------------------------------------------------------------

    def entry(self, kind: EntryKind, amount_minor: int, *, fee_minor: int = 0, **changes: Any) -> BalanceEntry:
        """Let the balance move."""
        told: dict[str, Any] = {
            "entry_id": f"bal_{next(self._payout_numbers)}",
            "kind": kind,
            "provider_type": str(kind),
            "source_id": "",
            "amount_minor": amount_minor,
            "fee_minor": fee_minor,
            "net_minor": amount_minor - fee_minor,
            "currency": "EUR",
            "created_at": PAID_OUT_AT - timedelta(hours=1),
            "available_at": PAID_OUT_AT,
        }
        entry = BalanceEntry(**{**told, **changes})
        self.balance.append(entry)
        return entry

    def pay_out(
        self, entries: Sequence[BalanceEntry], *, missing_minor: int = 0, automatic: bool = True, **changes: Any
    ) -> PayoutSnapshot:
        """Pay these entries out, and `missing_minor` more than they are worth: a difference that nothing explains."""
        payout_id = f"po_{next(self._payout_numbers)}"
        told: dict[str, Any] = {
            "payout_id": payout_id,
            "mode": Mode.TEST,
            "amount_minor": sum(entry.net_minor for entry in entries) + missing_minor,
            "currency": entries[0].currency if entries else "EUR",
            "status": PayoutStatus.PAID,
            "created_at": PAID_OUT_AT,
            "arrives_at": PAID_OUT_AT + timedelta(days=1),
            "automatic": automatic,
            "entries_complete": automatic,
        }
        payout = PayoutSnapshot(**{**told, **changes})
        self.payouts[payout_id] = payout
        self.entries_of[payout_id] = list(entries)
        self.entry(
            EntryKind.PAYOUT,
            -payout.amount_minor,
            source_id=payout_id,
            currency=payout.currency,
            created_at=payout.created_at,
        )
        return payout

    def move_payout(self, payout: PayoutSnapshot, status: PayoutStatus, **changes: Any) -> PayoutSnapshot:
        """Let the bank decide; a failure puts the money back into the balance."""
        moved = replace(payout, status=status, **changes)
        self.payouts[payout.payout_id] = moved
        if status in (PayoutStatus.FAILED, PayoutStatus.CANCELLED):
            self.entry(
                EntryKind.PAYOUT_FAILURE,
                payout.amount_minor,
                source_id=payout.payout_id,
                currency=payout.currency,
                created_at=payout.created_at + timedelta(hours=1),
            )
        return moved

    def _page(self, items: Sequence[Item], cursor: str) -> Page[Item]:
        start = int(cursor or 0)
        end = start + self.page_size
        return Page(items=tuple(items[start:end]), cursor=str(end) if end < len(items) else "")

    def _begin(self, verb: str, what: str) -> None:
        raise NotImplementedError
