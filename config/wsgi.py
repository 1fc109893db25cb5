"""The WSGI application, for gunicorn. It does not start with settings that the system checks
refuse, nor with integration keys that must not be used here."""

from __future__ import annotations

import os

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.db import connections

from config import boot
from config.starting import kept_for_good

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

with kept_for_good():
    boot.start_embedded_database()
    application = get_wsgi_application()
    # `manage.py` runs them before a command; nothing but this line runs them before gunicorn serves.
    if refused := [finding for finding in checks.run_checks() if finding.is_serious() and not finding.is_silenced()]:
        raise ImproperlyConfigured("\n".join(str(finding) for finding in refused))


def _refuse_integration_keys() -> None:
    """Raise ImproperlyConfigured where an integration key must not be used here, or a provider has none."""
    from integrations.credential_guard import forbids_start  # noqa: PLC0415 - models, once Django is set up

    sentences = forbids_start(settings.PAYMENTS_PROVIDERS)
    connections.close_all()  # nothing is shared with what this process may fork
    if sentences:
        raise ImproperlyConfigured("\n".join(sentences))


_refuse_integration_keys()
