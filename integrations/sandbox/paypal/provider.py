"""Wires the PayPal stand-in: API and pages on one side, control switches on the other.

The root that vouches for its webhooks stands in its state directory as `paypal-root.pem`; the shop is given that file.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable

from integrations.sandbox.paypal import certificates, events, switches
from integrations.sandbox.paypal.api import Api
from integrations.sandbox.paypal.pages import Pages
from integrations.sandbox.paypal.scope import Scope, new_account
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.wire import Json, Request, Response, dumps

ACCOUNT_SETTING = "account"
ROOT_FILE = "paypal-root.pem"


class PayPalProvider:
    """PayPal as one loopback process sees it."""

    name = "paypal"

    def __init__(self, *, store: Store, nudge: Callable[[], None], account: str | None) -> None:
        self.base_url = ""
        self._nudge = nudge
        with store.transaction() as tx:
            self._account = account or tx.setting(ACCOUNT_SETTING) or new_account()
            tx.set_setting(ACCOUNT_SETTING, self._account)
            self._signer = certificates.kept(tx)
        (store.directory / ROOT_FILE).write_text(self._signer.root_pem, encoding="ascii")
        self._store = store
        self._api = Api(store=store, signer=self._signer, open_scope=self.open_scope)
        self._pages = Pages(store=store, open_scope=self.open_scope)

    def open_scope(self, tx: Transaction) -> Scope:
        """A scope on this transaction."""
        return Scope(tx, tx.now(), self.base_url, self._account, self._nudge)

    def handle(self, request: Request) -> Response:
        """Answers an API or page request."""
        if request.path.startswith(("/v1/", "/v2/")):
            return self._api.handle(request)
        return self._pages.handle(request)

    def refusal(self, status: int) -> Response:
        """PayPal's wording of a 429 or 500 that was not handled."""
        return self._api.refusal(status)

    def tick(self) -> None:
        """Nothing here happens by the clock alone."""

    def sign(self, tx: Transaction, event_id: str) -> tuple[bytes, dict[str, str]] | None:
        """Body and headers of one delivery attempt."""
        return events.signed_delivery(tx, event_id, signer=self._signer, base=self.base_url)

    def sign_raw(self, tx: Transaction, body: bytes, *, secret: str | None, at: int | None) -> dict[str, str]:
        """Headers for any bytes, signed for the configured webhook id or the given one."""
        return events.headers(tx, zlib.crc32(body), signer=self._signer, base=self.base_url, webhook_id=secret, at=at)

    def control(self, tx: Transaction, verb: str, args: Json) -> Json | None:
        """A PayPal-specific control verb; None when there is no such verb."""
        if verb == "events.sign":
            told = events.headers(
                tx, int(args["crc32"]), signer=self._signer, base=self.base_url, webhook_id=str(args["webhook_id"]),
                at=int(args["at"]),
            )  # fmt: skip
            return {"headers": told}
        return switches.run(self.open_scope(tx), verb, args)

    def error_body(self, error: Exception) -> bytes:
        """JSON for an error raised by a control verb."""
        return dumps({"error": {"message": str(error)}})
