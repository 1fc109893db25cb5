"""An `httpx` transport under the same guard as http.py, for SDKs that bring httpx (Square's).

httpx keeps its own timeouts and pools out of this: connections, checked addresses, total deadline and size caps are
those of http_session.py.
"""

from __future__ import annotations

import httpx
import requests
from urllib3.exceptions import HTTPError

from integrations.http import OutboundFailed, OutboundRefused, TransactionOpen
from integrations.http_session import GuardedSession

# What httpx would ask for by itself (compression that we may not be able to read) is the session's to say.
_OF_HTTPX = frozenset({"accept-encoding", "connection"})
# Of an answer that was read whole and decoded already.
_OF_THE_WIRE = frozenset({"content-encoding", "transfer-encoding", "content-length"})


class GuardedTransport(httpx.BaseTransport):
    """Sends by a GuardedSession. `connect_timeout_seconds` and `read_timeout_seconds` hold per connection and read.

    Raises httpx.TimeoutException and httpx.TransportError as httpx does, OutboundRefused and TransactionOpen as they
    are.
    """

    def __init__(self, *, allow_loopback: bool, connect_timeout_seconds: float, read_timeout_seconds: float) -> None:
        self._session = GuardedSession(allow_loopback=allow_loopback)
        self._timeout = (connect_timeout_seconds, read_timeout_seconds)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its whole answer; a redirect is an answer like any other."""
        try:
            answer = self._session.request(
                request.method,
                str(request.url),
                headers={name: value for name, value in request.headers.items() if name not in _OF_HTTPX},
                data=request.read(),
                timeout=self._timeout,
                allow_redirects=False,
            )
        except (OutboundRefused, TransactionOpen):
            raise
        except (requests.Timeout, TimeoutError) as error:
            raise httpx.TimeoutException(type(error).__name__, request=request) from error
        except (OutboundFailed, requests.RequestException, HTTPError, OSError, ValueError) as error:
            _raise_ours(error)
            raise httpx.TransportError(type(error).__name__, request=request) from error
        headers = [(name, value) for name, value in answer.headers.items() if name.lower() not in _OF_THE_WIRE]
        return httpx.Response(answer.status_code, headers=headers, content=answer.content, request=request)

    def close(self) -> None:
        """Close the kept connections."""
        self._session.close()


def _raise_ours(error: BaseException) -> None:
    """Raise what our own guard said, where a library has wrapped it up."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OutboundRefused | TransactionOpen):
            raise cause
        cause = cause.__cause__ or cause.__context__
