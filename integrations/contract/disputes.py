"""Money claimed back by a bank, as a provider tells it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DisputeSnapshot:
    """A dispute as the provider tells it. `status` is a word of DESIGN.md's dispute machine."""

    dispute_id: str
    capture_id: str
    amount_minor: int
    currency: str
    status: str
    respond_by: datetime | None = None
