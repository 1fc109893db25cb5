"""Payouts and balance entries through the Stripe adapter, in our words, against the sandbox."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integrations.contract import (
    BalanceEntry,
    EntryKind,
    Page,
    PayoutStatus,
    Unavailable,
)
from integrations.guard import GuardedProvider
from tests.conformance.conftest import new_key, start_request
from tests.sandbox.process import SandboxProcess


@pytest.fixture(autouse=True)
def empty(sandbox: SandboxProcess) -> None:
    sandbox.control.reset()


def pay(provider: GuardedProvider, sandbox: SandboxProcess, *, card: str = "4242424242424242") -> str:
    """The intent over 49.90 that was paid; its fee is 1.75."""
    started = provider.start(start_request(), idempotency_key=new_key())
    return sandbox.control.pay(started.ids.page_id, card=card).payment_intent


def all_of(ask: Callable[[str], Page[BalanceEntry]]) -> list[BalanceEntry]:
    """All pages of a list."""
    found: list[BalanceEntry] = []
    cursor = ""
    while True:
        page = ask(cursor)
        found += page.items
        cursor = page.cursor
        if not cursor:
            return found


class TestPayouts:
    def test_one_is_told_with_all_it_is_made_of(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        control = sandbox.control
        control.refund(payment_intent=pay(provider, sandbox), amount=1000)
        pay(provider, sandbox, card="4000000000000259")
        control.adjust(amount=-200, kind="stripe_fee")
        control.adjust(amount=25, description="Credit")
        made = control.pay_out(early=True)
        payout = provider.fetch_payout(made["id"])
        assert (payout.amount_minor, payout.currency, payout.status) == (made["amount"], "EUR", PayoutStatus.PENDING)
        assert (payout.automatic, payout.entries_complete, payout.bank_reference) == (True, True, "")
        entries = provider.payout_entries(payout.payout_id).items
        assert sorted((entry.kind, entry.amount_minor, entry.fee_minor) for entry in entries) == sorted([
            (EntryKind.PAYMENT, 4990, 175), (EntryKind.PAYMENT, 4990, 175), (EntryKind.REFUND, -1000, 0),
            (EntryKind.DISPUTE, -4990, 1500), (EntryKind.FEE, -200, 0), (EntryKind.ADJUSTMENT, 25, 0),
        ])  # fmt: skip
        assert sum(entry.net_minor for entry in entries) == payout.amount_minor
        assert all(entry.exchange_rate == "" for entry in entries)

    @pytest.mark.parametrize(("steps", "status"), [
        (["in_transit"], PayoutStatus.IN_TRANSIT), (["paid"], PayoutStatus.PAID), (["paid", "failed"],
        PayoutStatus.FAILED), (["canceled"], PayoutStatus.CANCELLED),
    ])  # fmt: skip
    def test_what_the_bank_did(
        self, provider: GuardedProvider, sandbox: SandboxProcess, steps: list[str], status: PayoutStatus
    ) -> None:
        pay(provider, sandbox)
        made = sandbox.control.pay_out(early=True)
        for step in steps:
            sandbox.control.move_payout(made["id"], status=step)
        payout = provider.fetch_payout(made["id"])
        assert payout.status is status
        assert payout.failure_code == ("account_closed" if status is PayoutStatus.FAILED else "")
        assert bool(payout.bank_reference) == (status is PayoutStatus.IN_TRANSIT)

    def test_a_conversion_is_told_with_its_rate(self, provider: GuardedProvider, sandbox: SandboxProcess) -> None:
        sandbox.control.settle_in("usd", rates={"eur": "1.0875"})
        pay(provider, sandbox)
        made = sandbox.control.pay_out(currency="usd", early=True)
        (entry,) = provider.payout_entries(made["id"]).items
        assert (entry.amount_minor, entry.currency, entry.exchange_rate) == (5427, "USD", "1.0875")

    @pytest.mark.parametrize("changes", [
        {"net": 1}, {"amount": "4990"}, {"fee": None}, {"currency": None}, {"exchange_rate": "1.2"},
        {"exchange_rate": -1}, {"type": None}, {"available_on": 0},
    ], ids=str)  # fmt: skip
    def test_an_entry_that_is_not_as_documented_is_no_answer(
        self, provider: GuardedProvider, sandbox: SandboxProcess, changes: dict[str, object]
    ) -> None:
        sandbox.control.adjust(amount=500)
        made = sandbox.control.pay_out()
        entry = provider.payout_entries(made["id"]).items[0]
        sandbox.control.patch(entry.entry_id, **changes)
        with pytest.raises(Unavailable):
            provider.payout_entries(made["id"])

    @pytest.mark.parametrize("changes", [{"status": "lost"}, {"automatic": "yes"}, {"arrival_date": None}], ids=str)
    def test_a_payout_that_is_not_as_documented_is_no_answer(
        self, provider: GuardedProvider, sandbox: SandboxProcess, changes: dict[str, object]
    ) -> None:
        sandbox.control.adjust(amount=500)
        made = sandbox.control.pay_out()
        sandbox.control.patch(made["id"], **changes)
        with pytest.raises(Unavailable):
            provider.fetch_payout(made["id"])

    @pytest.mark.parametrize("fault", ["server_error", "html_502", "truncated_json", "half_body", "drop"])
    def test_no_answer_that_can_be_believed(
        self, provider: GuardedProvider, sandbox: SandboxProcess, fault: str
    ) -> None:
        sandbox.control.adjust(amount=500)
        made = sandbox.control.pay_out()
        sandbox.control.fault(fault, path_prefix="/v1/payouts", times=1)
        with pytest.raises(Unavailable):
            provider.fetch_payout(made["id"])
        assert provider.fetch_payout(made["id"]).amount_minor == 500
