"""No cause posts to the ledger that `verify_ledger` cannot check against its rows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from payments import chart
from payments.ledger_causes import CAUSES
from tests.architecture.sources import Source, dotted, parse, sources

REMEDY = (
    "Register it beside its posting function: payments.ledger_causes.register(Cause(kind=…, rows=…, expected=…)), with "
    "what a row of it must have posted (examples at the end of payments/ledger.py)."
)


def kinds_posted(source: Source) -> Iterator[tuple[str, str]]:
    """Yield each cause_kind that a call names, with where; `post(cause_kind=…)` is the only door to the ledger."""
    constants = {
        target.id: node.value.value
        for node in source.tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or not dotted(node.func).endswith("post"):
            continue
        for keyword in node.keywords:
            if keyword.arg == "cause_kind":
                told = keyword.value
                kind = told.value if isinstance(told, ast.Constant) else constants.get(dotted(told), ast.unparse(told))
                yield str(kind), source.at(node, str(kind))


def test_every_cause_that_is_posted_is_registered() -> None:
    posted = [told for source in sources() if "/migrations/" not in source.name for told in kinds_posted(source)]
    assert {kind for kind, _ in posted} >= {"capture", "fee", "application", "dispute_loss"}
    unknown = [where for kind, where in posted if kind not in CAUSES]
    assert not unknown, f"{unknown}. {REMEDY}"


def test_a_planted_cause_is_seen() -> None:
    planted = parse(
        "GIFT = 'gift'\npost(cause_kind='toy', cause_id=1)\nledger.post(cause_kind=GIFT)\npost(cause_kind=f())"
    )
    assert [kind for kind, _ in kinds_posted(planted)] == ["toy", "gift", "f()"]


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
