"""A provider that takes payments by token and gives money back, and has nothing else: what NMI is, and less."""

from __future__ import annotations

from dataclasses import replace

from integrations.contract import NotOffered
from integrations.contract.not_offered import (
    WithoutBalanceList,
    WithoutCapture,
    WithoutDisputes,
    WithoutEventList,
    WithoutPaymentLists,
    WithoutPayouts,
)
from tests.fake_forms import without_keys
from tests.fake_provider import FakeProvider


class FakeThatOffersNothing(
    WithoutCapture,
    WithoutDisputes,
    WithoutPaymentLists,
    WithoutEventList,
    WithoutPayouts,
    WithoutBalanceList,
    FakeProvider,
):
    """`asked_in_vain`: what was asked for that it does not offer."""

    name = "nmi"
    capabilities = replace(
        FakeProvider.capabilities,
        **without_keys(),
        disputes=False,
        evidence_max_characters=0,
        events_backfill_days=0,
        lists_payments=False,
        payouts=False,
        balance_entries=False,
        tells_fees=False,
        dispute_outcome=False,
        refund_before_settlement=False,
        proof_headers=(),
    )

    def __init__(self) -> None:
        super().__init__()
        self.asked_in_vain: list[str] = []
        self.tells_of_unpaid = False

    def _not_offered(self, what: str) -> NotOffered:
        self.asked_in_vain.append(what)
        return super()._not_offered(what)
