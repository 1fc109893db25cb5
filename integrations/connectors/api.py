"""For the kinds that tell a fact by several calls of a JSON API, each of which is safe to repeat.

A subclass says what it takes (`check`), what it knows already (`look`) and how to tell it (`tell`); an interrupted
`tell` is begun anew, finds what it had done, and goes on from there.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from integrations.connectors.answers import verdict_of
from integrations.connectors.contract import CannotTell, Connector, Found, Message, Misconfigured, Receiver, Verdict
from integrations.connectors.options import Option, read_options
from integrations.failure import Failure
from integrations.http import HttpAnswer, OutboundFailed, OutboundTimeout, remaining_seconds, send, total_deadline

ExternalIds = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be told to whom."""

    message: Message
    receiver: Receiver


class Unexpected(Exception):
    """The API answered something else than the step needs. Its status and body say what that means."""

    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__(f"unexpected answer {answer.status}")
        self.answer = answer

    @property
    def body(self) -> dict[str, Any]:
        """The answer's JSON object; empty where it is none."""
        try:
            found = _read(self.answer)
        except OutboundFailed:
            return {}
        return found if isinstance(found, dict) else {}


class Refused(Exception):
    """The API answered, and in its own words it was a no. `detail`: for staff, without personal data."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure, self.detail = failure, detail


class ApiConnector(Connector):
    """Subclass it with `look`, `tell` and, where the API's errors say more than its statuses, `meaning`.

    `options`: the kind's settings. `secret_has_name`: its secret is of the form `name:secret`.
    """

    options: Mapping[str, Option] = {}
    secret_has_name: bool = False

    def check(self, receiver: Receiver) -> None:
        """Raise Misconfigured for options that are not the kind's, secrets of another form, and a public key."""
        read_options(receiver, self.options)
        if receiver.public_key:
            raise Misconfigured("What this kind of receiver is told cannot be sealed; take the public key out.")
        if receiver.secrets and self.secret_has_name:
            name_and_secret(receiver)

    @abstractmethod
    def look(self, job: Job) -> ExternalIds | None:
        """Return what the receiver made of the message, if it has all of it."""

    @abstractmethod
    def tell(self, job: Job) -> ExternalIds:
        """Make it so, step by step, and return what the receiver calls it. Raises Unexpected, and http.py's errors."""

    def meaning(self, answer: Unexpected, *, now: datetime) -> Verdict | None:
        """Return what this API's own error means; None where the status says all."""
        return None

    def build(self, message: Message, receiver: Receiver, *, now: datetime) -> Job:
        """Return the job. Raises Misconfigured and CannotTell; nothing was sent then."""
        self.check(receiver)
        if not receiver.secrets:
            raise Misconfigured("The destination has no secret.")
        if message.fact not in self.facts:
            raise CannotTell(f"This kind of receiver cannot be told of {message.fact}.")
        return Job(message=message, receiver=receiver)

    def find(self, message: Message, receiver: Receiver, *, now: datetime, deadline_seconds: float) -> Found | None:
        """Return what the receiver has of this message, if it has all of it.

        One too slow to say so in time is not waited for: `tell` looks again, step by step.
        """
        job = self.build(message, receiver, now=now)
        try:
            with total_deadline(deadline_seconds):
                ids = self.look(job)
        except OutboundTimeout:
            return None
        return None if ids is None else Found(external_ids=ids)

    def send(self, request: Job, *, deadline_seconds: float) -> Verdict:
        """Tell it, all calls together within `deadline_seconds`."""
        with total_deadline(deadline_seconds):
            return Verdict(delivered=True, external_ids=self.tell(request))

    def classify(self, answer: Verdict | Exception, *, now: datetime) -> Verdict:
        """Whatever the API answered, an earlier step may have been taken; what never left us cannot."""
        if isinstance(answer, Verdict):
            return answer
        if isinstance(answer, Refused):
            return Verdict(failure=answer.failure, detail=answer.detail[:300], outcome_unknown=True)
        if not isinstance(answer, Unexpected):
            verdict = verdict_of(answer, now=now)
            # An answer that our code cannot read came after something was sent.
            return replace(verdict, outcome_unknown=verdict.outcome_unknown or verdict.failure == Failure.INTERNAL)
        verdict = self.meaning(answer, now=now) or verdict_of(answer.answer, now=now)
        if verdict.delivered:
            detail = f"The receiver answered {verdict.http_status}, which says neither yes nor no."
            verdict = replace(verdict, delivered=False, failure=Failure.UNAVAILABLE, detail=detail)
        return replace(verdict, outcome_unknown=True)


def call(
    receiver: Receiver,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: Any = None,
    expect: Collection[int] = (200,),
) -> Any:
    """Make one call within the total deadline around it; return the answer's JSON.

    Raises Unexpected for any status but those of `expect`, OutboundFailed for what is no JSON, and http.py's errors.
    """
    content = b"" if body is None else json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    try:
        left = remaining_seconds()
    except TimeoutError as error:
        raise OutboundTimeout("the deadline is over before all was told") from error
    if left is None:
        raise RuntimeError("called outside a total deadline")
    answer = send(
        method,
        f"{receiver.address.rstrip('/')}{path}",
        headers={"accept": "application/json", "content-type": "application/json", **headers},
        body=content,
        deadline_seconds=left,
        allow_loopback=receiver.allow_loopback,
    )
    if answer.status not in expect:
        raise Unexpected(answer)
    return _read(answer)


def _read(answer: HttpAnswer) -> Any:
    try:
        return json.loads(answer.body)
    # Brackets without end are an attack on the reader's stack.
    except (ValueError, RecursionError) as error:
        raise OutboundFailed("the answer is no JSON") from error


def name_and_secret(receiver: Receiver) -> tuple[str, str]:
    """Return the two parts of a secret of the form `name:secret`. Raises Misconfigured."""
    name, _, secret = (receiver.secrets or ("",))[0].partition(":")
    if not (name and secret):
        raise Misconfigured("The destination's secret is not of the form name:secret.")
    return name, secret
