"""config/wsgi.py with one address that no middleware stands before, so that one server serves all that is compared.

And with one that tells which of the server's workers answers: a kept connection stays with the worker that took it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from config.wsgi import application as whole

with override_settings(MIDDLEWARE=[]):
    _bare = WSGIHandler()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Serve /bare/ by Django alone, everything else by the service."""
    if environ["PATH_INFO"] == "/worker/":
        pid = str(os.getpid()).encode()
        start_response("200 OK", [("Content-Length", str(len(pid)))])
        return [pid]
    handler = _bare if environ["PATH_INFO"] == "/bare/" else whole
    return handler(environ, start_response)
