"""Talks to transact.php and query.php through integrations/http.py: each answer as data or as one of our errors."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, urlencode

from integrations import http
from integrations.contract import ConfigurationError, InvalidRequest, RateLimited, Unavailable
from integrations.guard import note_request
from integrations.providers.api_bases import is_loopback
from integrations.providers.nmi import errors, reports
from integrations.providers.nmi.reports import Transaction

REQUEST_SECONDS = 10
"""One request; guard.py sets the deadline over a verb's several."""
MAX_REPORT_BYTES = 2 * 1024 * 1024
TEST_MODE_KNOWN_SECONDS = 60
_HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "*/*"}
_CODE = re.compile(r"[0-9]{3}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MAX_RETRY_AFTER_SECONDS = 3600


class Client:
    """One account at one gateway. Its key is sent in the body, as NMI wants it, and is never logged."""

    def __init__(self, *, security_key: str, api_base: str, on_use: Callable[[], None]) -> None:
        """`on_use` is told when the key has been of use."""
        self._security_key = security_key
        self._on_use = on_use
        self._base = api_base.removesuffix("/")
        self._loopback = is_loopback(api_base)
        self._test_mode: tuple[float, bool] | None = None

    def transact(self, **fields: str) -> dict[str, str]:
        """Execute one request and return NMI's approval. Raises Declined, ProviderError."""
        answer = dict(parse_qsl(self._post("transact", fields).decode("utf-8", "replace"), keep_blank_values=True))
        # `response_code` is the last member: an answer that was cut off lacks it, or a part of it.
        complete = bool(_CODE.fullmatch(answer.get("response_code", "")))
        if not complete or answer.get("response") not in (errors.APPROVED, errors.DECLINED, errors.ERROR):
            raise Unavailable("NMI gave no answer that can be believed", code="shape")
        if answer["response"] == errors.APPROVED and not _ID.fullmatch(answer.get("transactionid", "")):
            raise Unavailable("NMI approved what it gives no id of", code="shape")
        note_request(answer.get("transactionid", "")[:64])
        if answer["response"] != errors.APPROVED:
            errors.refuse(answer)
        self._on_use()
        return answer

    def transactions(self, **question: str) -> tuple[Transaction, ...]:
        """Ask query.php for transactions. Raises ProviderError."""
        told = reports.read(self._post("query", question, max_bytes=MAX_REPORT_BYTES))
        note_request("")
        self._on_use()
        return told

    def is_test_mode(self) -> bool:
        """Return whether the account is in test mode, asked once a minute at most. Raises ProviderError."""
        known = self._test_mode
        if known is None or time.monotonic() - known[0] > TEST_MODE_KNOWN_SECONDS:
            told = reports.read_test_mode(self._post("query", {"report_type": "test_mode_status"}))
            self._test_mode = known = (time.monotonic(), told)
        return known[1]

    def _post(self, script: str, fields: Mapping[str, str], *, max_bytes: int = http.MAX_BODY_BYTES) -> bytes:
        body = urlencode({"security_key": self._security_key, **fields}).encode()
        try:
            answer = http.send(
                "POST",
                f"{self._base}/api/{script}.php",
                headers=_HEADERS,
                body=body,
                deadline_seconds=REQUEST_SECONDS,
                allow_loopback=self._loopback,
                max_body_bytes=max_bytes,
            )
        except http.OutboundRefused as error:
            raise ConfigurationError(f"our own guard refused the call: {error}", code="outbound") from None
        except (http.OutboundTimeout, http.OutboundFailed) as error:
            raise Unavailable(f"no answer from NMI ({type(error).__name__})") from None
        if answer.status != 200:
            raise _not_answered(answer)
        return answer.body


def _not_answered(answer: http.HttpAnswer) -> Exception:
    if answer.status == 429:
        told = answer.headers.get("retry-after", "")
        wait = min(int(told), _MAX_RETRY_AFTER_SECONDS) if told.isascii() and told.isdigit() and len(told) < 6 else None
        return RateLimited("NMI asks for fewer requests", http_status=429, retry_after_seconds=wait)
    if answer.status in (401, 403):
        return ConfigurationError("NMI refuses our key", http_status=answer.status)
    return Unavailable("NMI gave no answer that can be believed", http_status=answer.status)


def checked(object_id: str) -> str:
    """Return an id as it is. Raises InvalidRequest for what is no id of NMI's or ours."""
    if not is_id(object_id):
        raise InvalidRequest("this is no id of NMI's", code="id")
    return object_id


def is_id(text: str) -> bool:
    """Return whether this may be an id of NMI's, or an order id of ours; people type others in its own pages."""
    return bool(_ID.fullmatch(text))
