"""Money going back: what is asked for, and what the provider says of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # payments.py has a snapshot of ours among its own
    from integrations.contract.payments import ProviderIds


class RefundReason(StrEnum):
    """Why money goes back, in the words that providers know. What a person wrote never leaves us."""

    REQUESTED_BY_CUSTOMER = "requested_by_customer"
    DUPLICATE = "duplicate"
    FRAUDULENT = "fraudulent"


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRequest:
    """What a refund needs, and no more.

    `reference` is ours, random, and comes back in the provider's refund. `ids` are those of the payment, `capture_id`
    names the money that goes back, `amount_minor` of it, in the capture's own `currency`.
    """

    reference: str
    ids: ProviderIds
    capture_id: str
    amount_minor: int
    currency: str
    reason: RefundReason


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSnapshot:
    """Money going back, whoever asked for it. `status` is `pending`, `succeeded` or `failed`.

    `reference` is ours, empty where the provider's refund carries none. `failure_reason` is the provider's word.
    """

    refund_id: str
    capture_id: str
    amount_minor: int
    currency: str
    status: str
    reference: str = ""
    created_at: datetime | None = field(default=None, compare=False)
    failure_reason: str = ""
