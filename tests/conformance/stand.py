"""What the conformance kit needs of a provider: its adapter, and a hand at the provider for what shoppers and banks do.

Subclass Stand; docs/conformance.md walks through it.

A method that a stand does not write raises NotImplementedError, which fails the test that needs it: declare the feature
in `lacks` (the provider has no such thing) or `beyond` (it has, but nobody can bring it about here).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from integrations.contract import (
    DeclineReason,
    PageLine,
    Presentation,
    Provider,
    ProviderIds,
    Started,
    StartRequest,
)
from tests.conformance.features import Feature


class Fault(StrEnum):
    """What can happen to one request. The first four happen after the provider has done what was asked."""

    LOST = "lost"
    HTML_502 = "html_502"
    HALF_BODY = "half_body"
    TRUNCATED = "truncated"
    BROKEN = "broken"  # status 500, and nothing was done
    BUSY = "busy"  # status 429
    SLOW = "slow"  # done after some seconds


@dataclass(kw_only=True)
class Payment:
    """A payment that the kit has begun: what was asked for, and the provider's ids as far as we know them."""

    request: StartRequest
    key: str
    started: Started
    ids: ProviderIds


@dataclass(frozen=True, kw_only=True)
class Means:
    """What the shopper's means of payment does: pays, unless it is declined, asks for action, or decides `later`."""

    decline: DeclineReason | None = None
    action: bool = False
    later: bool = False


@dataclass(frozen=True, kw_only=True)
class Signed:
    """A webhook as it arrived."""

    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Amount:
    """An amount in ISO 4217 minor units, and what the provider shall have been asked for, in its own words."""

    amount_minor: int
    currency: str
    told: str


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What really happened to the money of one payment, by the provider's own books."""

    captures: int = 0
    captured_minor: int = 0
    refunds: int = 0
    refunded_minor: int = 0


class Stand:
    """One provider to hold an adapter against.

    `lines` and `currency` are the usual sale. `amounts`: a few of each kind of currency. `refused_amounts`: minor units
    and currencies that the provider cannot take exactly. `never_declined`: why it gives no such reason, for each that
    `pay` and `token` cannot bring about. `secrets`: two that may sign. `signed_headers`: the headers whose every bit is
    proved, in lower case. `signed_seconds`: how far a signed time may be from now. `page_size`: how many objects its
    lists tell at once. `unknown_ids`: of no payment. `hostile_ids`: such as must not reach a path.
    `wrong_key`: one of the right shape that the provider does not know. `never_shown`: keys of ours no form may tell.
    """

    name: ClassVar[str]
    lacks: ClassVar[Mapping[Feature, str]] = {}
    beyond: ClassVar[Mapping[Feature, str]] = {}
    outside: ClassVar[bool] = False  # whether it talks to another machine

    currency: ClassVar[str] = "EUR"
    lines: ClassVar[tuple[PageLine, ...]] = (
        PageLine(name="Teapot", quantity=1, unit_amount_minor=3990),
        PageLine(name="Cup", quantity=2, unit_amount_minor=500),
    )
    presentation: ClassVar[Presentation] = Presentation.HOSTED
    amounts: ClassVar[Sequence[Amount]] = ()
    refused_amounts: ClassVar[Sequence[tuple[int, str]]] = ()
    never_declined: ClassVar[Mapping[DeclineReason, str]] = {}
    secrets: ClassVar[tuple[str, str]] = ("", "")
    signed_headers: ClassVar[tuple[str, ...]] = ()
    signed_seconds: ClassVar[int] = 0
    page_size: ClassVar[int] = 100
    unknown_ids: ClassVar[ProviderIds]
    hostile_ids: ClassVar[Sequence[ProviderIds]] = ()
    wrong_key: ClassVar[str] = ""
    never_shown: ClassVar[tuple[str, ...]] = ()
    unknown_event_type: ClassVar[str] = "shop.conformance.unheard_of"

    @classmethod
    def unavailable(cls) -> str:
        """Why it cannot run here (a key that is not set); empty if it can."""
        return ""

    def open(self) -> None:
        """Get ready; called once before the first test."""

    def close(self) -> None:
        """Undo what `open` did."""

    def calm(self) -> None:
        """After each test: switch faults off, set clocks right."""

    def empty(self) -> None:
        """Forget every payment there was, where the account is ours alone: for tests of balance and payouts."""

    # --- the adapter -------------------------------------------------------------------------------------------------

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> Provider:
        """Return the adapter, with an API address, key or signing secrets other than the stand's own where given."""
        raise NotImplementedError

    def misconfigured(self) -> Mapping[str, Callable[[], Provider]]:
        """Return ways to make the adapter that its constructor must refuse, by the code of the SettingProblem."""
        raise NotImplementedError

    # --- the shopper and the banks -----------------------------------------------------------------------------------

    def pay(self, payment: Payment, means: Means) -> None:
        """Let the shopper pay, or approve, on the provider's page or in its frame."""
        raise NotImplementedError

    def token(self, payment: Payment, means: Means) -> tuple[str, str]:
        """Return a single-use token, as the provider's frame would give, and its proof of 3-D Secure or ""."""
        raise NotImplementedError

    def authenticate(self, payment: Payment, *, success: bool) -> None:
        """End the authentication that the payment waits for."""
        raise NotImplementedError

    def decide(self, payment: Payment, *, success: bool) -> None:
        """Give the bank's answer to a payment that is decided later."""
        raise NotImplementedError

    def authorize(self) -> ProviderIds:
        """Reserve money that nobody has captured; return the payment's ids."""
        raise NotImplementedError

    def expire(self, payment: Payment) -> None:
        """Let the page run out; it is put right by `calm`."""
        raise NotImplementedError

    def pay_closed(self, payment: Payment) -> None:
        """Let money arrive though the page was closed."""
        raise NotImplementedError

    def pay_again(self, payment: Payment) -> None:
        """Let money move once more for a payment that is paid."""
        raise NotImplementedError

    def pay_other(self, payment: Payment, *, amount_minor: int, currency: str) -> None:
        """Let another amount, or another currency, be paid than was asked for."""
        raise NotImplementedError

    def mature(self, payment: Payment) -> None:
        """Let so much time pass that every refund is possible; nothing to do where it is at once."""

    # --- at the provider ---------------------------------------------------------------------------------------------

    def asked(self, payment: Payment) -> str:
        """Return the amount that the provider was asked for, in its own words, as in Amount.told."""
        raise NotImplementedError

    def moved(self, payment: Payment) -> Moved:
        """Return what happened to the money of this payment."""
        raise NotImplementedError

    def turn_live(self, payment: Payment) -> None:
        """Let what the provider tells of the payment be of the other mode."""
        raise NotImplementedError

    def move_away(self, payment: Payment) -> None:
        """Let the payment be another account's."""
        raise NotImplementedError

    def refund(self, payment: Payment, *, amount_minor: int) -> str:
        """Give money of it back behind our back; return the refund's id."""
        raise NotImplementedError

    def decide_refund(self, refund_id: str, *, status: str) -> None:
        """Let a refund be `pending`, or end as `succeeded` or `failed`."""
        raise NotImplementedError

    def dispute(self, payment: Payment, *, inquiry: bool = False) -> str:
        """Let the cardholder's bank claim the money back; return the dispute's id."""
        raise NotImplementedError

    def end_dispute(self, dispute_id: str, *, won: bool) -> None:
        """Let the bank decide."""
        raise NotImplementedError

    def pay_out(self, *, by_hand: bool = False) -> str:
        """Pay out all there is, or a part of it by hand; return the payout's id."""
        raise NotImplementedError

    def fail_payout(self, payout_id: str) -> None:
        """Let the bank return a payout."""
        raise NotImplementedError

    def capture_many(self, payment: Payment, *, count: int) -> None:
        """Let there be so many captures more in the provider's lists, of this payment or others."""
        raise NotImplementedError

    def lag(self, *, seconds: int) -> None:
        """Let lists leave out what was made within so many seconds; `calm` ends it."""
        raise NotImplementedError

    # --- requests ----------------------------------------------------------------------------------------------------

    def spoil(self, verb: str, fault: Fault, *, seconds: float = 0.0) -> None:
        """Let the next request by which `verb` changes or asks something suffer `fault`."""
        raise NotImplementedError

    def requests(self) -> int:
        """Return how many requests have reached the provider until now."""
        raise NotImplementedError

    # --- notifications -----------------------------------------------------------------------------------------------

    def notifications(self) -> Sequence[Signed]:
        """Wait until the provider has sent all it has to send; return what has come since the last time."""
        raise NotImplementedError

    def sign(self, body: bytes, *, secret: str = "", at: datetime | None = None) -> Mapping[str, str]:
        """Return the headers that prove `body`: by the first secret and at this moment, unless told otherwise."""
        raise NotImplementedError

    def event(self, payment: Payment, *, type: str = "", other_mode: bool = False, account: str = "") -> bytes:
        """Return the body of an event of the payment: that it is paid, unless another type is named."""
        raise NotImplementedError
