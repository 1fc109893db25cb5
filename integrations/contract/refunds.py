"""Money going back, as a provider tells it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundSnapshot:
    """Money going back, whoever asked for it. `status` is `pending`, `succeeded` or `failed`."""

    refund_id: str
    capture_id: str
    amount_minor: int
    currency: str
    status: str
    reference: str = ""
