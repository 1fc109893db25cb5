"""A migrated database that each process of a test run copies: to migrate takes many seconds, to copy one.

It stays on the server and is made anew when a migration or a library has changed. What else `migrate` does (groups,
permissions, grants), Django does in each copy again.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connections

PREFIX = "shop_migrated_"
_LOCK = 0x5A0B


def ready() -> str:
    """Return the template's name, once it is there. Whoever comes first makes it; the others wait for it."""
    owner = connections["owner"]
    name = f"{PREFIX}{_digest(Path(settings.BASE_DIR))}"
    with owner._nodb_cursor() as cursor:
        cursor.execute("SET lock_timeout = 0")  # the owner's is shorter than a migration on a busy machine
        cursor.execute("SELECT pg_advisory_lock(%s)", [_LOCK])  # until this connection ends
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
        there = {found for (found,) in cursor.fetchall()}
        if name in there:
            return name
        if settings.EMBEDDED_DATABASE:  # on a shared server they may be another checkout's
            for former in there:
                cursor.execute(f'DROP DATABASE "{former}"')
        unfinished = f"{name}_unfinished"
        cursor.execute(f'DROP DATABASE IF EXISTS "{unfinished}"')
        cursor.execute(f'CREATE DATABASE "{unfinished}"')
        _migrate(unfinished)
        cursor.execute(f'ALTER DATABASE "{unfinished}" RENAME TO "{name}"')
    return name


def _digest(base_dir: Path) -> str:
    """Return what the tables depend on as a few hexadecimal digits."""
    sources = [base_dir / "requirements.txt", *base_dir.glob("*/migrations/*.py")]
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sorted(sources))).hexdigest()[:16]


def _migrate(database: str) -> None:
    owner = connections["owner"]
    configured = owner.settings_dict["NAME"]
    owner.close()
    owner.settings_dict["NAME"] = database
    try:
        call_command("migrate", database="owner", verbosity=0, interactive=False)
    finally:
        owner.close()
        owner.settings_dict["NAME"] = configured
