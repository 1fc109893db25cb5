"""Square's variables (docs/square.md)."""

from __future__ import annotations

from dataclasses import dataclass

from config.readers import Reader

LIVE_API_BASE = "https://connect.squareup.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class SquareEnv:
    """Square's credentials and how it is reached. What forbids them: integrations/providers/square/credentials.py."""

    access_token: str
    location_id: str
    application_id: str
    webhook_signature_keys: tuple[str, ...]
    webhook_url: str
    currency: str
    api_base: str
    connect_timeout_seconds: int
    read_timeout_seconds: int


def square_env(read: Reader, *, public_base_url: str) -> SquareEnv:
    """Return Square's variables; where they are unset, nothing makes them up."""
    return SquareEnv(
        access_token=read.text("SQUARE_ACCESS_TOKEN"),
        location_id=read.text("SQUARE_LOCATION_ID"),
        application_id=read.text("SQUARE_APPLICATION_ID"),
        webhook_signature_keys=read.items("SQUARE_WEBHOOK_SIGNATURE_KEYS"),
        webhook_url=read.text("SQUARE_WEBHOOK_URL") or f"{public_base_url}/webhooks/square/",
        currency=read.text("SQUARE_CURRENCY").upper(),
        api_base=read.origin("SQUARE_API_BASE", LIVE_API_BASE),
        connect_timeout_seconds=read.integer("SQUARE_CONNECT_TIMEOUT_SECONDS", 3, low=1, high=10),
        read_timeout_seconds=read.integer("SQUARE_READ_TIMEOUT_SECONDS", 10, low=1, high=12),
    )
