"""Money claimed back by a bank, as a provider tells it, and what can be answered to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class MovementKind(StrEnum):
    """Which way the money of a dispute moved."""

    WITHDRAWN = "withdrawn"
    REINSTATED = "reinstated"


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeMovement:
    """One entry of the provider's balance that a dispute caused.

    `amount_minor` is what was taken or given back, never negative. `fee_minor` is what the provider took for it beside
    the amount; negative where it gave a fee back. Both are in `currency`, that of the balance, which may be another
    than the dispute's.
    """

    entry_id: str
    kind: MovementKind
    amount_minor: int
    currency: str
    at: datetime
    fee_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSnapshot:
    """A dispute as the provider tells it. `status` is a word of DESIGN.md's dispute machine.

    `reason` is the provider's word for what the cardholder says. `respond_by`: until when evidence is taken; None where
    it is not told. `evidence_submitted`: the bank has our answer to what it asks now, whoever gave it; where an inquiry
    becomes a chargeback, it asks anew.
    """

    dispute_id: str
    capture_id: str
    amount_minor: int
    currency: str
    status: str
    respond_by: datetime | None = None
    opened_at: datetime | None = None
    reason: str = ""
    evidence_submitted: bool = False
    movements: tuple[DisputeMovement, ...] = ()


class EvidenceText(StrEnum):
    """What can be told a bank in words; each adapter knows its provider's name for it."""

    CUSTOMER_EMAIL = "customer_email_address"
    PRODUCT_DESCRIPTION = "product_description"
    SERVICE_DATE = "service_date"
    SHIPPING_CARRIER = "shipping_carrier"
    SHIPPING_TRACKING_NUMBER = "shipping_tracking_number"
    SHIPPING_DATE = "shipping_date"
    SHIPPING_ADDRESS = "shipping_address"
    REFUND_POLICY = "refund_policy_disclosure"
    REFUND_REFUSAL = "refund_refusal_explanation"
    CANCELLATION_REBUTTAL = "cancellation_rebuttal"
    DUPLICATE_EXPLANATION = "duplicate_charge_explanation"
    STATEMENT = "uncategorized_text"


EvidenceTexts = Mapping[EvidenceText, str]
"""Evidence as it is sent; an absent text leaves what the provider holds of it."""
