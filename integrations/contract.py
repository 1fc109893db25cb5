"""The wire types and errors that cross the edge: what an adapter takes, answers and raises.

Frozen, and free of Django: an adapter written by somebody else needs this module only. Amounts are integers in the
minor unit of ISO 4217 (`amount_minor`), currencies upper-case ISO codes; each adapter converts to its provider's units.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol


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
    """What a hosted payment needs, and no more.

    `reference` is ours, random, and comes back in every object of this payment. The sum of `lines` is `amount_minor`.
    `expires_at` is when the page shall stop taking money; the adapter refuses what its provider does not offer.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderIds:
    """The provider's ids of one payment; empty string where not (yet) known."""

    page_id: str = ""
    intent_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Answer of `start`: where to send the shopper, and the provider's ids. `raw` is the answer's body, parsed."""

    ids: ProviderIds
    account: str
    mode: Mode
    redirect_url: str
    expires_at: datetime | None
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSnapshot:
    """Money that moved to us. `fee_minor` is None while the provider has not told its fee."""

    capture_id: str
    amount_minor: int
    currency: str
    captured_at: datetime
    fee_minor: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSnapshot:
    """Money going back, whoever asked for it. `status` is `pending`, `succeeded` or `failed`."""

    refund_id: str
    capture_id: str
    amount_minor: int
    currency: str
    status: str
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSnapshot:
    """A dispute as the provider tells it. `status` is a word of DESIGN.md's dispute machine."""

    dispute_id: str
    capture_id: str
    amount_minor: int
    currency: str
    status: str
    respond_by: datetime | None = None


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
    somebody at the provider looks at the payment first. `tries` are those the provider told with this answer, maybe not
    all there were. `raw` is kept after masking.
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
    tries: tuple[TrySnapshot, ...] = ()
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A verified webhook, reduced to a hint: which of our payments to look at again.

    `object_ids` are the provider's ids the event speaks of, most specific first; `relevant` is False for event types
    that can never change a payment. `account` is empty where the event names none (it is then our own account's).
    """

    provider: str
    event_id: str
    type: str
    mode: Mode
    account: str
    created_at: datetime
    object_ids: tuple[str, ...]
    ids: ProviderIds
    reference: str
    relevant: bool
    api_version: str = ""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingProblem:
    """A setting that forbids the use of a provider: a stable `code`, and a sentence that names the remedy."""

    code: str
    remedy: str


class ProviderError(Exception):
    """Something a provider answered, or did not. Read `permanent`: may the same request ever succeed as it is?

    `message` is for staff and logs and carries no personal data. `outcome_unknown` means that the request may have
    taken effect: send it again only under the same idempotency key, or look.
    """

    category = "unavailable"
    permanent = False
    outcome_unknown = False

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        code: str = "",
        request_id: str = "",
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status
        self.code = code
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds


class Declined(ProviderError):
    """The bank or provider refused this payment; the shopper may try otherwise."""

    category = "declined"
    permanent = True

    def __init__(self, message: str, *, decline: Decline, **details: Any) -> None:
        super().__init__(message, **details)
        self.decline = decline


class InvalidRequest(ProviderError):
    """The request itself is wrong: a defect of ours or an unknown object. Never repeat it unchanged."""

    category = "invalid_request"
    permanent = True


class UnknownObject(InvalidRequest):
    """The provider knows no such object under our key: another account or mode, or not there yet."""


class ConfigurationError(ProviderError):
    """Keys, permissions or account are wrong: a person must act, then the same request may succeed."""

    category = "configuration"


class ProviderMisconfigured(ConfigurationError):
    """This provider cannot be used as it is configured. `problems` says what to mend; nothing was sent."""

    def __init__(self, provider: str, problems: tuple[SettingProblem, ...]) -> None:
        super().__init__(f"{provider} is not usable: " + " ".join(problem.remedy for problem in problems))
        self.problems = problems


class WrongMode(ProviderError):
    """The provider answered in the other mode than our key's: test and live met. Move nothing, open a Case.

    `answer` is what it said.
    """

    category = "wrong_mode"
    permanent = True

    def __init__(self, message: str, *, answer: Started | PaymentSnapshot) -> None:
        super().__init__(message)
        self.answer = answer


class RateLimited(ProviderError):
    """Not executed; try again after `retry_after_seconds`, or by the usual backoff."""

    category = "rate_limited"


class Unavailable(ProviderError):
    """No answer that can be believed. The request may have taken effect."""

    category = "unavailable"
    outcome_unknown = True


class NotTried(Unavailable):
    """The provider is left alone at present (integrations/breaker.py): nothing was sent, by this request at least."""

    outcome_unknown = False


class IdempotencyConflict(ProviderError):
    """The key is in use by a running request (`in_flight`), or was used for another request (then permanent)."""

    category = "idempotency_conflict"

    def __init__(self, message: str, *, in_flight: bool, **details: Any) -> None:
        super().__init__(message, **details)
        self.permanent = not in_flight
        self.outcome_unknown = in_flight


class NotificationRejected(Exception):
    """A webhook that is malformed or not proved; answer 400 and store nothing."""


class NotificationUnverified(Exception):
    """The proof itself could not be checked now (certificate host away); store as `unverified` and prove later."""

    def __init__(self, message: str, notification: Notification) -> None:
        super().__init__(message)
        self.notification = notification


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

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """Prove and parse a webhook. Raises NotificationRejected, NotificationUnverified."""
        ...
