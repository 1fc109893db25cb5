"""Stripe's embedded checkout page: a session that is shown in Stripe's frame on a page of ours.

https://docs.stripe.com/payments/accept-a-payment?ui=embedded-form, https://docs.stripe.com/security/guide#content-security-policy
"""

from __future__ import annotations

from integrations.contract import InvalidRequest, PayForm, StartRequest
from integrations.providers.answer_reading import Answer
from integrations.providers.stripe.answers import answers
from integrations.providers.stripe.credentials import is_official

UI_MODE = "embedded_page"
SCRIPT_PATH = "/endive/stripe.js"
_SCRIPTS = ("https://js.stripe.com", "https://*.js.stripe.com")
_OFFICIAL: dict[str, tuple[str, ...]] = {
    "script-src": _SCRIPTS,
    "frame-src": (*_SCRIPTS, "https://hooks.stripe.com", "https://checkout.stripe.com"),
    "connect-src": ("https://api.stripe.com", "https://checkout.stripe.com"),
    "img-src": ("https://*.stripe.com",),
}


def session_params(request: StartRequest) -> dict[str, str]:
    """Return what an embedded session is asked for with, in the place of a hosted one's addresses."""
    return {"ui_mode": UI_MODE, "return_url": request.return_url}


def is_embedded(session: Answer) -> bool:
    """Return whether this session is shown in a frame: it has no page of its own."""
    return session.get("ui_mode") == UI_MODE


def form(session: Answer, *, publishable_key: str, api_base: str) -> PayForm:
    """Return what our page needs to show the session. Raises InvalidRequest for one that is hosted, or over."""
    if not is_embedded(session) or session.get("status") != "open":
        raise InvalidRequest("this session is shown in no frame, or is over", code="not_embedded")
    base = api_base.removesuffix("/")
    official = is_official(base)
    return PayForm(
        scripts=(f"{_SCRIPTS[0] if official else base}{SCRIPT_PATH}",),
        parameters={"publishable_key": publishable_key, "client_secret": answers.text(session, "client_secret")},
        policy=_OFFICIAL if official else dict.fromkeys(_OFFICIAL, (base,)),
        takes_token=False,
    )
