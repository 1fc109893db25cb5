"""The providers' own test modes, each where its keys are set; otherwise that run is skipped by its name.

Nobody can press Pay there from here, nor move a clock, so what needs a hand at the provider is beyond these stands.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from integrations.contract import PageLine
from integrations.providers.nmi.adapter import NmiProvider
from integrations.providers.nmi.credentials import SANDBOX_API_BASE as NMI_SANDBOX
from integrations.providers.paypal.adapter import PayPalProvider
from integrations.providers.paypal.credentials import TEST_API_BASE as PAYPAL_SANDBOX
from integrations.providers.square.adapter import SquareProvider
from integrations.providers.square.credentials import TEST_API_BASE as SQUARE_SANDBOX
from integrations.providers.stripe.adapter import StripeProvider
from integrations.providers.stripe.credentials import OFFICIAL_API_BASE
from tests.conformance import square
from tests.conformance.features import Feature
from tests.conformance.stand import Amount, Stand
from tests.conformance.stands.nmi import NmiStand
from tests.conformance.stands.nmi import adapter as nmi_adapter
from tests.conformance.stands.paypal import WEBHOOK_ID, PayPalStand
from tests.conformance.stands.square import SquareStand
from tests.conformance.stands.stripe import StripeBase

_NO_HAND = "nobody has a hand there from here; the sandbox's stand covers it"
_BEYOND = {
    Feature.PAYING: "nobody presses Pay on its own page from here",
    Feature.AUTHORIZATION: _NO_HAND,
    Feature.EXPIRY: "its clock is its own",
    Feature.LATE_MONEY: "it takes no money for a page that is closed",
    Feature.OTHER_AMOUNT: _NO_HAND,
    Feature.MODE_OF_PAYMENTS: "nothing of its test mode is live",
    Feature.FAULTS: "it has its bad days when it likes",
    Feature.NOTIFICATIONS: "it does not reach this machine",
    Feature.SIGNING: "only the provider signs; the sandbox's stand covers the scheme",
    Feature.PAYMENT_LISTS: "what its lists hold is not ours alone",
    Feature.EVENT_LIST: "what its list holds is not ours alone",
    Feature.PAYOUTS: "it pays out on days of its own",
    Feature.BALANCE_LIST: "its balance holds what others did",
    Feature.DISPUTES: _NO_HAND,
    Feature.TOKENS: "its frame runs in no browser here",
    Feature.CAPTURE: "nobody approves on its own page from here",
}


def _beyond(stand: type[Stand]) -> dict[Feature, str]:
    return {feature: reason for feature, reason in _BEYOND.items() if feature not in stand.lacks}


class _Outside(Stand):
    """`keys`: the variables that it needs."""

    outside: ClassVar[bool] = True
    keys: ClassVar[tuple[str, ...]]

    @classmethod
    def unavailable(cls) -> str:
        missing = [name for name in cls.keys if not os.environ.get(name)]
        return f"{', '.join(missing)} not set: not held against it" if missing else ""

    def open(self) -> None:
        """Nothing runs here."""

    def close(self) -> None:
        """Nothing ran here."""

    def calm(self) -> None:
        """Nothing was spoilt."""

    def empty(self) -> None:
        """What is there stays."""


def _env(name: str, default: str = "") -> str:
    return os.environ.get(name, "") or default


class StripeTestModeStand(_Outside, StripeBase):
    """Stripe's test mode."""

    name: ClassVar[str] = "stripe test mode"
    keys: ClassVar[tuple[str, ...]] = ("STRIPE_TEST_API_KEY",)
    beyond: ClassVar[Mapping[Feature, str]] = _beyond(StripeBase)

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> StripeProvider:
        return super().adapter(base=base or OFFICIAL_API_BASE, key=key or _env("STRIPE_TEST_API_KEY"), secrets=secrets)


class PayPalTestModeStand(_Outside, PayPalStand):
    """PayPal's sandbox of its own."""

    name: ClassVar[str] = "paypal own sandbox"
    keys: ClassVar[tuple[str, ...]] = ("PAYPAL_TEST_CLIENT_ID", "PAYPAL_TEST_CLIENT_SECRET")
    beyond: ClassVar[Mapping[Feature, str]] = {**PayPalStand.beyond, **_beyond(PayPalStand)}

    def open(self) -> None:
        """Nothing of ours is started."""

    def close(self) -> None:
        """Nothing of ours is stopped."""

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> PayPalProvider:
        return self._make(**({"api_base": base} if base else {}), **({"client_secret": key} if key else {}))

    def _make(self, **changes: Any) -> PayPalProvider:
        wanted: dict[str, Any] = {
            "environment": "test",
            "client_id": _env("PAYPAL_TEST_CLIENT_ID"),
            "client_secret": _env("PAYPAL_TEST_CLIENT_SECRET"),
            "webhook_id": WEBHOOK_ID,
            "api_base": PAYPAL_SANDBOX,
        }
        return PayPalProvider(**(wanted | changes))


class SquareTestModeStand(_Outside, SquareStand):
    """Square's sandbox of its own, in the currency of its location."""

    name: ClassVar[str] = "square own sandbox"
    keys: ClassVar[tuple[str, ...]] = ("SQUARE_TEST_ACCESS_TOKEN", "SQUARE_TEST_LOCATION_ID")
    beyond: ClassVar[Mapping[Feature, str]] = {**SquareStand.beyond, **_beyond(SquareStand)}
    currency: ClassVar[str] = _env("SQUARE_TEST_CURRENCY", "USD")
    lines: ClassVar[tuple[PageLine, ...]] = (PageLine(name="Teapot", quantity=1, unit_amount_minor=4990),)
    amounts: ClassVar[Sequence[Amount]] = (Amount(amount_minor=4990, currency=currency, told=f"4990 {currency}"),)
    refused_amounts: ClassVar[Sequence[tuple[int, str]]] = ((0, currency), (4990, "CHF"))

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> SquareProvider:
        return square.adapter(
            base or SQUARE_SANDBOX,
            access_token=key or _env("SQUARE_TEST_ACCESS_TOKEN"),
            location_id=_env("SQUARE_TEST_LOCATION_ID"),
            currency=self.currency,
            webhook_signature_keys=secrets or self.secrets[:1],
        )


class NmiTestModeStand(_Outside, NmiStand):
    """NMI's sandbox of its own."""

    name: ClassVar[str] = "nmi own sandbox"
    keys: ClassVar[tuple[str, ...]] = ("NMI_TEST_SECURITY_KEY", "NMI_TEST_TOKENIZATION_KEY", "NMI_TEST_MERCHANT_ID")
    beyond: ClassVar[Mapping[Feature, str]] = _beyond(NmiStand)

    def adapter(self, *, base: str = "", key: str = "", secrets: tuple[str, ...] = ()) -> NmiProvider:
        return nmi_adapter(
            api_base=base or NMI_SANDBOX,
            security_key=key or _env("NMI_TEST_SECURITY_KEY"),
            tokenization_key=_env("NMI_TEST_TOKENIZATION_KEY"),
            merchant_id=_env("NMI_TEST_MERCHANT_ID"),
            signing_keys=secrets or self.secrets[:1],
        )
