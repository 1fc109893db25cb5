"""PayPal's buttons on a page of ours (https://docs.paypal.ai/payments/methods/paypal/sdk/js/v6/). It asks nobody."""

from __future__ import annotations

from integrations.contract import Mode, PayForm
from integrations.providers.paypal.client import checked
from integrations.providers.paypal.credentials import is_official

_SCRIPT_HOSTS = {Mode.LIVE: "https://www.paypal.com", Mode.TEST: "https://www.sandbox.paypal.com"}
_SCRIPT = "/web-sdk/v6/core"
_WIDE = ("https://*.paypal.com", "https://*.paypalobjects.com")


def pay_form(*, order_id: str, client_id: str, api_base: str, mode: Mode) -> PayForm:
    """Return the script, the public client id and the order that the payer approves.

    The frame approves only: our capture moves the money, so no token comes back and a look tells.
    """
    base = api_base.removesuffix("/")
    official = is_official(base)
    host = _SCRIPT_HOSTS[mode] if official else base
    allowed = _WIDE if official else (base,)
    directives = ("script-src", "frame-src", "connect-src", "img-src", "style-src")
    return PayForm(
        scripts=(host + _SCRIPT,),
        parameters={"client_id": client_id, "order_id": checked(order_id)},
        policy=dict.fromkeys(directives, allowed),
        takes_token=False,
    )
