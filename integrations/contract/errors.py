"""What a provider answers when it refuses, or does not answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from integrations.contract.payments import Decline, PaymentSnapshot, Started
from integrations.contract.payouts import PayoutSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingProblem:
    """A setting that forbids the use of a provider: a stable `code`, and a sentence that names the remedy."""

    code: str
    remedy: str


class ProviderError(Exception):
    """Something a provider answered, or did not. Read `permanent`: may the same request ever succeed as it is?

    `message` is for staff and logs and carries no personal data. `outcome_unknown` means that the request may have
    taken effect: send it again only under the same idempotency key, or look.
    """

    category = "unavailable"
    permanent = False
    outcome_unknown = False

    def __init__(
        self,
        message: str,
        *,
        http_status: int | None = None,
        code: str = "",
        request_id: str = "",
        retry_after_seconds: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status
        self.code = code
        self.request_id = request_id
        self.retry_after_seconds = retry_after_seconds


class Declined(ProviderError):
    """The bank or provider refused this payment; the shopper may try otherwise."""

    category = "declined"
    permanent = True

    def __init__(self, message: str, *, decline: Decline, **details: Any) -> None:
        super().__init__(message, **details)
        self.decline = decline


class InvalidRequest(ProviderError):
    """The request itself is wrong: a defect of ours or an unknown object. Never repeat it unchanged."""

    category = "invalid_request"
    permanent = True


class UnknownObject(InvalidRequest):
    """The provider knows no such object under our key: another account or mode, or not there yet."""


class NotOffered(InvalidRequest):
    """The provider has no such verb, as its Capabilities say; nothing was sent."""


class ConfigurationError(ProviderError):
    """Keys, permissions or account are wrong: a person must act, then the same request may succeed."""

    category = "configuration"


class ProviderMisconfigured(ConfigurationError):
    """This provider cannot be used as it is configured. `problems` says what to mend; nothing was sent."""

    def __init__(self, provider: str, problems: tuple[SettingProblem, ...]) -> None:
        super().__init__(f"{provider} is not usable: " + " ".join(problem.remedy for problem in problems))
        self.problems = problems


class WrongMode(ProviderError):
    """The provider answered in the other mode than our key's: test and live met. Move nothing, open a Case.

    `answer` is what it said.
    """

    category = "wrong_mode"
    permanent = True

    def __init__(self, message: str, *, answer: Started | PaymentSnapshot | PayoutSnapshot) -> None:
        super().__init__(message)
        self.answer = answer


class RateLimited(ProviderError):
    """Not executed; try again after `retry_after_seconds`, or by the usual backoff."""

    category = "rate_limited"


class Unavailable(ProviderError):
    """No answer that can be believed. The request may have taken effect."""

    category = "unavailable"
    outcome_unknown = True


class NotTried(Unavailable):
    """The provider is left alone at present (integrations/breaker.py): nothing was sent, by this request at least."""

    outcome_unknown = False


class IdempotencyConflict(ProviderError):
    """The key is in use by a running request (`in_flight`), or was used for another request (then permanent)."""

    category = "idempotency_conflict"

    def __init__(self, message: str, *, in_flight: bool, **details: Any) -> None:
        super().__init__(message, **details)
        self.permanent = not in_flight
        self.outcome_unknown = in_flight
