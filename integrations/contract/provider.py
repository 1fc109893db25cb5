"""The verbs of a payment provider, and what it offers of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from integrations.contract.disputes import EvidenceTexts
from integrations.contract.forms import CaptureRequest, PayForm, PayRequest, Presentation
from integrations.contract.ids import ProviderIds
from integrations.contract.listing import ListedCapture, ListedEvent, ListedRefund
from integrations.contract.notifications import Notification
from integrations.contract.paging import Page
from integrations.contract.payments import Mode, PaymentSnapshot, Started, StartRequest
from integrations.contract.payouts import BalanceEntry, PayoutSnapshot
from integrations.contract.refunds import RefundRequest, RefundSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a provider offers, as data, so that nobody asks for what is not there. Durations in seconds.

    `key_lifetime_seconds` is 0 where the provider knows no idempotency keys: what moves money is then sent once, and
    looked up after an unknown outcome. `lookup_settles_after_seconds`: so long "not found" may be too early.
    `presentations`: how a payment may be shown, the usual one first. `refund_before_settlement`: whether a part of a
    payment can be given back before it is settled. `tells_fees`: whether looks or payouts tell what it kept.
    `dispute_outcome`: whether it tells how a dispute ended. `proof_headers`: the lower-case names of the headers that
    prove a webhook, kept while it is unverified. `evidence_max_characters`: 0 where it takes no evidence.
    `moved_by_us`: the presentations in which money moves only by a call of ours (a capture, a payment by token). Such a
    payment is over when we say so, whatever stands open at the provider, and `fetch` may raise UnknownObject while
    nothing was paid.
    """

    key_lifetime_seconds: int
    key_max_length: int
    lookup_settles_after_seconds: int
    page_lifetime_min_seconds: int
    page_lifetime_max_seconds: int
    currencies: frozenset[str]
    events_backfill_days: int = 0
    lists_payments: bool = False
    payouts: bool = False
    disputes: bool = False
    evidence_max_characters: int = 0
    refund_before_settlement: bool = True
    presentations: tuple[Presentation, ...] = (Presentation.HOSTED,)
    tells_fees: bool = True
    dispute_outcome: bool = True
    balance_entries: bool = True
    proof_headers: tuple[str, ...] = ()
    moved_by_us: frozenset[Presentation] = frozenset()


class Provider(Protocol):
    """The verbs of one payment provider. An adapter asks and answers; it cannot move our money states."""

    name: str
    mode: Mode
    capabilities: Capabilities

    def account(self) -> str:
        """Return the provider's id of the account our credentials belong to. Raises ProviderError."""
        ...

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        """Begin one payment: open the provider's page, or what its form on our page pays into. Raises ProviderError."""
        ...

    def form(self, ids: ProviderIds) -> PayForm:
        """Return what the form of an embedded payment needs. It may ask the provider, and changes nothing. Raises
        NotOffered, UnknownObject, ProviderError."""
        ...

    def pay_with_token(self, request: PayRequest, *, idempotency_key: str) -> ProviderIds:
        """Pay with a single-use token from the provider's frame; return the ids, with the payment's own. Raises
        Declined, NotOffered, ProviderError."""
        ...

    def capture(self, request: CaptureRequest, *, idempotency_key: str) -> ProviderIds:
        """Take the money that `PaymentSnapshot.next_step` says is waiting for it. Raises Declined, NotOffered,
        ProviderError."""
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

    def stage_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        """Store evidence at the provider without sending it to the bank. Raises UnknownObject, ProviderError."""
        ...

    def submit_evidence(self, dispute_id: str, texts: EvidenceTexts, *, idempotency_key: str) -> None:
        """Send evidence to the bank, which takes it once. Raises InvalidRequest where it has it already, UnknownObject,
        ProviderError."""
        ...

    def accept_dispute(self, dispute_id: str, *, idempotency_key: str) -> None:
        """Give the money up: the dispute is lost by this. Raises InvalidRequest where it has ended, UnknownObject,
        ProviderError."""
        ...

    def verify(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """Prove and parse a webhook inside its request: no network. Raises NotificationRejected, and
        NotificationUnverified where the proof needs asking."""
        ...

    def prove(self, *, headers: Mapping[str, str], body: bytes, now: datetime) -> Notification:
        """As `verify`, by a worker, which may ask the network. `headers`: those of Capabilities.proof_headers, in lower
        case. `now`: when it was received. Raises NotificationRejected, ProviderError."""
        ...

    def find_capture(self, capture_id: str) -> ListedCapture:
        """Ask for one payment of the list by its id: lists may lag. Raises UnknownObject, ProviderError."""
        ...

    def list_captures(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedCapture]:
        """List one page of payments by `listed_at`, newest first, both ends included. Raises ProviderError.

        `cursor` is "" for the first page, then what the page before told. Of wrong mode too: whoever reads it judges.
        """
        ...

    def list_refunds(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[ListedRefund]:
        """As `list_captures`, of refunds."""
        ...

    def list_events(self, *, since: datetime, cursor: str = "", types: tuple[str, ...] = ()) -> Page[ListedEvent]:
        """List one page of events, newest first, since `since`; those of `types` only, where any are named.

        Reaches back `Capabilities.events_backfill_days`. Raises ProviderError.
        """
        ...

    def list_payouts(self, *, since: datetime, cursor: str = "") -> Page[PayoutSnapshot]:
        """Ask for one page of the payouts made since then, newest first. Raises ProviderError."""
        ...

    def fetch_payout(self, payout_id: str) -> PayoutSnapshot:
        """Ask for one payout. Raises UnknownObject, ProviderError."""
        ...

    def payout_entries(self, payout_id: str, *, cursor: str = "") -> Page[BalanceEntry]:
        """Ask for one page of the entries a payout was made of, without its own. Only of an automatic payout: raises
        InvalidRequest for a manual one. Raises ProviderError."""
        ...

    def list_balance_entries(self, *, since: datetime, until: datetime, cursor: str = "") -> Page[BalanceEntry]:
        """Ask for one page of the balance's entries made in [since, until), newest first. Raises ProviderError."""
        ...
