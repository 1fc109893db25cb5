"""What a process does before it works: refuse a bad environment, join the embedded PostgreSQL where there is one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from config.postgres import EmbeddedPostgresError, ensure_running

EXIT_CRASH = 1
EXIT_USAGE = 2

WITHOUT_DATABASE = frozenset(
    (
        "check collectstatic compilemessages diffsettings draw_states findstatic help makemessages spectacular "
        "startapp version"
    ).split()
)
"""Commands that never ask the database, so that they work without one."""


def needs_database(arguments: Sequence[str]) -> bool:
    """Say whether the command line (without the program) may ask the database."""
    if not arguments or {"-h", "--help", "--version"} & set(arguments):
        return False
    return arguments[0] not in WITHOUT_DATABASE or any(argument.startswith("--database") for argument in arguments)


def prepare(arguments: Sequence[str]) -> None:
    """Read the settings and bring up what `arguments` needs; end the process with a sentence where that fails."""
    try:
        start_embedded_database(needed=needs_database(arguments))
    except ImproperlyConfigured as error:
        sys.exit(_say(error, EXIT_USAGE))
    except EmbeddedPostgresError as error:
        sys.exit(_say(error, EXIT_CRASH))


def start_embedded_database(*, needed: bool = True) -> None:
    """Join the checkout's own server if the settings name no other and it is needed.

    Raises EmbeddedPostgresError, and EnvironmentInvalid if the settings cannot be read.
    """
    if settings.EMBEDDED_DATABASE and needed:
        ensure_running(settings.BASE_DIR)


def _say(error: Exception, code: int) -> int:
    sys.stderr.write(f"{error}\n")
    return code
