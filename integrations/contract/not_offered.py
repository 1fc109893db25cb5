"""Verbs that a provider does not offer, by family: an adapter inherits what its Capabilities say it lacks.

Who asks looks at the capabilities first, and says "not offered by NMI"; these are for whoever does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from integrations.contract.disputes import EvidenceTexts
from integrations.contract.errors import NotOffered
from integrations.contract.forms import CaptureRequest, PayForm, PayRequest
from integrations.contract.ids import ProviderIds
from integrations.contract.listing import ListedCapture, ListedEvent, ListedRefund
from integrations.contract.notifications import Notification
from integrations.contract.paging import Page
from integrations.contract.payouts import BalanceEntry, PayoutSnapshot


class _Named:
    name: str

    def _not_offered(self, what: str) -> NotOffered:
        return NotOffered(f"{self.name} does not offer {what}", code="not_offered")


class WithoutForm(_Named):
    """No frame of the provider's on a page of ours."""

    def form(self, ids: ProviderIds) -> PayForm:
        raise self._not_offered("an embedded form")


class WithoutTokens(_Named):
    """No payment by a token from its frame."""

    def pay_with_token(self, request: PayRequest, *, idempotency_key: str) -> ProviderIds:
        raise self._not_offered("payment by token")


class WithoutCapture(_Named):
    """No capture of ours: money moves when the shopper pays."""

    def capture(self, request: CaptureRequest, *, idempotency_key: str) -> ProviderIds:
        raise self._not_offered("a capture of its own")


class WithoutDisputes(_Named):
    """No answer to a dispute through its API."""

    def stage_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        raise self._not_offered("evidence")

    def submit_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        raise self._not_offered("evidence")

    def accept_dispute(self, dispute_id: str, *, idempotency_key: str) -> None:
        raise self._not_offered("accepting a dispute")


class WithoutPaymentLists(_Named):
    """No lists of payments and refunds."""

    def find_capture(self, capture_id: str) -> ListedCapture:
        raise self._not_offered("a list of payments")

    def list_captures(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedCapture]:
        raise self._not_offered("a list of payments")

    def list_refunds(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedRefund]:
        raise self._not_offered("a list of refunds")


class WithoutEventList(_Named):
    """No list of past events."""

    def list_events(self, *, since: datetime, cursor: str = "", types: tuple[str, ...] = ()) -> Page[ListedEvent]:
        raise self._not_offered("a list of events")


class WithoutPayouts(_Named):
    """No payouts through its API."""

    def list_payouts(self, *, since: datetime, cursor: str = "") -> Page[PayoutSnapshot]:
        raise self._not_offered("payouts")

    def fetch_payout(self, payout_id: str) -> PayoutSnapshot:
        raise self._not_offered("payouts")

    def payout_entries(self, payout_id: str, *, cursor: str = "") -> Page[BalanceEntry]:
        raise self._not_offered("payouts")


class WithoutBalanceList(_Named):
    """No list of the balance's entries by time."""

    def list_balance_entries(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[BalanceEntry]:
        raise self._not_offered("a list of balance entries")


class WithoutExtras(
    WithoutForm,
    WithoutTokens,
    WithoutCapture,
    WithoutDisputes,
    WithoutPaymentLists,
    WithoutEventList,
    WithoutPayouts,
    WithoutBalanceList,
):
    """A hosted page, refunds, and webhooks that `verify` proves alone; nothing beyond. Where an adapter begins."""

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        raise NotImplementedError

    def prove(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        return self.verify(headers=headers, body=body, now=now)
