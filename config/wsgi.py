"""The WSGI application, for gunicorn. It does not start with settings that the system checks refuse."""

from __future__ import annotations

import os

from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

from config import boot

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

boot.start_embedded_database()
application = get_wsgi_application()

# `manage.py` runs them before a command; nothing but this line runs them before gunicorn serves.
if refused := [finding for finding in checks.run_checks() if finding.is_serious() and not finding.is_silenced()]:
    raise ImproperlyConfigured("\n".join(str(finding) for finding in refused))
