"""What our errors repeat of a provider's refusal: codes, numbers and names, never its own sentences.

Those may repeat what was sent, an e-mail address for instance.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_WORD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,100}")
_MAX_RETRY_AFTER_SECONDS = 3600


def word(value: object) -> str:
    """Return a code, id or member name, or nothing if it is none: no other text reaches a message or a log."""
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def sentence(text: str, details: Mapping[str, Any]) -> str:
    """Return our sentence with the details by which staff find the whole text at the provider."""
    shown = [str(details[name]) for name in ("code", "http_status", "request_id") if details.get(name)]
    return f"{text} ({', '.join(shown)})" if shown else text


def retry_after_seconds(value: str) -> int | None:
    """Return what a Retry-After header asks for, an hour at the most; None where it is no number of seconds."""
    if not (value.isascii() and value.isdigit() and len(value) < 10):
        return None
    return min(int(value), _MAX_RETRY_AFTER_SECONDS)
