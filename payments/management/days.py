"""Days on the command line."""

from __future__ import annotations

import argparse
from datetime import date


def day(text: str) -> date:
    """Return the day that an argument names. For argparse's `type`."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no day: write it as 2026-11-21.") from None
