"""No cause posts to the ledger that `verify_ledger` cannot check against its rows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from payments import chart
from payments.ledger_causes import CAUSES
from tests.architecture.sources import Source, parse, sources

REMEDY = (
    "Register it beside its posting function: payments.ledger_causes.register(Cause(kind=…, rows=…, expected=…)), with "
    "what a row of it must have posted (examples at the end of payments/ledger.py)."
)


def kinds_posted(source: Source) -> Iterator[tuple[str, str]]:
    """Yield each cause_kind that a call names, with where; `post(cause_kind=…)` is the only door to the ledger."""
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call):
            continue
        for keyword in node.keywords:
            if keyword.arg == "cause_kind" and isinstance(keyword.value, ast.Constant):
                yield str(keyword.value.value), source.at(node, str(keyword.value.value))


def test_every_cause_that_is_posted_is_registered() -> None:
    posted = [told for source in sources() if "/migrations/" not in source.name for told in kinds_posted(source)]
    assert {kind for kind, _ in posted} >= {"capture", "fee", "application"}
    unknown = [where for kind, where in posted if kind not in CAUSES]
    assert not unknown, f"{unknown}. {REMEDY}"


def test_a_planted_cause_is_seen() -> None:
    planted = parse("post(cause_kind='gift', cause_id=1)")
    assert [kind for kind, _ in kinds_posted(planted)] == ["gift"]


def test_only_the_ledger_writes_transactions() -> None:
    writers = [
        source.name
        for source in sources()
        if "LedgerTransaction.objects.create" in source.text or "LedgerEntry.objects.bulk_create" in source.text
    ]
    assert writers == ["payments/ledger.py"]


def test_each_cause_tells_people_what_it_does() -> None:
    accounts = {account.code for account in chart.CHART}
    for cause in CAUSES.values():
        assert cause.says.endswith("."), cause.kind
        for side in (cause.debit, cause.credit):
            assert any(code in side for code in accounts), f"{cause.kind}: {side!r} names no account of the chart"
