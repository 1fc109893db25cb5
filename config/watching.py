"""The thresholds of alerts and of suspicious patterns, read from the environment into settings of the same names.

A pattern's threshold is written `count/minutes` and becomes such a pair; `0` switches the pattern off and becomes None.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from config.readers import Reader

_WINDOW = re.compile(r"([1-9][0-9]{0,5})/([1-9][0-9]{0,4})")
Window = tuple[int, int]
"""So many, within so many minutes."""
LONGEST_WINDOW_MINUTES = 2 * 24 * 60

ALERTS: dict[str, tuple[int, int, int]] = {
    # name: default, lowest, highest
    "ALERT_EVENT_SECONDS": (300, 30, 86_400),
    "ALERT_DELIVERY_SECONDS": (900, 30, 259_200),
    "ALERT_HEARTBEAT_SECONDS": (120, 20, 3_600),
    "ALERT_CALL_SECONDS": (900, 60, 86_400),
    "ALERT_LOOK_SECONDS": (600, 60, 86_400),
    "ALERT_SIGNATURE_SECONDS": (120, 0, 86_400),
    "ALERT_SILENCE_MINUTES": (30, 5, 1_440),
    "ALERT_SILENCE_ATTEMPTS": (10, 1, 10_000),
}
PATTERNS: dict[str, str] = {
    "PATTERN_FAILED_TRIES_BY_ORDER": "6/60",
    "PATTERN_FAILED_TRIES_BY_EMAIL": "10/60",
    "PATTERN_FAILED_TRIES_BY_CLIENT": "15/60",
    "PATTERN_CARDS_BY_EMAIL": "5/1440",
    "PATTERN_CARDS_BY_CLIENT": "6/1440",
    "PATTERN_SMALL_AMOUNTS_BY_EMAIL": "6/60",
    "PATTERN_SMALL_AMOUNTS_BY_CLIENT": "8/60",
    "PATTERN_REFUNDS": "10/1440",
}
SMALL_AMOUNTS = "EUR:200,USD:200,GBP:200,JPY:300"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchingEnv:
    """The thresholds by the names of their settings, and what the patterns of amounts and refunds need besides."""

    alerts: dict[str, int]
    patterns: dict[str, Window | None]
    small_amounts: dict[str, int]
    refund_percent: int


def watching_env(read: Reader) -> WatchingEnv:
    """Read them; notes the problems found."""
    return WatchingEnv(
        alerts=read.numbers(ALERTS),
        patterns={name: _window(read, name, default) for name, default in PATTERNS.items()},
        small_amounts=read.limits("PATTERN_SMALL_AMOUNTS", SMALL_AMOUNTS),
        refund_percent=read.integer("PATTERN_REFUND_PERCENT", 10, low=1, high=100),
    )


def _window(read: Reader, name: str, default: str) -> Window | None:
    text = read.text(name, default)
    if text == "0":
        return None
    written = _WINDOW.fullmatch(text)
    if written is None or int(written[2]) > LONGEST_WINDOW_MINUTES:
        read.problem(
            name,
            f"is {text!r}",
            f"Write count/minutes such as {default}, at most {LONGEST_WINDOW_MINUTES} minutes, or 0 for off.",
        )
        return None
    return int(written[1]), int(written[2])
