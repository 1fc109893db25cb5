"""Writing a provider call down before anything is sent: its row, with the key it will be sent under.

payments/calls/sending.py sends it. Below settlement, which may prepare a step of ours and never sends one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from payments.models import PaymentAttempt, ProviderCall, Refund
from payments.models.call import KIND_OF, Operation

LEAVE_TO_ITS_MAKER_SECONDS = 5
"""A fresh call is sent by whoever prepared it; only after this long does a worker take it up."""


def prepare(
    attempt: PaymentAttempt,
    operation: Operation,
    request: Mapping[str, Any],
    *,
    at: datetime,
    refund: Refund | None = None,
    for_workers: bool = False,
) -> ProviderCall:
    """Write a call down, with its idempotency key, before anything is sent. Needs a transaction.

    `request`: plain JSON, exactly what will be asked again under the same key. `refund`: the one it asks for.
    `for_workers`: whoever prepares it sends nothing, so a worker may take it up at once.
    """
    return ProviderCall.objects.create(
        attempt=attempt,
        refund=refund,
        operation=operation,
        kind=KIND_OF[operation],
        request=dict(request),
        created_at=at,
        next_try_at=at if for_workers else at + timedelta(seconds=LEAVE_TO_ITS_MAKER_SECONDS),
    )
