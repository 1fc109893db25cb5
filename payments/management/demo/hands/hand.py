"""What `manage.py trigger` does at one provider of the demo: the shopper's, the banks' and the clerk's hand there."""

from __future__ import annotations

from typing import ClassVar

from integrations.sandbox.browser import Page
from integrations.sandbox.control import SandboxControl
from integrations.sandbox.shopper import Shopper
from payments.models import Capture, PaymentAttempt


class CannotTrigger(Exception):
    """The event does not fit the order or its provider; the message says what to do. Nothing was provoked."""


class Hand:
    """One provider. What it does not do is refused with a sentence.

    `api`: the path under which its API answers, for faults. `decline`: presses *Pay* with a card the bank refuses.
    The others act on the provider's own objects; `attempt` and `capture` are our rows, amounts in minor units.
    """

    label: ClassVar[str]
    api: ClassVar[str]

    def __init__(self, address: str) -> None:
        self.control = SandboxControl(address)

    def decline(self, shopper: Shopper, page: Page) -> str:
        """Return the provider's word for the refusal, where its page tells one."""
        raise self._lacks("declines nobody here")

    def challenge(self, attempt: PaymentAttempt) -> None:
        """Let the bank ask for 3-D Secure."""
        raise self._lacks("asks for 3-D Secure before we hear of the payment")

    def end_challenge(self, attempt: PaymentAttempt, *, success: bool) -> None:
        """Let the shopper pass or fail it."""
        raise self._lacks("asks for 3-D Secure before we hear of the payment")

    def pay_slowly(self, shopper: Shopper, page: Page, attempt: PaymentAttempt) -> None:
        """Let the shopper pay by what is decided days later."""
        raise self._lacks("decides at once")

    def decide(self, attempt: PaymentAttempt, *, success: bool) -> None:
        """Give the bank's late answer."""
        raise self._lacks("decides at once")

    def pay_late(self, attempt: PaymentAttempt) -> None:
        """Let money arrive though nobody should pay any more."""
        raise NotImplementedError

    def pay_twice(self, attempt: PaymentAttempt) -> None:
        """Let money move once more for a payment that is paid."""
        raise NotImplementedError

    def pay_wrong(self, attempt: PaymentAttempt, *, amount_minor: int) -> None:
        """Let another amount be paid."""
        raise NotImplementedError

    def live_event(self, attempt: PaymentAttempt) -> None:
        """Send an event of the live mode."""
        raise self._lacks("tells no mode in its events")

    def refund(self, capture: Capture) -> str:
        """Give back all that is left, in the provider's own pages; return the refund's id."""
        raise NotImplementedError

    def return_refund(self, refund_id: str) -> None:
        """Let a refund fail after it had succeeded."""
        raise NotImplementedError

    def dispute(self, capture: Capture, *, inquiry: bool = False) -> str:
        """Let the shopper's bank claim the money back; return the dispute's id."""
        raise self._lacks("tells of disputes in no way that we can read")

    def end_dispute(self, dispute_id: str, *, won: bool) -> None:
        """Let the bank decide."""
        raise self._lacks("tells of disputes in no way that we can read")

    def pay_out(self, *, currency: str, wrong_by_minor: int = 0) -> str:
        """Pay out what is held, or another sum than its entries come to; return the payout's id."""
        raise self._lacks("tells no payouts")

    def _lacks(self, what: str) -> CannotTrigger:
        return CannotTrigger(f"{self.label} {what}.")
