"""What Stripe says of a dispute, in our words; and evidence that never leaves, since it could not arrive."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from integrations.contract import DisputeMovement, EvidenceText, InvalidRequest, MovementKind, Unavailable
from integrations.providers.stripe import disputes

AT = 1_790_000_000


def told(**changes: Any) -> dict[str, Any]:
    return {
        "id": "du_1",
        "object": "dispute",
        "amount": 2000,
        "currency": "eur",
        "charge": "ch_1",
        "created": AT,
        "status": "needs_response",
        "reason": "product_not_received",
        "evidence_details": {"due_by": AT + 60, "submission_count": 0},
        "balance_transactions": [],
        **changes,
    }


def entry(**changes: Any) -> dict[str, Any]:
    return {"id": "txn_1", "object": "balance_transaction", "amount": -2000, "fee": 1500, "currency": "eur",
            "created": AT, **changes}  # fmt: skip


def test_a_chargeback_and_its_money() -> None:
    seen = disputes.snapshot(told(balance_transactions=[entry(), entry(id="txn_2", amount=2000, fee=-1500)]))
    at = datetime.fromtimestamp(AT, UTC)
    assert (seen.status, seen.reason, seen.opened_at, seen.capture_id) == ("open", "product_not_received", at, "ch_1")
    assert seen.movements == (
        DisputeMovement(
            entry_id="txn_1", kind=MovementKind.WITHDRAWN, amount_minor=2000, fee_minor=1500, currency="EUR", at=at
        ),
        DisputeMovement(
            entry_id="txn_2", kind=MovementKind.REINSTATED, amount_minor=2000, fee_minor=-1500, currency="EUR", at=at
        ),
    )


def test_money_in_the_currency_and_the_unit_of_the_balance() -> None:
    [moved] = disputes.snapshot(
        told(balance_transactions=[entry(amount=-250000, fee=150000, currency="isk")])
    ).movements
    assert (moved.amount_minor, moved.fee_minor, moved.currency) == (2500, 1500, "ISK")


def test_a_dispute_lowered_to_nothing_and_an_entry_that_moves_nothing() -> None:
    seen = disputes.snapshot(told(amount=0, balance_transactions=[entry(id="txn_0", amount=0, fee=0), entry()]))
    assert (seen.amount_minor, [each.entry_id for each in seen.movements]) == (0, ["txn_1"])


@pytest.mark.parametrize(
    ("status", "count", "submitted"),
    [
        ("needs_response", 0, False),
        ("needs_response", 1, False),  # an answered inquiry that became a chargeback
        ("warning_needs_response", 0, False),
        ("warning_under_review", 1, True),
        ("under_review", 1, True),
        ("won", 1, True),
        ("lost", 0, False),
    ],
)
def test_whether_the_bank_has_our_answer(status: str, count: int, submitted: bool) -> None:
    seen = disputes.snapshot(told(status=status, evidence_details={"submission_count": count}))
    assert seen.evidence_submitted is submitted


@pytest.mark.parametrize(
    "wrong",
    [
        {"balance_transactions": {}},
        {"balance_transactions": ["txn_1"]},
        {"balance_transactions": [entry(amount=None)]},
        {"balance_transactions": [entry(fee="15")]},
        {"evidence_details": "none"},
        {"created": -1},
        {"reason": 7},
        {"status": "new"},
    ],
    ids=str,
)
def test_what_is_not_as_documented_is_no_answer(wrong: dict[str, Any]) -> None:
    with pytest.raises(Unavailable):
        disputes.snapshot(told(**wrong))


class Client:
    """Stripe's client that must not be asked."""

    def ask_about(self, *_: Any) -> None:
        raise AssertionError("asked")

    @property
    def v1(self) -> Any:
        raise AssertionError("asked")


@pytest.mark.parametrize("texts", [{}, {EvidenceText.STATEMENT: ""}, {EvidenceText.STATEMENT: "x" * 150_001}], ids=len)
def test_no_evidence_and_too_much_are_not_sent(texts: dict[EvidenceText, str]) -> None:
    for send in (disputes.stage, disputes.submit):
        with pytest.raises(InvalidRequest):
            send(Client(), "du_1", texts, idempotency_key="k")  # type: ignore[arg-type]
