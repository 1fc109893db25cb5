"""A `requests.Session` under the same guard as http.py, for SDKs that bring their own HTTP client."""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import PoolManager

from integrations.addresses import OutboundRefused
from integrations.http import capped_body, capped_headers, loopback_allowed, refuse_open_transaction
from integrations.http_connections import pool_classes, tls_context

# A provider's list of 100 expanded objects is some 500 KB.
MAX_BODY_BYTES = 8 * 1024 * 1024
# Kept connections a host; a drain works the network in threads.
POOL_SIZE = 32


class _GuardedAdapter(HTTPAdapter):
    """Connections of http_connections.py, their pool, and an answer that was read whole under its cap."""

    def __init__(self, *, allow_loopback: bool) -> None:
        self._pool_classes = pool_classes(allow_loopback=allow_loopback)
        super().__init__(max_retries=0, pool_maxsize=POOL_SIZE)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **pool_kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pool_classes

    def build_connection_pool_key_attributes(self, request: Any, verify: Any, cert: Any = None) -> Any:
        host_params, _ = super().build_connection_pool_key_attributes(request, verify, cert)
        return host_params, {"ssl_context": tls_context()} if host_params["scheme"] == "https" else {}

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        """Do nothing: the context given above verifies, whatever the caller asked for."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        refuse_open_transaction()
        response = super().send(request, *args, **kwargs)
        try:
            capped_headers(response.raw)
            body = capped_body(response.raw, MAX_BODY_BYTES, decode_content=True)
        except BaseException:
            # A half-read connection must not go back to the pool.
            response.raw.close()
            raise
        response.raw.release_conn()
        # As `stream=False` leaves it, but under our cap.
        response._content = body  # noqa: SLF001
        response._content_consumed = True  # type: ignore[attr-defined]  # noqa: SLF001
        return response


class GuardedSession(requests.Session):
    """No redirects, no cookies, and nothing from the process environment: neither proxies nor .netrc."""

    def __init__(self, *, allow_loopback: bool) -> None:
        super().__init__()
        if allow_loopback and not loopback_allowed():
            raise OutboundRefused("loopback addresses are not allowed in production")
        self.trust_env = False
        self.headers["Accept-Encoding"] = "identity"
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        adapter = _GuardedAdapter(allow_loopback=allow_loopback)
        self.mount("https://", adapter)
        self.mount("http://", adapter)

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Return None always: a redirect is an answer like any other, and never followed."""
