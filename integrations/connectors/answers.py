"""What an HTTP answer, or the exception in its place, means for a delivery. Shared by the kinds that speak HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from integrations.connectors.contract import CannotLookUp, CannotTell, Misconfigured, Verdict
from integrations.failure import Failure
from integrations.http import HttpAnswer, OutboundFailed, OutboundRefused, OutboundTimeout

# Of the 4xx answers, those that only say "not now".
_NOT_NOW = frozenset({408, 409, 421, 423, 424, 425, 429})
_REFUSES_THE_MESSAGE = frozenset({400, 406, 411, 413, 414, 415, 422, 431})
GONE = 410


def verdict_of(answer: HttpAnswer | Exception, *, now: datetime) -> Verdict:
    """2xx delivers; 410 is final; 429 and 503 may name a time; the rest by what could make the next try succeed."""
    if isinstance(answer, Exception):
        return _of_exception(answer)
    status = answer.status
    if 200 <= status < 300:
        return Verdict(delivered=True, http_status=status)
    if status == GONE:
        return Verdict(
            failure=Failure.PERMANENT, http_status=status, detail="The receiver is gone (410).", hopeless=True
        )
    if status >= 500 or status in _NOT_NOW:
        return Verdict(
            failure=Failure.UNAVAILABLE,
            http_status=status,
            detail=f"The receiver answered {status}.",
            # A receiver that fails with 500 may have failed after it took the message.
            outcome_unknown=status >= 500,
            retry_after_seconds=retry_after(answer.headers.get("retry-after", ""), now=now),
        )
    failure = Failure.PERMANENT if status in _REFUSES_THE_MESSAGE else Failure.CONFIGURATION
    detail = "redirects are not followed" if 300 <= status < 400 else "mend the receiver or its address"
    return Verdict(failure=failure, http_status=status, detail=f"The receiver answered {status}: {detail}.")


def retry_after(value: str, *, now: datetime) -> int | None:
    """Read a Retry-After of either form (RFC 9110, 10.2.3) as seconds from `now`; None when there is none to read."""
    value = value.strip()
    if value.isascii() and value.isdigit():
        return int(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, int((moment - now).total_seconds()))


def _of_exception(error: Exception) -> Verdict:
    if isinstance(error, OutboundTimeout):
        return Verdict(failure=Failure.TIMEOUT, detail="No whole answer in time.", outcome_unknown=True)
    if isinstance(error, OutboundFailed):
        return Verdict(failure=Failure.UNAVAILABLE, detail=f"{error}"[:300], outcome_unknown=True)
    if isinstance(error, OutboundRefused | Misconfigured):
        return Verdict(failure=Failure.CONFIGURATION, detail=f"Not sent: {error}"[:300])
    if isinstance(error, CannotTell):
        return Verdict(failure=Failure.PERMANENT, detail=f"{error}"[:300], hopeless=True)
    if isinstance(error, CannotLookUp):
        return Verdict(failure=Failure.UNAVAILABLE, detail=f"{error}"[:300], outcome_unknown=True)
    return Verdict(failure=Failure.INTERNAL, detail=f"A defect of ours: {type(error).__name__}.")
