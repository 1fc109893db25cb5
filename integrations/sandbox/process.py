"""Puts one sandbox process together: store, provider, webhook sender, control API, HTTP server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from integrations.sandbox import webhooks
from integrations.sandbox.control_api import ControlApi, ControlledProvider
from integrations.sandbox.nmi.provider import NmiProvider
from integrations.sandbox.paypal.provider import PayPalProvider
from integrations.sandbox.server import Provider, SandboxServer
from integrations.sandbox.square.provider import SquareProvider
from integrations.sandbox.store import Store, Transaction
from integrations.sandbox.stripe.provider import StripeProvider
from integrations.sandbox.webhooks import WebhookSender


class StandIn(Provider, ControlledProvider, Protocol):
    """A provider's stand-in, as this process drives it."""

    base_url: str

    def sign(self, tx: Transaction, event_id: str) -> tuple[bytes, dict[str, str]] | None:
        """Body and headers of one delivery attempt."""

    def tick(self) -> None:
        """Does what the clock has made due, when no request comes by."""


PROVIDERS: dict[str, Callable[..., StandIn]] = {
    "stripe": StripeProvider,
    "paypal": PayPalProvider,
    "square": SquareProvider,
    "nmi": NmiProvider,
}
DEFAULT_RETRY_SECONDS = (1.0, 5.0, 30.0)


@dataclass(frozen=True)
class Options:
    """How to start. Empty webhook settings leave what the state directory remembers."""

    provider: str
    port: int
    state_dir: Path
    webhook_url: str | None
    webhook_secrets: Sequence[str]
    account: str | None
    clock_offset_seconds: int | None
    webhook_retry_seconds: Sequence[float] | None
    webhook_workers: int


class Sandbox:
    """A sandbox that is listening once constructed. `serve` blocks until `stop`."""

    def __init__(self, options: Options) -> None:
        self._store = Store(options.state_dir / f"{options.provider}.sqlite3")
        self._remember(options)
        provider = PROVIDERS[options.provider](store=self._store, nudge=self._nudge, account=options.account)
        self._sender = WebhookSender(
            store=self._store,
            signer=provider.sign,
            workers=options.webhook_workers,
            on_idle=provider.tick,
            accepts=getattr(provider, "accepts", webhooks.any_success),
        )
        control = ControlApi(store=self._store, provider=provider, sender=self._sender)
        self._server = SandboxServer(port=options.port, store=self._store, provider=provider, control=control)
        provider.base_url = self.url = self._server.url

    def _nudge(self) -> None:
        self._sender.nudge()

    def _remember(self, options: Options) -> None:
        with self._store.transaction() as tx:
            if options.webhook_url is not None:
                tx.set_setting("webhook_url", webhooks.check_url(options.webhook_url))
            if options.webhook_secrets:
                tx.set_setting("webhook_secrets", list(options.webhook_secrets))
            if options.clock_offset_seconds is not None:
                tx.set_setting("clock_offset_seconds", options.clock_offset_seconds)
            default = tx.setting("webhook_retry_seconds", list(DEFAULT_RETRY_SECONDS))
            retry = default if options.webhook_retry_seconds is None else list(options.webhook_retry_seconds)
            tx.set_setting("webhook_retry_seconds", retry)

    def serve(self) -> None:
        """Answers requests until `stop` is called."""
        self._sender.start()
        self._server.serve_forever(poll_interval=0.2)
        self._server.server_close()
        self._sender.stop()
        self._store.close()

    def stop(self) -> None:
        """Ends `serve` soon; safe to call from a signal handler."""
        threading.Thread(target=self._server.shutdown, daemon=True).start()
