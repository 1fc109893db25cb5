"""What the application's database role may do: everything it needs, and no rewriting of what is append-only."""

from __future__ import annotations

from collections.abc import Iterable

from django.apps import apps
from django.db import connections
from psycopg import sql

APPEND_ONLY = (
    "orders_transition",
    "payments_ledgertransaction",
    "payments_ledgerentry",
    "payments_accountingperiod",
    "payments_accountbalance",
    "payments_look",
    "payments_paymenttry",
    "payments_disputemovement",
    "payments_note",
    "payments_casenote",
    "integrations_outboxevent",
    "integrations_deliveryreplay",
    "integrations_deliveryrepeat",
    "integrations_deliveryskip",
    "integrations_encryptionkey",
    "integrations_decryptionrecord",
    "auditlog_logentry",
    "payments_auditrecord",
    "payments_auditseal",
    "payments_sealedrows",
    "payments_reconciliationfinding",
    "payments_balanceentry",
    "payments_payoutline",
    "payments_bankline",
    "payments_bankmatch",
    "payments_bankmatchundoing",
)
"""The role inserts and reads these; UPDATE, DELETE and TRUNCATE are refused by role and by trigger."""


def grant_application_role(*, using: str, role: str) -> None:
    """Give `role` its rights on all tables and sequences of the database `using`, and take back what is too much.

    Run by the owner after each `migrate`. Does nothing when owner and application are one role (not in production).
    """
    connection = connections[using]
    if connection.settings_dict["USER"] == role:
        return
    tables = connection.introspection.table_names(include_views=False)
    with connection.cursor() as cursor:
        for table in tables:
            may = "SELECT, INSERT" if table in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
            names = {"table": sql.Identifier(table), "role": sql.Identifier(role)}
            cursor.execute(sql.SQL("REVOKE ALL ON {table} FROM {role}").format(**names))
            cursor.execute(sql.SQL(f"GRANT {may} ON {{table}} TO {{role}}").format(**names))
        grantee = sql.Identifier(role)
        cursor.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(grantee))
        cursor.execute(sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}").format(grantee))


def missing_tables(names: Iterable[str] = APPEND_ONLY) -> list[str]:
    """Return the names in APPEND_ONLY that belong to no model: a renamed table would silently lose its protection."""
    known = {model._meta.db_table for model in apps.get_models(include_auto_created=True)}
    return [name for name in names if name not in known]
