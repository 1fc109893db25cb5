"""What the form page's Content-Security-Policy allows beyond ours: the provider's own hosts, and nothing looser.

Threat: an adapter (other people write some) or its provider's script guide asks for `'unsafe-inline'`, `*` or a plain
http host; the page on which cards are paid would then run whatever is slipped into it. So a policy names hosts only.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.http.response import HttpResponseBase

DIRECTIVES = ("script-src", "frame-src", "connect-src", "img-src", "style-src", "font-src", "form-action")
_HOST = re.compile(r"https://(\*\.)?[a-z0-9-]+(\.[a-z0-9-]+)+(:[0-9]{1,5})?")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost)(:[0-9]{1,5})?")


class PolicyTooLoose(ValueError):
    """The form asks for more than hosts of its provider: mend the adapter's `PayForm.policy`."""


def allow(response: HttpResponseBase, policy: Mapping[str, tuple[str, ...]], *, loopback: bool) -> None:
    """Widen this one answer's policy. `loopback`: stand-ins on this machine may be named. Raises PolicyTooLoose."""
    for directive, sources in policy.items():
        if directive not in DIRECTIVES:
            raise PolicyTooLoose(f"{directive} is no directive that a form may widen")
        for source in sources:
            if not (_HOST.fullmatch(source) or (loopback and _LOOPBACK.fullmatch(source))):
                raise PolicyTooLoose(f"{directive}: {source!r} is no https:// host")
    widened = {directive: list(sources) for directive, sources in policy.items()}
    setattr(response, "_csp_update", widened)  # noqa: B010 - read by django-csp's middleware
