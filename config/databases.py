"""DATABASE_URL and DATABASE_OWNER_URL as DATABASES: `default` is the application's role, `owner` owns the tables."""

from __future__ import annotations

from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from config.readers import Reader

CONN_MAX_AGE_SECONDS = 60
CONNECT_TIMEOUT_SECONDS = 5
APP_LOCK_TIMEOUT_MS = 5_000
APP_STATEMENT_TIMEOUT_MS = 25_000
APP_IDLE_IN_TRANSACTION_MS = 30_000
OWNER_LOCK_TIMEOUT_MS = 5_000

_KEYS = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}

# A peer that vanished without a word is noticed in about 25 s instead of the kernel's 2 h.
_KEEPALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3}


def parse_database_url(read: Reader, name: str) -> dict[str, Any]:
    """Return the URL of variable `name` as HOST, PORT, NAME, USER, PASSWORD and libpq's other parameters (OPTIONS)."""
    text = read.text(name)
    if not text:
        return {}
    remedy = "Write postgresql://role:password@host/database?sslmode=verify-full."
    if not text.startswith(("postgresql://", "postgres://")):
        read.problem(name, "is no PostgreSQL URL", remedy)
        return {}
    try:
        parameters = {key: str(value) for key, value in conninfo_to_dict(text).items() if value is not None}
    except ProgrammingError as error:
        # libpq may quote the URL, and with it the password: only its own words before that are shown.
        read.problem(
            name, f"cannot be understood ({str(error).partition(':')[0].partition(chr(34))[0].strip()})", remedy
        )
        return {}
    if not all(port.isascii() and port.isdigit() for port in parameters.get("port", "5432").split(",") if port):
        read.problem(name, "has a port that is no number", remedy)
    if missing := [key for key in ("dbname", "user") if not parameters.get(key)]:
        read.problem(name, f"names no {' and no '.join(missing)}", remedy)
    entry: dict[str, Any] = {django: parameters.pop(libpq, "") for libpq, django in _KEYS.items()}
    return {**entry, "OPTIONS": parameters}


def django_databases(*, app: dict[str, Any], owner: dict[str, Any], pooler: bool = False) -> dict[str, dict[str, Any]]:
    """Return DATABASES for two parsed addresses. With `pooler`, `app` is PgBouncer in transaction mode."""
    return {
        # Tests make the database as its owner and run in it as the application.
        "default": {**_entry(app, _app_timeouts(), pooler=pooler), "TEST": {"MIRROR": "owner"}},
        "owner": _entry(owner, {"lock_timeout": OWNER_LOCK_TIMEOUT_MS}, pooler=False),
    }


def _app_timeouts() -> dict[str, int]:
    return {
        "lock_timeout": APP_LOCK_TIMEOUT_MS,
        "statement_timeout": APP_STATEMENT_TIMEOUT_MS,
        "idle_in_transaction_session_timeout": APP_IDLE_IN_TRANSACTION_MS,
    }


def _entry(parsed: dict[str, Any], timeouts: dict[str, int], *, pooler: bool) -> dict[str, Any]:
    options: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT_SECONDS, **_KEEPALIVE, "application_name": "shop"}
    if pooler:
        options["prepare_threshold"] = None
    else:
        options["options"] = " ".join(f"-c {name}={value}" for name, value in timeouts.items())
    return {
        "ENGINE": "django.db.backends.postgresql",
        **parsed,
        "CONN_MAX_AGE": CONN_MAX_AGE_SECONDS,
        "CONN_HEALTH_CHECKS": True,
        "DISABLE_SERVER_SIDE_CURSORS": pooler,
        "OPTIONS": {**options, **parsed.get("OPTIONS", {})},
    }
