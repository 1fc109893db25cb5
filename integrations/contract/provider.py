"""The verbs of a payment provider, and what it offers of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from integrations.contract.notifications import Notification
from integrations.contract.payments import Mode, PaymentSnapshot, ProviderIds, Started, StartRequest
from integrations.contract.refunds import RefundRequest, RefundSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider offers, as data, so that nobody asks for what is not there. Durations in seconds."""

    key_lifetime_seconds: int
    key_max_length: int
    lookup_settles_after_seconds: int
    page_lifetime_min_seconds: int
    page_lifetime_max_seconds: int
    currencies: frozenset[str]
    events_backfill_days: int = 0
    payouts: bool = False
    disputes: bool = False
    refund_before_settlement: bool = True


class Provider(Protocol):
    """The verbs of one payment provider. An adapter asks and answers; it cannot move our money states."""

    name: str
    mode: Mode
    capabilities: Capabilities

    def account(self) -> str:
        """Return the provider's id of the account our credentials belong to. Raises ProviderError."""
        ...

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        """Open a hosted page for one payment. Raises ProviderError."""
        ...

    def fetch(self, ids: ProviderIds) -> PaymentSnapshot:
        """Ask for the whole payment: captures, refunds, disputes, fees. Raises UnknownObject, ProviderError."""
        ...

    def close(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        """Make the page take no more money. Does nothing where it is closed or paid already. Raises ProviderError."""
        ...

    def release(self, ids: ProviderIds, *, idempotency_key: str) -> None:
        """Give an uncaptured authorization back to the shopper. Does nothing where none is held. Raises
        ProviderError."""
        ...

    def refund(self, request: RefundRequest, *, idempotency_key: str) -> RefundSnapshot:
        """Give money of one capture back. Raises ProviderError; a permanent one means that nothing goes back."""
        ...

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """Prove and parse a webhook. Raises NotificationRejected, NotificationUnverified."""
        ...
