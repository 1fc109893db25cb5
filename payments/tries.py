"""Tries as settlement finds them: one row each, whatever became of them. Called by settle() only."""

from __future__ import annotations

from datetime import datetime

from integrations.contract import PaymentSnapshot
from payments.keyed_hashes import method_key
from payments.models import PaymentAttempt, PaymentTry


def record_tries(attempt: PaymentAttempt, snapshot: PaymentSnapshot, *, at: datetime) -> None:
    """Write down the tries that are new. Needs settle()'s transaction; a try known already is left as it is."""
    if not snapshot.tries:
        return
    PaymentTry.objects.bulk_create(
        [
            PaymentTry(
                attempt=attempt,
                provider=attempt.provider,
                account=snapshot.account,
                try_id=told.try_id,
                at=told.at,
                seen_at=at,
                succeeded=told.succeeded,
                decline_reason=told.decline.reason if told.decline else "",
                decline_code=told.decline.provider_code[:100] if told.decline else "",
                method=told.method,
                method_key=method_key(attempt.provider, told.fingerprint),
            )
            for told in snapshot.tries
        ],
        ignore_conflicts=True,
    )
