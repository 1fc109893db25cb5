"""What a provider lists over a stretch of time: hints at what to look at, never the truth of one payment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from integrations.contract.notifications import Notification
from integrations.contract.payments import Mode, ProviderIds


class ListedStatus(StrEnum):
    """What a listed try to take money came to."""

    CAPTURED = "captured"
    AUTHORIZED = "authorized"
    PENDING = "pending"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedCapture:
    """One line of the list of payments. Money moved only where `status` is `captured`.

    `reference` is ours as their object carries it (empty: none). `listed_at` is the time the list is ordered and
    filtered by, `captured_at` when the money moved: the same that CaptureSnapshot tells. `refunded_minor` is what went
    back of it by their account. `fee_minor` is None while it is not told, or told in another currency. `status_words`
    are the provider's own.
    """

    capture_id: str
    reference: str
    ids: ProviderIds
    account: str
    mode: Mode
    status: ListedStatus
    amount_minor: int
    currency: str
    listed_at: datetime
    captured_at: datetime
    refunded_minor: int = 0
    disputed: bool = False
    fee_minor: int | None = None
    status_words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRefund:
    """One line of the list of refunds, whoever made it. `status` is as in RefundSnapshot; `reference` the refund's."""

    refund_id: str
    capture_id: str
    reference: str
    ids: ProviderIds
    account: str
    status: str
    amount_minor: int
    currency: str
    listed_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedEvent:
    """An event as the provider lists it afterwards; `body` is its JSON, not the bytes a webhook would have carried."""

    notification: Notification
    body: bytes
