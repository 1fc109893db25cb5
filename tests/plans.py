"""Query plans in tests: what the planner knows of a table must not hang on when autovacuum came by."""

from __future__ import annotations

from django.db import connections


def analyze() -> None:
    """Let the owner count what stands in the tables. Their rows must be committed (`django_db(transaction=True)`)."""
    with connections["owner"].cursor() as cursor:
        cursor.execute("ANALYZE")
