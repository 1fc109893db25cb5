"""DATABASES as Django gets them: two roles, health checks, limits on time; and what PgBouncer needs."""

from __future__ import annotations

import pytest
from django.db import connection, connections

from config.databases import django_databases

APP = {"HOST": "db", "PORT": "", "NAME": "shop", "USER": "app", "PASSWORD": "x", "OPTIONS": {"sslmode": "verify-full"}}
OWNER = {**APP, "USER": "owner"}


def test_every_connection_is_kept_checked_and_limited() -> None:
    databases = django_databases(app=APP, owner=OWNER)
    assert {entry["CONN_MAX_AGE"] for entry in databases.values()} == {60}
    assert all(entry["CONN_HEALTH_CHECKS"] for entry in databases.values())
    assert all(entry["OPTIONS"]["sslmode"] == "verify-full" for entry in databases.values())
    assert all("lock_timeout" in entry["OPTIONS"]["options"] for entry in databases.values())
    assert "statement_timeout" not in databases["owner"]["OPTIONS"]["options"], "a migration may take its time"
    assert "pool" not in databases["default"]["OPTIONS"], "qcluster forks with a pool"


def test_tests_migrate_as_owner_and_run_as_application() -> None:
    assert django_databases(app=APP, owner=OWNER)["default"]["TEST"] == {"MIRROR": "owner"}


def test_pgbouncer_gets_neither_prepared_statements_nor_start_up_options() -> None:
    entry = django_databases(app=APP, owner=OWNER, pooler=True)["default"]
    assert entry["DISABLE_SERVER_SIDE_CURSORS"]
    assert entry["OPTIONS"]["prepare_threshold"] is None
    assert "options" not in entry["OPTIONS"]


def test_what_the_url_says_wins() -> None:
    app = {**APP, "OPTIONS": {"connect_timeout": "2", "target_session_attrs": "read-write"}}
    options = django_databases(app=app, owner=OWNER)["default"]["OPTIONS"]
    assert options["connect_timeout"] == "2"
    assert options["target_session_attrs"] == "read-write"


@pytest.mark.django_db
def test_the_limits_are_in_force() -> None:
    def show(alias: str, name: str) -> str:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT current_setting(%s)", [name])
            return str(cursor.fetchone()[0])

    assert show("default", "lock_timeout") == "5s"
    assert show("default", "statement_timeout") == "25s"
    assert show("default", "idle_in_transaction_session_timeout") == "30s"
    assert connection.settings_dict["USER"] != connections["owner"].settings_dict["USER"]
