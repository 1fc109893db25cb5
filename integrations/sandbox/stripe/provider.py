"""Wires the Stripe stand-in: API and pages on one side, timers and control switches on the other."""

from __future__ import annotations

from collections.abc import Callable

from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.stripe import charges, events, sessions
from integrations.sandbox.stripe.api import Api
from integrations.sandbox.stripe.pages import Pages
from integrations.sandbox.stripe.scope import Scope, new_id
from integrations.sandbox.stripe.switches import Switches
from integrations.sandbox.wire import Json, Request, Response, dumps

ACCOUNT_SETTING = "account"


class StripeProvider:
    """Stripe as one loopback process sees it."""

    name = "stripe"

    def __init__(self, *, store: Store, nudge: Callable[[], None], account: str | None) -> None:
        self.base_url = ""
        self._nudge = nudge
        with store.transaction() as tx:
            self._account = account or tx.setting(ACCOUNT_SETTING) or new_id("acct", 16)
            tx.set_setting(ACCOUNT_SETTING, self._account)
        self._store = store
        self._api = Api(store=store, account_id=self._account, open_scope=self.open_scope)
        self._pages = Pages(store=store, open_scope=self.open_scope)
        self._switches = Switches()

    def open_scope(self, tx: Transaction, request_id: str | None = None, key: str | None = None) -> Scope:
        """A scope on this transaction, with everything the clock has made due already done."""
        scope = Scope(tx, tx.now(), self.base_url, self._account, self._nudge)
        for name, object_id in tx.take_due_timers():
            if name == sessions.EXPIRY_TIMER:
                sessions.expire_by_clock(scope, object_id)
            elif name == charges.BALANCE_TIMER:
                charges.post_to_balance(scope, object_id)
        scope.request_id, scope.idempotency_key = request_id, key
        return scope

    def handle(self, request: Request) -> Response:
        """Answers an API or page request."""
        if request.path.startswith("/v1/"):
            return self._api.handle(request)
        return self._pages.handle(request)

    def refusal(self, status: int) -> Response:
        """Stripe's wording of a 429 or 500 that was not handled."""
        return self._api.refusal(status)

    def tick(self) -> None:
        """Does what the clock has made due, when no request comes by."""
        with self._store.transaction() as tx:
            row = tx.one("SELECT 1 FROM timers WHERE at <= ? LIMIT 1", tx.now())
            if row is not None:
                self.open_scope(tx)

    def sign(self, tx: Transaction, event_id: str) -> tuple[bytes, dict[str, str]] | None:
        """Body and headers of one delivery attempt."""
        return events.signed_delivery(tx, event_id)

    def sign_raw(self, tx: Transaction, body: bytes, *, secret: str | None, at: int | None) -> dict[str, str]:
        """Headers for any bytes, signed with the configured secrets or the given one."""
        return events.headers(tx, body, secrets=None if secret is None else [secret], at=at)

    def control(self, tx: Transaction, verb: str, args: Json) -> Json | None:
        """A Stripe-specific control verb; None when there is no such verb."""
        scope = self.open_scope(tx)
        answer = self._switches.run(scope, verb, args)
        scope.finish()
        return answer

    def error_body(self, error: Exception) -> bytes:
        """JSON for an error raised by a control verb."""
        return dumps({"error": {"message": str(error)}})
