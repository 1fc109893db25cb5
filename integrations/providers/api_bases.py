"""Which addresses an adapter may be aimed at outside production, whatever the provider. Pure.

What is the provider's own host, and of which mode, each adapter's credentials.py says.
"""

from __future__ import annotations

from urllib.parse import urlsplit


def is_loopback(address: str) -> bool:
    """Return whether this names a stand-in on this machine."""
    try:
        return urlsplit(address).hostname in ("127.0.0.1", "::1", "localhost")
    except ValueError:
        return False


def is_usable(address: str, *, with_path: bool = False) -> bool:
    """Return whether this is https, or http on this machine, with nothing in it that does not belong there."""
    try:
        parts = urlsplit(address)
        clean = not {"@", "?", "#"} & set(address) and (with_path or not parts.path.strip("/"))
        safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(address))
        return bool(parts.hostname) and clean and safe
    except ValueError:
        return False
