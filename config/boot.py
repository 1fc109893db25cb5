"""What a process does before it works: refuse a bad environment, join the embedded PostgreSQL where there is one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import CommandParser, handle_default_options

from config.postgres import EmbeddedPostgresError, ensure_running
from integrations.providers.wirings import WIRINGS

EXIT_CRASH = 1
EXIT_USAGE = 2
EXIT_REFUSED = 5

WITHOUT_DATABASE = frozenset(
    (
        "check collectstatic compilemessages diffsettings draw_states findstatic help makemessages spectacular "
        "startapp version"
    ).split()
)
"""Commands that never ask the database, so that they work without one."""


LOOKING_ONLY = WITHOUT_DATABASE | {"doctor"}
"""Commands that only tell what is wrong: the live guard leaves it to them to say it."""


def needs_database(arguments: Sequence[str]) -> bool:
    """Say whether the command line (without the program) may ask the database."""
    if not arguments or {"-h", "--help", "--version"} & set(arguments):
        return False
    return arguments[0] not in WITHOUT_DATABASE or any(argument.startswith("--database") for argument in arguments)


def prepare(arguments: Sequence[str]) -> None:
    """Read the settings and bring up what `arguments` needs; end the process with a sentence where that fails."""
    _heed_settings_option(arguments)
    try:
        if refused := _mixed_modes(arguments):
            sys.exit(_say(ImproperlyConfigured("Refused: test and live never mix.\n" + refused), EXIT_REFUSED))
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


def _heed_settings_option(arguments: Sequence[str]) -> None:
    """Let --settings and --pythonpath count before anything reads the settings; Django itself heeds them too late."""
    parser = CommandParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--settings")
    parser.add_argument("--pythonpath")
    options, _ = parser.parse_known_args(list(arguments))
    handle_default_options(options)


def _mixed_modes(arguments: Sequence[str]) -> str:
    """Return the remedies where test and live would mix, empty if nothing does (DESIGN.md, invariant 10)."""
    if not arguments or arguments[0] in LOOKING_ONLY:
        return ""
    found = [
        problem.remedy
        for name, wiring in WIRINGS.items()
        if name in settings.PAYMENTS_PROVIDERS
        for problem in wiring.problems()
        if problem.code in wiring.mixed_modes
    ]
    return "\n".join(found)


def _say(error: Exception, code: int) -> int:
    sys.stderr.write(f"{error}\n")
    return code
