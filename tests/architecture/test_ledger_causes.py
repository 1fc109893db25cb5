"""No cause posts to the ledger that `verify_ledger` cannot check against its rows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from payments.ledger import chart
from payments.ledger import check as ledger_check  # noqa: F401  it has all causes registered
from payments.ledger.causes import CAUSES
from tests.architecture.sources import Source, dotted, parse, sources

REMEDY = (
    "Register it beside its posting function: payments.ledger.causes.register(Cause(kind=…, rows=…, expected=…)), with "
    "what a row of it must have posted (examples at the end of payments/ledger/posting.py)."
)


def kinds_posted(source: Source) -> Iterator[tuple[str, str]]:
    """Yield each cause_kind that a call names, with where; `post(cause_kind=…)` is the only door to the ledger."""
    constants = dict(named_texts(source))
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Call) or not dotted(node.func).endswith("post"):
            continue
        for told in (keyword.value for keyword in node.keywords if keyword.arg == "cause_kind"):
            if isinstance(told, ast.Constant):
                yield str(told.value), source.at(node, str(told.value))
            elif dotted(told) in constants:
                yield constants[dotted(told)], source.at(node, constants[dotted(told)])
            else:  # handed on by a function of this file: then each text it names is a cause
                yield from ((kind, source.at(node, kind)) for kind in constants.values() or [ast.unparse(told)])


def named_texts(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the file's constants that are texts."""
    for node in source.tree.body:
        if not isinstance(node, ast.Assign):
            continue
        for target in node.targets:
            pairs = (
                zip(target.elts, node.value.elts, strict=True)
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
                else [(target, node.value)]
            )
            yield from (
                (name.id, str(value.value))
                for name, value in pairs
                if isinstance(name, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, str)
            )


def test_every_cause_that_is_posted_is_registered() -> None:
    posted = [told for source in sources() if "/migrations/" not in source.name for told in kinds_posted(source)]
    assert {kind for kind, _ in posted} >= {"capture", "fee", "application", "dispute_loss", "payout", "exchange_to"}
    unknown = [where for kind, where in posted if kind not in CAUSES]
    assert not unknown, f"{unknown}. {REMEDY}"


def test_planted_causes_are_seen() -> None:
    planted = parse("A, B = 'a', 'b'\npost(cause_kind='toy')\nledger.post(cause_kind=A)\nledger.post(cause_kind=each)")
    assert [kind for kind, _ in kinds_posted(planted)] == ["toy", "a", "a", "b"]
    assert [kind for kind, _ in kinds_posted(parse("post(cause_kind=f())"))] == ["f()"]


def test_only_the_ledger_writes_transactions() -> None:
    writers = [
        source.name
        for source in sources()
        if "LedgerTransaction.objects.create" in source.text or "LedgerEntry.objects.bulk_create" in source.text
    ]
    assert writers == ["payments/ledger/posting.py"]


def test_each_cause_tells_people_what_it_does() -> None:
    accounts = {account.code for account in chart.CHART}
    for cause in CAUSES.values():
        assert cause.says.endswith("."), cause.kind
        for side in (cause.debit, cause.credit):
            assert any(code in side for code in accounts), f"{cause.kind}: {side!r} names no account of the chart"
