"""config/wsgi.py with one address that no middleware stands before, so that one server serves all that is compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from config.wsgi import application as whole

with override_settings(MIDDLEWARE=[]):
    _bare = WSGIHandler()


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Serve /bare/ by Django alone, everything else by the service."""
    handler = _bare if environ["PATH_INFO"] == "/bare/" else whole
    return handler(environ, start_response)
