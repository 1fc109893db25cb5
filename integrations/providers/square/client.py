"""One client of Square's SDK: each call answered as plain data or as one of our errors, lists read by page.

What the SDK does of itself is switched off: its environment (production), its token from SQUARE_TOKEN, its retries (of
POST too), its pager (it stops at an empty page although a cursor remains), its models (we read the body as it came).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, NoReturn

import httpx
from square import Square
from square.core.api_error import ApiError
from square.core.request_options import RequestOptions

from integrations.addresses import OutboundRefused
from integrations.contract import ConfigurationError, InvalidRequest, Mode, Unavailable
from integrations.guard import note_request
from integrations.http_transport import GuardedTransport
from integrations.providers.answer_reading import Answer
from integrations.providers.api_bases import is_loopback
from integrations.providers.square.answers import answers
from integrations.providers.square.credentials import mode_of
from integrations.providers.square.errors import translate

# A payment with more disputes or refunds around it than this is read by a person.
MAX_LISTED = 2000
PAGE_SIZE = 100

_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_CURSOR = re.compile(r"[\x21-\x7e]{1,4096}")
_MODES = {"production": Mode.LIVE, "sandbox": Mode.TEST}

_answered: ContextVar[httpx.Response | None] = ContextVar("square_answer", default=None)


class Client:
    """The SDK's client, under our timeouts and guards, for one location. `on_use` is told when the token was of use."""

    def __init__(
        self,
        *,
        access_token: str,
        location_id: str,
        api_base: str,
        connect_timeout_seconds: float,
        read_timeout_seconds: float,
        on_use: Callable[[], None],
    ) -> None:
        self.location_id = location_id
        # At INFO it tells each address with its query.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self.mode = mode_of(api_base)
        self._on_use = on_use
        self._location: Answer | None = None
        transport = GuardedTransport(
            allow_loopback=is_loopback(api_base),
            connect_timeout_seconds=connect_timeout_seconds,
            read_timeout_seconds=read_timeout_seconds,
        )
        self.sdk = Square(
            token=access_token,
            base_url=api_base.removesuffix("/"),
            httpx_client=httpx.Client(transport=transport, trust_env=False, event_hooks={"response": [_keep]}),
        )
        # Each try is a row of ours (ProviderCall) or a numbered look; a retry inside the SDK would be neither.
        self.once: RequestOptions = {"max_retries": 0, "timeout_in_seconds": int(read_timeout_seconds)}

    def location(self) -> Answer:
        """Return our location: its merchant, its currency. Asked once."""
        if self._location is None:
            got = self.ask(self.sdk.locations.get, location_id=checked(self.location_id))
            self._location = answers.required(got, "location")
        return self._location

    def account(self) -> str:
        """Return the id of the merchant our location belongs to; asked once."""
        return answers.text(self.location(), "merchant_id")

    def ask(self, call: Callable[..., Any], /, **members: Any) -> dict[str, Any]:
        """Make one call of the SDK and return the answer's body. Raises ProviderError.

        What counts is the body as it came: a success that carries errors is a refusal.
        """
        token = _answered.set(None)
        try:
            call(**members, request_options=self.once)
        except ApiError as error:
            # The SDK's error holds headers and the whole body: it goes no further.
            self._refused(error.status_code or 0, error.body, error.headers or {})
        except httpx.HTTPError as error:
            raise Unavailable(f"no answer from Square ({type(error).__name__})") from None
        except OutboundRefused as error:
            raise ConfigurationError(f"our own guard refused the call: {error}") from None
        except Exception:
            # The SDK stumbles over bodies of another shape than its models; what counts is the body.
            if _answered.get() is None:
                raise
        finally:
            response = _answered.get()
            _answered.reset(token)
        body = _body(response)
        if response is None or body is None:
            raise Unavailable("Square's answer is no JSON object", code="shape")
        if body.get("errors"):
            self._refused(response.status_code, body, dict(response.headers))
        self._note(response.headers)
        self._on_use()
        return body

    def page_of(
        self, call: Callable[..., Any], name: str, /, *, cursor: str, **members: Any
    ) -> tuple[list[Answer], str]:
        """Return one page of a list, which may be empty, and the cursor of the next; empty where none follows.

        `name`: the list's member in the answer. The same members must be asked for with each cursor.
        """
        if cursor and not _CURSOR.fullmatch(cursor):
            raise InvalidRequest("this is no cursor of Square's", code="cursor")
        got = self.ask(call, **members, **({"cursor": cursor} if cursor else {}))
        return answers.items(got, name), answers.text_or_empty(got, "cursor")

    def all_of(self, call: Callable[..., Any], name: str, /, **members: Any) -> list[Answer]:
        """Return all pages of a list. Raises Unavailable beyond MAX_LISTED, and where a cursor leads in circles."""
        listed: list[Answer] = []
        seen = {""}
        cursor = ""
        while True:
            found, cursor = self.page_of(call, name, cursor=cursor, **members)
            listed += found
            if not cursor:
                return listed
            if cursor in seen or len(listed) >= MAX_LISTED or len(seen) > MAX_LISTED:
                raise Unavailable("Square lists more objects than we read", code="too_many")
            seen.add(cursor)

    def _refused(self, status: int, body: object, headers: dict[str, str]) -> NoReturn:
        lower = {name.lower(): value for name, value in headers.items()}
        failure = translate(status=status, body=body, headers=lower)
        note_request("")
        raise failure from None

    def _note(self, headers: httpx.Headers) -> None:
        """Log the request; what Square says of its environment must be what the host says."""
        note_request("")
        told = headers.get("square-environment", "").strip().lower()
        if told and _MODES.get(told) is not self.mode:
            wrong = ConfigurationError(
                f"Square answers for its {told[:20]} environment at a host of {self.mode} mode: check SQUARE_API_BASE.",
                code="environment",
            )
            # It was answered, so it may have been done.
            wrong.outcome_unknown = True
            raise wrong


def checked(object_id: str) -> str:
    """Return an id as it is: the SDK puts it into a path unescaped. Raises InvalidRequest for what is none."""
    if not _ID.fullmatch(object_id):
        raise InvalidRequest("this is no id of Square's", code="id")
    return object_id


def _keep(response: httpx.Response) -> None:
    response.read()
    _answered.set(response)


def _body(response: httpx.Response | None) -> dict[str, Any] | None:
    if response is None:
        return None
    try:
        body = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
