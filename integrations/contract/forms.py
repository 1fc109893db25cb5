"""Paying on a page of ours, with the card's fields in the provider's frame; and calls of ours that move the money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from integrations.contract.ids import ProviderIds


class Presentation(StrEnum):
    """Where the shopper pays: on the provider's page, or in the provider's frame on a page of ours."""

    HOSTED = "hosted"
    EMBEDDED = "embedded"


class NextStep(StrEnum):
    """What a payment waits for that is ours to do. CAPTURE: the shopper has approved, our capture moves the money."""

    NONE = ""
    CAPTURE = "capture"


@dataclass(frozen=True, slots=True, kw_only=True)
class PayForm:
    """What the page at /pay/<token>/<provider>/ needs to show the provider's frame.

    `scripts`: URLs of the provider's own scripts. `parameters`: what our script hands to them; public keys and this
    payment's ids, never a secret of ours. `policy`: what the page's Content-Security-Policy allows beyond 'self', by
    directive (`script-src`, `frame-src`, `connect-src`, `img-src`, `style-src`, `font-src`), as origins.
    `takes_token`: the frame gives a single-use token, which the page posts to us and `pay_with_token` turns into money;
    otherwise the frame pays or approves by itself, and a look tells.
    """

    scripts: tuple[str, ...]
    parameters: Mapping[str, str]
    policy: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    takes_token: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PayRequest:
    """One payment by a single-use token from the provider's frame. `proof`: the frame's proof of 3-D Secure, if any."""

    ids: ProviderIds
    reference: str
    amount_minor: int
    currency: str
    order_number: str
    email: str
    token: str
    proof: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureRequest:
    """Take the money that the shopper has approved or the bank has reserved: all of it."""

    ids: ProviderIds
    reference: str
    amount_minor: int
    currency: str
