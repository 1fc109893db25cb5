"""Rules of DESIGN.md and STYLE.md that a reader of the code alone can hold. Exclusions stand beside their rule.

The layers themselves are import-linter's (`pyproject.toml`, `make check`).
"""

import ast
from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatch
from pathlib import PurePosixPath

import pytest

from tests.architecture.sources import Source, dotted, imported, parse, sources

FORBIDDEN_MODULES = {"services", "selectors", "utils", "helpers", "common"}

LONGEST_FILE_LINES = 400
LONGER_FILES: set[str] = set()

LONGEST_FUNCTION_LINES = 70
LONGER_FUNCTIONS: set[str] = set()

# What may ask for the time: the outermost callers, who pass it on.
CLOCK_READERS = (
    "config/*",
    "*/views.py",
    "*/views/*",
    "*/tasks.py",
    "*/middleware.py",
    "*/management/commands/*",
    "*/migrations/*",
    "orders/storefront/*",
    "payments/shop/*",
    "payments/backoffice/*",
    "payments/templatetags/backoffice_home.py",  # a part of the first page, which is Django's own view
    "payments/webhooks.py",
    "integrations/apps.py",  # the hook that django-q2 calls after each task
    "integrations/providers/__init__.py",  # verbs take no clock: their breaker is given one here
    "integrations/sandbox/*",  # plays another company's server, which has a clock of its own
)
CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "timezone.now", "timezone.localtime",
    "timezone.localdate", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.date.today",
    "django.utils.timezone.now", "time.time", "time.time_ns",
}  # fmt: skip

# Where seconds and ratios are no money: there floats may be.
FLOAT_USERS = (
    "config/*",
    "integrations/http*.py",
    "integrations/guard.py",
    "integrations/breaker.py",
    "integrations/delivery*.py",
    "integrations/wakeups.py",
    "integrations/tasks.py",
    "integrations/sandbox/*",
    "integrations/strict_json.py",  # refuses numbers without end; an event's amounts are only hints
    "payments/management/commands/*",
    "payments/tasks.py",
    "*/migrations/*",
)

UNPICKLERS = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "jsonpickle"}

# import-linter sees first names only; these share theirs with harmless modules.
SOCKETS = {"http.client", "http.server", "urllib.request", "django.core.mail", "multiprocessing.connection"}
SOCKET_OPENERS = ("integrations/*",)


def _is_one_of(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def forbidden_name(source: Source) -> list[str]:
    path = PurePosixPath(source.name)
    return [source.name] if FORBIDDEN_MODULES & {*path.parent.parts, path.stem} else []


def too_long(source: Source) -> list[str]:
    lines = source.text.count("\n")
    if source.name in LONGER_FILES or "/migrations/" in source.name or lines <= LONGEST_FILE_LINES:
        return []
    return [f"{source.name}: {lines} lines"]


def too_long_function(source: Source) -> list[str]:
    functions = (node for node in ast.walk(source.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [
        source.at(node, node.name)
        for node in functions
        if (node.end_lineno or node.lineno) - node.lineno >= LONGEST_FUNCTION_LINES
        and f"{source.name}:{node.name}" not in LONGER_FUNCTIONS
    ]


def clock_reading(source: Source) -> list[str]:
    if _is_one_of(source.name, CLOCK_READERS):
        return []
    return [
        source.at(node, dotted(node))
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Attribute) and dotted(node) in CLOCKS
    ]


def float_in_money_code(source: Source) -> list[str]:
    if _is_one_of(source.name, FLOAT_USERS):
        return []
    sleeps = (
        node for node in ast.walk(source.tree) if isinstance(node, ast.Call) and dotted(node.func) == "time.sleep"
    )
    seconds = {argument for sleep in sleeps for argument in sleep.args}
    return [source.at(node, ast.unparse(node)) for node in _makers_of_floats(source) if node not in seconds]


def _makers_of_floats(source: Source) -> Iterator[ast.expr]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            yield node
        if isinstance(node, ast.Call) and dotted(node.func) == "float":
            yield node


def unpickling(source: Source) -> list[str]:
    return [source.at(node, name) for node, name in imported(source) if name.partition(".")[0] in UNPICKLERS]


def socket_outside_the_edge(source: Source) -> list[str]:
    if _is_one_of(source.name, SOCKET_OPENERS):
        return []
    return [source.at(node, name) for node, name in imported(source) if name in SOCKETS]


RULES: dict[Callable[[Source], list[str]], Source] = {
    # rule: a file that breaks it
    forbidden_name: parse("", "orders/common/money.py"),
    too_long: parse("x = 1\n" * 401),
    too_long_function: parse("def f():\n" + "    x = 1\n" * 70),
    clock_reading: parse("from django.utils import timezone\nat = timezone.now()\n"),
    float_in_money_code: parse("amount = int(float('19.99') * 100)\n"),
    unpickling: parse("from pickle import loads\n"),
    socket_outside_the_edge: parse("from http.client import HTTPSConnection\n"),
}


def name_of(rule: object) -> str:
    return getattr(rule, "__name__", "")


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_code_keeps_the_rule(rule: Callable[[Source], list[str]]) -> None:
    assert [find for source in sources() for find in rule(source)] == []


@pytest.mark.parametrize(("rule", "breach"), RULES.items(), ids=name_of)
def test_rule_finds_its_breach(rule: Callable[[Source], list[str]], breach: Source) -> None:
    assert rule(breach)


def test_exclusions_name_files_that_exist() -> None:
    names = {source.name for source in sources()}
    assert {listed.partition(":")[0] for listed in LONGER_FILES | LONGER_FUNCTIONS} <= names
