"""One client of Stripe's SDK: each call answered as plain data or as one of our errors, lists read whole or by page."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from typing import Any

import stripe

from integrations.contract import InvalidRequest, Unavailable
from integrations.guard import note_request
from integrations.http_session import GuardedSession
from integrations.providers.answer_reading import Answer
from integrations.providers.api_bases import is_loopback
from integrations.providers.stripe.answers import answers
from integrations.providers.stripe.errors import translate

# Each try is a row of ours (ProviderCall) or a numbered look; a retry inside the SDK would be neither.
MAX_NETWORK_RETRIES = 0
# A payment with more charges, refunds or disputes than this is read by a person.
MAX_LISTED = 500
PAGE_SIZE = 100

_ID = re.compile(r"[A-Za-z0-9_]{1,255}")

# The SDK would write an id into the home directory and tell Stripe about this machine.
stripe.enable_telemetry = False


class Client:
    """The SDK's client, under our timeouts and guards. `on_use` is told when the key has been of use."""

    def __init__(
        self,
        *,
        api_key: str,
        api_base: str,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        on_use: Callable[[], None],
    ) -> None:
        self._on_use = on_use
        self._account = ""
        # At INFO the SDK's own logger shows parameters and whole answers.
        logging.getLogger("stripe").setLevel(logging.WARNING)
        self._stripe = stripe.StripeClient(
            api_key,
            base_addresses={"api": api_base.removesuffix("/")},
            http_client=stripe.RequestsClient(
                timeout=(connect_timeout_seconds, read_timeout_seconds),
                session=GuardedSession(allow_loopback=is_loopback(api_base)),
            ),
            max_network_retries=MAX_NETWORK_RETRIES,
        )
        self.v1 = self._stripe.v1

    def account(self) -> str:
        """Return the id of the account our key belongs to; asked once. A restricted key needs leave to read it."""
        if not self._account:
            self._account = answers.text(self.ask(self.v1.accounts.retrieve_current, {}), "id")
        return self._account

    def ask(
        self, ask: Callable[..., Any], params: Mapping[str, Any], options: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Make one call of the SDK and return the object as plain data. Raises ProviderError."""
        try:
            answer = ask(params, options or {})
        except stripe.StripeError as error:
            failure = translate(error)
            note_request(failure.request_id)
            # The SDK's error holds the whole body and its traceback the key: neither goes on.
            raise failure from None
        if not isinstance(answer, stripe.StripeObject):
            raise Unavailable("Stripe's answer is no object", code="shape")
        response = answer.last_response
        note_request((response.request_id if response is not None else None) or "")
        self._on_use()
        return answer.to_dict(for_json=True)

    def ask_about(
        self,
        object_id: str,
        ask: Callable[..., Any],
        params: Mapping[str, Any],
        options: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """As `ask`, of a call that takes an id first; one that is no id of Stripe's never enters a path."""
        known = checked(object_id)
        return self.ask(lambda *args: ask(known, *args), params, options)

    def all_of(self, ask: Callable[..., Any], params: Mapping[str, Any]) -> list[Answer]:
        """Return all pages of a list, newest first. Raises Unavailable beyond MAX_LISTED."""
        listed: list[Answer] = []
        after = ""
        while True:
            found, after = self.page_of(ask, params, after=after)
            listed += found
            if not after:
                return listed
            if len(listed) >= MAX_LISTED:
                raise Unavailable("Stripe lists more objects of one payment than we read", code="too_many")

    def page_of(self, ask: Callable[..., Any], params: Mapping[str, Any], *, after: str) -> tuple[list[Answer], str]:
        """Return one page of a list, newest first, and after which id the next begins; empty where none does."""
        answer = self.ask(ask, {"limit": PAGE_SIZE, **params, **({"starting_after": after} if after else {})})
        found = items(answer)
        more = bool(answer.get("has_more")) and bool(found)
        return found, answers.text(found[-1], "id") if more else ""


def checked(object_id: str) -> str:
    """Return an id as it is. Raises InvalidRequest for what is none of Stripe's."""
    if not _ID.fullmatch(object_id):
        raise InvalidRequest("this is no id of Stripe's", code="id")
    return object_id


def items(listing: Answer) -> list[Answer]:
    """Return the objects of a list's page. Raises Unavailable where it is none."""
    found = listing.get("data")
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise answers.unreadable(listing, "data")
    return found
