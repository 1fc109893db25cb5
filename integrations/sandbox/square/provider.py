"""Wires the Square stand-in: API, page and frame on one side, timers and control switches on the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from integrations.sandbox.square import events, payments
from integrations.sandbox.square.api import Api
from integrations.sandbox.square.frame import Frame
from integrations.sandbox.square.pages import Pages
from integrations.sandbox.square.scope import Account, Scope, capital_id
from integrations.sandbox.square.switches import Switches
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.wire import Json, Request, Response, dumps

ACCOUNT_SETTING = "square_account"
DEFAULT_CURRENCY = "EUR"


class SquareProvider:
    """Square as one loopback process sees it. `account` is the location's id and, after a colon, its currency."""

    name = "square"

    def __init__(self, *, store: Store, nudge: Callable[[], None], account: str | None) -> None:
        self.base_url = ""
        self._nudge = nudge
        self._store = store
        with store.transaction() as tx:
            self._account = _account(tx, account)
        self._api = Api(store=store, open_scope=self.open_scope)
        self._pages = Pages(store=store, open_scope=self.open_scope)
        self._frame = Frame(store=store, open_scope=self.open_scope)
        self._switches = Switches()

    def open_scope(self, tx: Transaction) -> Scope:
        """A scope on this transaction, with everything the clock has made due already done."""
        scope = Scope(tx, tx.now(), self.base_url, self._account, self._nudge)
        for name, object_id in tx.take_due_timers():
            if name == payments.FEE_TIMER and scope.find(object_id) is not None:
                payments.tell_fee(scope, object_id)
        return scope

    def handle(self, request: Request) -> Response:
        """Answers an API, page or frame request."""
        if request.path.startswith("/v2/"):
            return self._api.handle(request)
        if self._frame.serves(request):
            return self._frame.handle(request)
        return self._pages.handle(request)

    def refusal(self, status: int) -> Response:
        """Square's wording of a 429 or 500 that was not handled."""
        return self._api.refusal(status)

    def tick(self) -> None:
        """Does what the clock has made due, when no request comes by."""
        with self._store.transaction() as tx:
            if tx.one("SELECT 1 FROM timers WHERE at <= ? LIMIT 1", tx.now()) is not None:
                self.open_scope(tx)

    def sign(self, tx: Transaction, event_id: str) -> tuple[bytes, dict[str, str]] | None:
        """Body and headers of one delivery attempt."""
        return events.signed_delivery(tx, event_id)

    def sign_raw(self, tx: Transaction, body: bytes, *, secret: str | None, at: int | None) -> dict[str, str]:
        """Headers for any bytes, signed with the configured keys or the given one. Square signs no time (`at`)."""
        return events.headers(tx, body, secrets=None if secret is None else [secret])

    def control(self, tx: Transaction, verb: str, args: Json) -> Json | None:
        """A Square-specific control verb; None when there is no such verb."""
        scope = self.open_scope(tx)
        answer = self._switches.run(scope, verb, args)
        scope.finish()
        return answer

    def error_body(self, error: Exception) -> bytes:
        """JSON for an error raised by a control verb."""
        return dumps({"error": {"message": str(error)}})


def _account(tx: Transaction, asked: str | None) -> Account:
    """The seller that is played, the same after each start. Raises ValueError for an unknown currency."""
    location, _, currency = (asked or "").partition(":")
    kept = tx.setting(ACCOUNT_SETTING, {})
    account = Account(
        merchant_id=kept.get("merchant_id") or f"ML{capital_id(11)}",
        location_id=location or kept.get("location_id") or f"L{capital_id(12)}",
        currency=currency or kept.get("currency") or DEFAULT_CURRENCY,
        application_id=kept.get("application_id") or "sandbox-sq0idb-sandbox",
    )
    if account.currency not in ("AUD", "CAD", "EUR", "GBP", "JPY", "USD"):
        raise ValueError(f"Square has no locations that take {account.currency}.")
    tx.set_setting(ACCOUNT_SETTING, asdict(account))
    return account
