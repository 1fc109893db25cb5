"""What browsers are told to refuse: features switched off, and the only foreign hosts a form may end on."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

STRIPE_PAY_PAGE = "https://checkout.stripe.com"
STRIPE_OFFICIAL_API = "https://api.stripe.com"

FEATURES_SWITCHED_OFF = ", ".join(
    f"{feature}=()"
    for feature in (
        "accelerometer",
        "autoplay",
        "camera",
        "display-capture",
        "encrypted-media",
        "fullscreen",
        "geolocation",
        "gyroscope",
        "magnetometer",
        "microphone",
        "midi",
        "payment",
        "screen-wake-lock",
        "usb",
        "xr-spatial-tracking",
    )
)
"""The value of Permissions-Policy: paying happens on the provider's page, so ours need none of these."""


def pay_page_origins(providers: Iterable[str], *, stripe_api_base: str) -> list[str]:
    """Return the origins of the enabled providers' pay pages. The sandbox serves its page beside its API."""
    origins = []
    if "stripe" in providers:
        origins.append(STRIPE_PAY_PAGE if stripe_api_base == STRIPE_OFFICIAL_API else _origin(stripe_api_base))
    return origins


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
