"""The checker that holds answers against the SDK's annotations must itself see what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox import shapes

REFUND: dict[str, Any] = {
    "id": "re_1",
    "object": "refund",
    "amount": 5,
    "created": 1,
    "currency": "eur",
    "reason": "duplicate",
    "charge": "ch_1",
    "metadata": {"a": "b"},
    "destination_details": {"type": "card", "card": {"type": "refund"}},
}


def test_a_right_object_has_no_problem() -> None:
    assert shapes.problems(REFUND) == []


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"colour": "red"}, "unknown key 'colour'"),
        ({"amount": "5"}, "'5' is not int"),
        ({"amount": True}, "True is not int"),
        ({"amount": 5.5}, "5.5 is not int"),
        ({"currency": None}, "None is not str"),
        ({"reason": "whim"}, "'whim' is not among"),
        ({"object": "refund", "charge": {"object": "refund"}}, "fits none of"),
        ({"metadata": {"a": 1}}, "1 is not str"),
        ({"destination_details": {"type": "card", "card": {"type": "gift"}}}, "'gift' is not among"),
        ({"destination_details": {"card": {"type": "refund"}}}, "required key 'type' is missing"),
        ({"charge": {"object": "charge"}}, "required key 'amount' is missing"),
    ],
)
def test_each_kind_of_fault_is_seen(changes: dict[str, Any], problem: str) -> None:
    assert problem in " / ".join(shapes.problems({**REFUND, **changes}))


def test_a_missing_key_is_seen() -> None:
    assert shapes.problems({key: value for key, value in REFUND.items() if key != "currency"}) == [
        "Refund: required key 'currency' is missing"
    ]


def test_a_list_is_checked_item_by_item() -> None:
    page = {"object": "list", "data": [REFUND, {**REFUND, "amount": None}], "has_more": False, "url": "/v1/refunds"}
    assert shapes.problems(page) == ["list.data[1].amount: None is not int"]
    assert shapes.problems({**page, "data": [], "total": 1})


def test_an_error_is_checked() -> None:
    assert shapes.error_problems({"error": {"type": "card_error", "message": "No"}}) == []
    assert shapes.error_problems({"error": {"message": "No"}}) == ["error: required key 'type' is missing"]
    assert shapes.error_problems({"error": {"type": "card_error", "severity": 1}})
    assert shapes.error_problems({"detail": "No"})
