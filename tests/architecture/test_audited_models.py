"""The audit log sees save() and delete(); so the code changes rows of watched models by nothing else.

Each way round it is looked for in the source: queryset.update(), bulk_create(), bulk_update(), m2m clear() (which
auditlog tells wrongly), and SQL.
"""

import ast
import re

import pytest
from django.apps import apps

from payments.audit.audited import WATCHED
from tests.architecture.sources import Source, parse, sources

PAST_THE_LOG = {"update", "bulk_create", "bulk_update", "clear"}

ALLOWED = {
    # file:function, and why: the model is not spelt there, or the columns are not watched.
    "integrations/breaker.py:note": "what a machine has seen; people's pauses are saved",
    "integrations/breaker.py:take_probe": "a machine's try",
    "integrations/breaker.py:_locked": "a Breaker that says nothing yet",
    "payments/working.py:_tell_of_the_away": "Breaker.case_opened_at, which is not watched",
    "integrations/decryptions.py:record_all": "DecryptionRecord, append-only",
    "integrations/credentials.py:forget_ended": "Credential.value_sealed, which is not watched: its time is over",
    "integrations/credentials.py:note_warned": "Credential.expiry_told_days, which is not watched",
    "integrations/credentials_in_use.py:_note_use": "Credential.last_used_at, which is not watched",
    "payments/actions.py:_put_off": "StaffAction.next_try_at, which is not watched",
    "payments/idempotency.py:keep": "IdempotencyRecord, a work row",
    "payments/idempotency.py:release": "IdempotencyRecord, a work row",
    "payments/idempotency.py:_take": "IdempotencyRecord, a work row",
}

_tables = "|".join(apps.get_model(label)._meta.db_table for label in WATCHED)
_SQL = re.compile(rf'\b(?:UPDATE|INTO|DELETE\s+FROM|TRUNCATE)\s+"?(?:{_tables})\b', re.IGNORECASE)


def _watched_names() -> set[str]:
    return {label.rpartition(".")[2] for label in WATCHED} | {"get_user_model"}


def _model_names() -> set[str]:
    return {model.__name__ for model in apps.get_models(include_auto_created=True)}


def _root(node: ast.expr) -> str:
    """Return the name that a chain of calls and attributes begins with."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Call):
            node = node.func
        elif isinstance(node, ast.Attribute | ast.Subscript):
            node = node.value
        else:
            return ""
    return node.id


def past_the_log(source: Source) -> list[str]:
    if "/migrations/" in source.name or "/sandbox/" in source.name:
        return []
    functions = (node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef))
    return [
        source.at(node, ast.unparse(node)[:80])
        for function in functions
        if f"{source.name}:{function.name}" not in ALLOWED
        for node in ast.walk(function)
        if isinstance(node, ast.Call | ast.Constant) and (_goes_past(node) or _is_sql(node))
    ]


def _goes_past(node: ast.expr) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
        return False
    return node.func.attr in PAST_THE_LOG and _is_suspect(node, node.func)


def _is_sql(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(_SQL.search(node.value))


def _is_suspect(node: ast.Call, called: ast.Attribute) -> bool:
    root = _root(called.value)
    if root in _watched_names():
        return True
    if root in _model_names():
        return False
    # dict.update() and set.update() take a value; queryset.update() takes keywords only. A set is cleared, too.
    if called.attr == "update":
        return bool(node.keywords) and not node.args
    return called.attr != "clear" or "groups" in ast.unparse(called) or "permissions" in ast.unparse(called)


def test_nothing_changes_a_watched_row_past_the_audit_log() -> None:
    assert [find for source in sources() for find in past_the_log(source)] == []


@pytest.mark.parametrize(
    "breach",
    [
        "Product.objects.filter(pk=1).update(name='x')",
        "rows.update(paused=True)",
        "Price.objects.bulk_create(prices)",
        "rows.bulk_update(rows, ['name'])",
        "get_user_model().objects.update(is_active=False)",
        "user.groups.clear()",
        "cursor.execute('UPDATE orders_product SET name = 1')",
        "cursor.execute('delete from \"payments_case\"')",
    ],
)
def test_each_way_round_is_found(breach: str) -> None:
    assert past_the_log(parse(f"def f():\n    {breach}\n"))


@pytest.mark.parametrize(
    "fine", ["Delivery.objects.update(tries=1)", "found.update(ids)", "children.clear()", "Look.objects.bulk_create(x)"]
)
def test_what_is_fine_is_left_alone(fine: str) -> None:
    assert not past_the_log(parse(f"def f():\n    {fine}\n"))


def test_exclusions_name_files_that_exist() -> None:
    assert {listed.partition(":")[0] for listed in ALLOWED} <= {source.name for source in sources()}
