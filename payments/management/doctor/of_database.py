"""D010–D019: the database: there, migrated, guarded, reached safely."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader

from payments.grants import APPEND_ONLY
from payments.management.doctor.examination import Place, Skipped, examination

SKEW_SECONDS = 2
WRITES = ("UPDATE", "DELETE", "TRUNCATE")
_TRIGGERS = """
SELECT c.relname FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid
WHERE p.proname = 'shop_refuse_change' AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
GROUP BY c.relname HAVING bit_or(t.tgtype::int) & 56 = 56
"""
"""Tables whose UPDATE (16), DELETE (8) and TRUNCATE (32) are refused by an enabled trigger."""


@examination(
    "D010",
    holds="the database answers to the application's role",
    remedy="See DATABASE_URL, the server's log and pg_hba.conf; with the embedded server, `var/postgres`'s log.",
)
def database_answers(_: Place) -> list[str]:
    try:
        _rows("SELECT 1")
    except DatabaseError as error:
        return [f"{type(error).__name__}: no connection as {connection.settings_dict['USER'] or 'the present user'}."]
    return []


@examination(
    "D011",
    holds="every migration of this code is applied, and none that it does not know",
    remedy="Run `manage.py migrate` as the owner before the new code serves; after a rollback deploy the newer code.",
)
def migrated(_: Place) -> list[str]:
    loader = MigrationLoader(connection)
    applied, known = set(loader.applied_migrations), set(loader.disk_migrations)
    labels = {label for label, _ in known}
    return [
        *(f"not applied: {label} {name}" for label, name in sorted(set(loader.graph.nodes) - applied)),
        *(
            f"applied and unknown to this code: {label} {name}"
            for label, name in sorted(applied - known)
            if label in labels
        ),
    ]


@examination(
    "D012",
    holds="the application's role may not rewrite append-only tables, and triggers refuse it to everybody",
    remedy="Run `manage.py migrate` as the owner: it grants anew and makes the triggers. The application's role must "
    "not own the tables (docs/deploy.md).",
)
def append_only(_: Place) -> list[str]:
    there = {row[0] for row in _rows("SELECT relname FROM pg_class WHERE relname = ANY(%s)", [list(APPEND_ONLY)])}
    guarded = {row[0] for row in _rows(_TRIGGERS)}
    may = _rows(
        "SELECT t, p FROM unnest(%s::text[]) t, unnest(%s::text[]) p WHERE has_table_privilege(t, p)",
        [sorted(there), list(WRITES)],
    )
    return [
        *(f"{table}: there is no such table" for table in APPEND_ONLY if table not in there),
        *(f"{table}: no trigger refuses {', '.join(WRITES)}" for table in APPEND_ONLY if table in there - guarded),
        *(f"{table}: the role {connection.settings_dict['USER']} may {write}" for table, write in may),
    ]


@examination(
    "D013",
    holds="a database on another machine is reached over TLS",
    remedy="Add ?sslmode=verify-full (and sslrootcert) to DATABASE_URL.",
)
def database_tls(_: Place) -> list[str]:
    [(address, encrypted)] = _rows(
        "SELECT host(inet_server_addr()), (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid())"
    )
    if address is None or address in ("127.0.0.1", "::1"):
        raise Skipped("The database is on this machine.")
    return [] if encrypted else [f"The connection to {address} is not encrypted."]


@examination(
    "D014",
    holds="this machine's clock and the database's agree to 2 s",
    remedy="Let both machines keep time (chrony or systemd-timesyncd): signatures, leases and expiry depend on it.",
)
def database_clock(place: Place) -> list[str]:
    before = place.clock()
    [(theirs,)] = _rows("SELECT clock_timestamp()")
    after = place.clock()
    skew = max(before - theirs, theirs - after, timedelta())
    return [f"They differ by {skew.total_seconds():.1f} s."] if skew > timedelta(seconds=SKEW_SECONDS) else []


@examination(
    "D015",
    holds="application and owner are two roles",
    remedy="Make a role of its own for the application and set DATABASE_OWNER_URL (docs/deploy.md).",
)
def two_roles(_: Place) -> list[str]:
    users = {alias: entry.get("USER") for alias, entry in settings.DATABASES.items()}
    if users.get("owner") != users["default"]:
        return []
    if settings.ENVIRONMENT != "production":
        raise Skipped("One role does outside production.")
    return [f"Both are {users['default']}."]


def _rows(statement: str, parameters: list[Any] | None = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        rows: list[Any] = cursor.fetchall()
        return rows
