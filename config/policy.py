"""What browsers are told to refuse: features switched off, and the only foreign hosts a form may end on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

PAY_PAGES: dict[str, dict[str, tuple[str, ...]]] = {
    "stripe": {"https://api.stripe.com": ("https://checkout.stripe.com",)},
    "square": {
        "https://connect.squareup.com": ("https://square.link", "https://checkout.square.site"),
        "https://connect.squareupsandbox.com": ("https://sandbox.square.link", "https://connect.squareupsandbox.com"),
    },
    "paypal": {
        "https://api-m.paypal.com": ("https://www.paypal.com",),
        "https://api-m.sandbox.paypal.com": ("https://www.sandbox.paypal.com",),
    },
}
"""Where a provider's hosted page is, by the official address of its API. One that has none of its own is not here."""

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


def pay_page_origins(providers: Iterable[str], *, api_bases: Mapping[str, str]) -> list[str]:
    """Return the origins of the enabled providers' pay pages. A sandbox serves its page beside its API.

    `api_bases`: the address of each provider's API as it is set, empty where it is the official one for live money.
    """
    origins: list[str] = []
    for name in providers:
        pages = PAY_PAGES.get(name, {})
        base = (api_bases.get(name, "") or next(iter(pages), "")).rstrip("/")
        if pages and base:
            origins += pages.get(base, (_origin(base),))
    return origins


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
