"""The providers of the demo, each by a sandbox of ours: what is made up for one, and the settings that lead to it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from integrations.sandbox.browser import Page
from integrations.sandbox.shopper import Shopper


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """One stand-in as it runs: its address and the shop's, what was made up for it, where it keeps its state."""

    sandbox: str
    shop: str
    secrets: Mapping[str, str] = field(repr=False)
    state_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class StandIn:
    """One provider of the demo, in the order in which checkout offers them.

    `secrets`: what is made up once and kept, by name of its file. `signing`: the one of them that signs webhooks, empty
    where the sandbox signs otherwise. `variables`: our settings. `arguments`: further ones of its program. `pay`: what
    a shopper does on the page that *Pay* leads to, until the provider sends them back.
    """

    port: int
    secrets: Mapping[str, Callable[[], str]]
    signing: str
    variables: Callable[[Where], dict[str, str]]
    arguments: Callable[[Where], tuple[str, ...]] = lambda _: ()
    pay: Callable[[Shopper, Page], Page] = lambda shopper, page: shopper.pay_by_card(page)


def new_stripe_key() -> str:
    """Return a key in the form of Stripe's test keys. It opens nothing but the sandbox."""
    return "sk_" + "test_" + secrets.token_hex(24)


def new_stripe_webhook_secret() -> str:
    """Return a secret in the form of Stripe's signing secrets."""
    return "whsec_" + secrets.token_hex(24)


def new_paypal_secret() -> str:
    """Return a client id or secret that PayPal could have issued. It opens nothing but the sandbox."""
    return secrets.token_urlsafe(40)


def new_paypal_webhook_id() -> str:
    """Return an id in the form of PayPal's webhooks."""
    return secrets.token_hex(9).upper()[:17]


def new_square_secret() -> str:
    """Return a token or signature key that Square could have issued. It opens nothing but the sandbox."""
    return "EAAA" + secrets.token_hex(24)


SQUARE_LOCATION, SQUARE_CURRENCY = "LSANDBOX00001", "USD"
"""The currency of the shop's first prices: Square takes one currency a location."""


def new_nmi_key() -> str:
    """Return a security or tokenization key that NMI's sandbox of ours takes, and nobody else."""
    return "sandbox_token_" + secrets.token_hex(16)


def new_nmi_signing_key() -> str:
    """Return a signing key in the form of NMI's."""
    return secrets.token_hex(32)


NMI_MERCHANT = "100001"


STAND_INS: dict[str, StandIn] = {
    "stripe": StandIn(
        port=4010,
        secrets={"stripe_key": new_stripe_key, "stripe_webhook_secret": new_stripe_webhook_secret},
        signing="stripe_webhook_secret",
        variables=lambda where: {
            "STRIPE_API_KEY": where.secrets["stripe_key"],
            "STRIPE_API_BASE": where.sandbox,
            "STRIPE_WEBHOOK_SECRETS": where.secrets["stripe_webhook_secret"],
        },
    ),
    "paypal": StandIn(
        port=4011,
        secrets={
            "paypal_client_id": new_paypal_secret,
            "paypal_client_secret": new_paypal_secret,
            "paypal_webhook_id": new_paypal_webhook_id,
        },
        signing="paypal_webhook_id",
        variables=lambda where: {
            "PAYPAL_CLIENT_ID": where.secrets["paypal_client_id"],
            "PAYPAL_CLIENT_SECRET": where.secrets["paypal_client_secret"],
            "PAYPAL_WEBHOOK_ID": where.secrets["paypal_webhook_id"],
            "PAYPAL_API_BASE": where.sandbox,
            "PAYPAL_WEBHOOK_ROOTS": str(where.state_dir / "paypal-root.pem"),
        },
        pay=lambda shopper, page: shopper.approve_at_paypal(page),
    ),
    "square": StandIn(
        port=4012,
        secrets={"square_token": new_square_secret, "square_signature_key": new_square_secret},
        signing="square_signature_key",
        variables=lambda where: {
            "SQUARE_ACCESS_TOKEN": where.secrets["square_token"],
            "SQUARE_LOCATION_ID": SQUARE_LOCATION,
            "SQUARE_APPLICATION_ID": "sandbox-sq0idb-sandbox",
            "SQUARE_CURRENCY": SQUARE_CURRENCY,
            "SQUARE_WEBHOOK_SIGNATURE_KEYS": where.secrets["square_signature_key"],
            "SQUARE_WEBHOOK_URL": f"{where.shop}/webhooks/square/",
            "SQUARE_API_BASE": where.sandbox,
        },
        arguments=lambda _: ("--account", f"{SQUARE_LOCATION}:{SQUARE_CURRENCY}"),
    ),
    "nmi": StandIn(
        port=4013,
        secrets={
            "nmi_security_key": new_nmi_key,
            "nmi_tokenization_key": new_nmi_key,
            "nmi_signing_key": new_nmi_signing_key,
        },
        signing="nmi_signing_key",
        variables=lambda where: {
            "NMI_SECURITY_KEY": where.secrets["nmi_security_key"],
            "NMI_TOKENIZATION_KEY": where.secrets["nmi_tokenization_key"],
            "NMI_WEBHOOK_SIGNING_KEYS": where.secrets["nmi_signing_key"],
            "NMI_MERCHANT_ID": NMI_MERCHANT,
            "NMI_API_BASE": where.sandbox,
        },
        arguments=lambda _: ("--account", NMI_MERCHANT),
        pay=lambda shopper, page: shopper.pay_in_frame(page),
    ),
}
