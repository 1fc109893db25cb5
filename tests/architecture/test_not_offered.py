"""Every place that asks a provider for what not all of them offer, and the capability by which it knows.

A new place fails until somebody has written down here how it knows.
"""

from __future__ import annotations

import ast

import pytest

from integrations.contract import not_offered
from integrations.contract.provider import Capabilities
from tests.architecture.sources import Source, dotted, parse, sources

VERBS = frozenset(
    name
    for each in vars(not_offered).values()
    if isinstance(each, type) and each.__name__.startswith("Without")
    for name in vars(each)
    if not name.startswith("_")
) - {"verify", "prove"}  # one without webhooks rejects what comes in its name

KNOWS_BY = {
    ("payments/backfill.py", "list_events"): "events_backfill_days",
    ("payments/disputes/calls.py", "accept_dispute"): "disputes",
    ("payments/disputes/calls.py", "stage_evidence"): "evidence_max_characters",
    ("payments/disputes/calls.py", "submit_evidence"): "evidence_max_characters",
    # A capture is prepared only where a snapshot's next_step says so, and a token comes from the provider's own form.
    ("payments/calls/money.py", "capture"): "moved_by_us",
    ("payments/calls/money.py", "pay_with_token"): "presentations",
    ("payments/shop/form_page.py", "form"): "presentations",
    ("payments/payouts/mirror.py", "fetch_payout"): "payouts",
    ("payments/payouts/mirror.py", "list_balance_entries"): "balance_entries",
    ("payments/payouts/mirror.py", "list_payouts"): "payouts",
    ("payments/payouts/mirror.py", "payout_entries"): "payouts",
    ("payments/reconciliation/confirming.py", "find_capture"): "lists_payments",
    ("payments/reconciliation/sides.py", "list_captures"): "lists_payments",
    ("payments/reconciliation/sides.py", "list_refunds"): "lists_payments",
}


def asked(source: Source) -> set[tuple[str, str]]:
    """Return the optional verbs that a file calls on what it names a provider or adapter."""
    found = set()
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in VERBS:
            whose = node.func.value
            name = dotted(whose.func) if isinstance(whose, ast.Call) else dotted(whose)
            if name == "providers.get" or name.rpartition(".")[2].lstrip("_") in ("provider", "adapter"):
                found.add((source.name, node.func.attr))
    return found


def test_each_place_is_known() -> None:
    places = {place for source in sources() if source.name.startswith("payments/") for place in asked(source)}
    assert places == set(KNOWS_BY)


def test_each_knows_by_a_capability() -> None:
    assert set(KNOWS_BY.values()) <= set(Capabilities.__slots__)


@pytest.mark.parametrize(
    "planted",
    ["providers.get(name).list_payouts(since=since)", "provider.capture(request)", "self._adapter.form(ids)"],
)
def test_a_planted_one_is_found(planted: str) -> None:
    assert asked(parse(planted, name="payments/planted.py"))
