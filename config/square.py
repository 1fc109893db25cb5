"""Square's variables, by name (docs/square.md). What forbids them: integrations/providers/square/credentials.py."""

from __future__ import annotations

from config.readers import Reader

LIVE_API_BASE = "https://connect.squareup.com"


def square_settings(read: Reader, *, public_base_url: str) -> dict[str, str | int | tuple[str, ...]]:
    """Return Square's settings; where its keys are unset, nothing makes them up."""
    return {
        "SQUARE_ACCESS_TOKEN": read.text("SQUARE_ACCESS_TOKEN"),
        "SQUARE_LOCATION_ID": read.text("SQUARE_LOCATION_ID"),
        "SQUARE_APPLICATION_ID": read.text("SQUARE_APPLICATION_ID"),
        "SQUARE_WEBHOOK_SIGNATURE_KEYS": read.items("SQUARE_WEBHOOK_SIGNATURE_KEYS"),
        "SQUARE_WEBHOOK_URL": read.text("SQUARE_WEBHOOK_URL") or f"{public_base_url}/webhooks/square/",
        "SQUARE_CURRENCY": read.text("SQUARE_CURRENCY").upper(),
        "SQUARE_API_BASE": read.origin("SQUARE_API_BASE", LIVE_API_BASE),
        "SQUARE_CONNECT_TIMEOUT_SECONDS": read.integer("SQUARE_CONNECT_TIMEOUT_SECONDS", 3, low=1, high=10),
        "SQUARE_READ_TIMEOUT_SECONDS": read.integer("SQUARE_READ_TIMEOUT_SECONDS", 10, low=1, high=12),
    }
