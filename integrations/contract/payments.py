"""What a payment is at the edge: what is asked for, and what the provider says of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from integrations.contract.disputes import DisputeSnapshot
from integrations.contract.forms import NextStep, Presentation
from integrations.contract.ids import ProviderIds
from integrations.contract.refunds import RefundSnapshot


class Mode(StrEnum):
    """Whether money is real. Test and live never mix (DESIGN.md, invariant 10)."""

    TEST = "test"
    LIVE = "live"


class PaymentStatus(StrEnum):
    """What a provider says of one payment, in our words (PROVIDERS.md, section 4)."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    AUTHORIZED = "authorized"
    PAID = "paid"
    FAILED = "failed"
    CANCELLED = "cancelled"


class DeclineReason(StrEnum):
    """Why a bank or provider refused, normalised over providers (PROVIDERS.md, section 6)."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    EXPIRED_CARD = "expired_card"
    INCORRECT_CVC = "incorrect_cvc"
    INCORRECT_ADDRESS = "incorrect_address"
    DO_NOT_HONOR = "do_not_honor"
    CALL_ISSUER = "call_issuer"
    FRAUD = "fraud"
    AUTHENTICATION_REQUIRED = "authentication_required"
    LIMIT = "limit"
    INVALID_CARD = "invalid_card"
    RETRY_LATER = "retry_later"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decline:
    """A refusal that the shopper may retry. `provider_code` is the provider's own word, for staff only."""

    reason: DeclineReason
    provider_code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageLine:
    """One line as the provider's page shows it; `unit_amount_minor` is per piece."""

    name: str
    quantity: int
    unit_amount_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """What a payment needs to begin, and no more.

    `reference` is ours, random, and comes back in every object of this payment. The sum of `lines` is `amount_minor`.
    `expires_at` is when the page shall stop taking money; the adapter refuses what its provider does not offer.
    `presentation` is one of its Capabilities.presentations.
    """

    reference: str
    amount_minor: int
    currency: str
    order_number: str
    lines: tuple[PageLine, ...]
    email: str
    return_url: str
    cancel_url: str
    expires_at: datetime
    presentation: Presentation = Presentation.HOSTED


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Answer of `start`: where to send the shopper, and the provider's ids. `raw` is the answer's body, parsed.

    `redirect_url` is empty for an embedded payment: the shopper goes to our own page, which asks for its `form`.
    """

    ids: ProviderIds
    account: str
    mode: Mode
    redirect_url: str
    expires_at: datetime | None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSnapshot:
    """Money that moved to us. `fee_minor` is None while the provider has not told its fee.

    `intent_id`: the provider's payment it belongs to, where it tells it.
    """

    capture_id: str
    amount_minor: int
    currency: str
    captured_at: datetime
    fee_minor: int | None = None
    intent_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrySnapshot:
    """One time the shopper gave a means of payment on the page, taken or refused; it moves nothing here.

    `method` is the provider's word for the kind (`card`). `fingerprint` is the provider's own name for this one card or
    account, the same each time, from which no number can be made; empty where it has none. Never a card number.
    """

    try_id: str
    at: datetime
    succeeded: bool
    decline: Decline | None = None
    method: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSnapshot:
    """The whole payment as the provider tells it at one moment: the only thing settlement believes.

    `reference` is what the provider's object carries (empty: it carries none). `amount_minor` is what the shopper was
    asked for. `page_open` says that the provider's page may still take money. `in_review`: no money has moved because
    somebody at the provider looks at the payment first. `next_step`: what it waits for that is ours to do. `tries` are
    those the provider told with this answer, maybe not all there were. `raw` is kept after masking.
    """

    provider: str
    account: str
    mode: Mode
    reference: str
    ids: ProviderIds
    status: PaymentStatus
    amount_minor: int
    currency: str
    page_open: bool
    page_url: str = ""
    expires_at: datetime | None = None
    decline: Decline | None = None
    captures: tuple[CaptureSnapshot, ...] = ()
    refunds: tuple[RefundSnapshot, ...] = ()
    disputes: tuple[DisputeSnapshot, ...] = ()
    in_review: bool = False
    next_step: NextStep = NextStep.NONE
    tries: tuple[TrySnapshot, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)
