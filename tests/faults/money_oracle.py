"""What must be true of a paid order's money once things are quiet: here as at the provider, posted, told once.

Asks the tables, the sandbox and the receiver, never the code under test."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.faults import oracle
from tests.faults.oracle import unless
from tests.faults.world import World

if TYPE_CHECKING:
    from tests.faults.afterwards import Money

DISPUTED = {
    "needs_response": ("open", "disputes"),
    "under_review": ("under_review", "disputes"),
    "lost": ("lost", "dispute_losses"),
    "won": ("won", ""),
}
"""Of the provider's word for a dispute: ours, and the account on which its money stands."""
FAILED = ("failed", "canceled")


def waiting(world: World, order_id: int, money: Money) -> list[str]:
    """Return what is still under way; empty once it is quiet."""
    rows = world.rows(
        "SELECT 'refund' AS what, id, state FROM payments_refund WHERE order_id = %s"
        " AND state IN ('requested', 'pending')"
        " UNION ALL SELECT 'action', id, state FROM payments_staffaction WHERE order_id = %s AND state = 'requested'",
        order_id,
        order_id,
    )
    found = [f"{row['what']} {row['id']} is {row['state']}" for row in rows]
    for payout_id in money.payouts:
        theirs = world.control.get(payout_id)["status"]
        known = world.rows("SELECT said, explained_at FROM payments_payout WHERE payout_id = %s", payout_id)
        seen = [row for row in known if row["said"] == theirs and row["explained_at"]]
        found += unless(f"payout {payout_id} ({theirs}) is {known}", bool(seen))
    return found


def problems(world: World, order: dict[str, Any], money: Money) -> list[str]:
    """Return what is lost, doubled, wrong or hidden; empty if nothing is."""
    attempt = money.order.attempts()[0]
    (effect,) = [each for each in world.control.effects() if each.metadata.get("attempt") == attempt["reference"]]
    refunds = world.rows("SELECT * FROM payments_refund WHERE order_id = %s ORDER BY id", order["id"])
    disputes = world.rows("SELECT * FROM payments_dispute WHERE order_id = %s", order["id"])
    facts = oracle.facts_of(world, order)
    return [
        *_refunds(world, effect, refunds),
        *_disputes(effect, disputes),
        *_states(order, attempt, refunds),
        *_ledger(world, order, effect),
        *_facts(facts, refunds, disputes),
        *oracle.heard_once(world, order, facts),
        *oracle.answers(world),
        *_cases(world, order, refunds, disputes),
        *_payouts(world, money),
    ]


def _refunds(world: World, effect: Any, refunds: list[dict[str, Any]]) -> list[str]:
    """Each refund is there and here, once, of the same amount, and as it ended; ours were made once each."""
    theirs = sorted(
        (each["id"], each["amount"], "failed" if each["status"] in FAILED else each["status"])
        for each in effect.refunds
    )
    ours = sorted((row["refund_id"], row["amount_minor"], row["state"]) for row in refunds if row["refund_id"])
    found = unless(f"refunds here {ours}, at the provider {theirs}", ours == theirs)
    named = (world.control.get(each["id"])["metadata"].get("refund", "") for each in effect.refunds)
    made = Counter(reference for reference in named if reference)
    found += unless(f"refunds of ours at the provider: {made}", set(made.values()) <= {1})
    references = {row["reference"] for row in refunds if row["made_by"] == "ours" and row["refund_id"]}
    found += unless(f"ours here {references}, there {made}", references == set(made))
    held = sum(row["amount_minor"] for row in refunds if row["made_by"] == "ours" and row["state"] != "failed")
    return found + unless(f"{held} refunded of {effect.captured_minor}", held <= effect.captured_minor)


def _disputes(effect: Any, disputes: list[dict[str, Any]]) -> list[str]:
    theirs = sorted((each["id"], DISPUTED[each["status"]][0]) for each in effect.disputes)
    ours = sorted((row["dispute_id"], row["state"]) for row in disputes)
    return unless(f"disputes here {ours}, at the provider {theirs}", ours == theirs)


def _gone(effect: Any) -> int:
    return sum(each["amount"] for each in effect.refunds if each["status"] == "succeeded")


def _states(order: dict[str, Any], attempt: dict[str, Any], refunds: list[dict[str, Any]]) -> list[str]:
    gone = sum(row["amount_minor"] for row in refunds if row["state"] == "succeeded")
    expected = "refunded" if gone >= order["total_minor"] else "partially_refunded" if gone else "paid"
    states = (order["state"], attempt["state"])
    return unless(f"order and attempt are {states}, not {expected}", states == (expected, expected))


def _ledger(world: World, order: dict[str, Any], effect: Any) -> list[str]:
    """What was taken, went back and is held by banks stands on its accounts; the provider holds the rest."""
    rows = world.rows(
        """
        SELECT e.account, sum(e.amount_minor) AS minor FROM payments_ledgerentry e
        JOIN payments_ledgertransaction t ON t.id = e.transaction_id
        WHERE t.cause_kind IN ('capture', 'fee')
          AND t.cause_id IN (SELECT id FROM payments_capture WHERE order_id = %s)
        OR t.cause_kind IN ('refund', 'refund_reversal')
          AND t.cause_id IN (SELECT id FROM payments_refund WHERE order_id = %s)
        OR t.cause_kind IN ('dispute_movement', 'dispute_fee', 'dispute_loss')
          AND t.cause_id IN (SELECT m.id FROM payments_disputemovement m
                             JOIN payments_dispute d ON d.id = m.dispute_id WHERE d.order_id = %s)
        GROUP BY e.account
        """,
        *[order["id"]] * 3,
    )
    stands = {row["account"]: int(row["minor"]) for row in rows if row["minor"]}
    held = stands.pop("clearing:stripe", 0) + stands.pop("fees", 0)
    expected = Counter({"sales": -order["total_minor"], "refunds": _gone(effect)})
    for each in effect.disputes:
        expected[DISPUTED[each["status"]][1]] += each["amount"]
    expected.pop("", None)
    wanted = {account: minor for account, minor in expected.items() if minor}
    theirs = effect.captured_minor - _gone(effect) - effect.withdrawn_minor
    found = unless(f"ledger {stands}, not {wanted}", stands == wanted)
    return found + unless(f"before fees we say the provider holds {held}; it holds {theirs}", held == theirs)


def _facts(facts: list[dict[str, Any]], refunds: list[dict[str, Any]], disputes: list[dict[str, Any]]) -> list[str]:
    """Each thing that became true was told once."""
    told: Counter[tuple[str, str]] = Counter()
    for fact in facts:
        about = fact["payload"].get("refund_reference") or fact["payload"].get("dispute") or ""
        told[(fact["fact"], about)] += 1
    expected = Counter({("order.placed", ""): 1, ("order.paid", ""): 1})
    for row in refunds:
        had_left = row["succeeded_at"] is not None
        expected[("refund.succeeded", row["reference"])] += had_left
        expected[("refund.failed", row["reference"])] += row["state"] == "failed" and (
            had_left or row["made_by"] == "ours"
        )
    for row in disputes:
        expected[("dispute.opened", row["dispute_id"])] += 1
        expected[("dispute.closed", row["dispute_id"])] += row["closed_at"] is not None
    return unless(f"told {told}, true are {+expected}", told == +expected)


def _cases(
    world: World, order: dict[str, Any], refunds: list[dict[str, Any]], disputes: list[dict[str, Any]]
) -> list[str]:
    """A person hears of what nobody here asked for, of what failed and of disputes; and of nothing else."""
    cases = world.rows(
        "SELECT kind, subject_kind, subject_id, closed_at, theirs FROM payments_case WHERE order_id = %s", order["id"]
    )
    wanted = set()
    for row in refunds:
        if row["state"] != "failed" and row["made_by"] == "theirs":
            wanted.add(("provider_refund", "refund", row["id"]))
        if row["state"] == "failed" and (row["succeeded_at"] or row["made_by"] == "ours"):
            wanted.add(("refund_failed", "refund", row["id"]))
    wanted |= {("provider_dispute", "dispute", row["id"]) for row in disputes if row["state"] != "won"}
    still = {(row["kind"], row["subject_kind"], row["subject_id"]) for row in cases if row["closed_at"] is None}
    found = unless(f"cases {still}, not {wanted}", still == wanted)
    moves = world.rows(
        """
        SELECT subject_kind, subject_id, event FROM orders_transition WHERE forbidden AND (
          (subject_kind = 'order' AND subject_id = %s)
          OR (subject_kind = 'attempt' AND subject_id IN (SELECT id FROM payments_paymentattempt WHERE order_id = %s))
          OR (subject_kind = 'refund' AND subject_id IN (SELECT id FROM payments_refund WHERE order_id = %s))
          OR (subject_kind = 'dispute' AND subject_id IN (SELECT id FROM payments_dispute WHERE order_id = %s)))
        """,
        *[order["id"]] * 4,
    )
    return found + unless(f"forbidden: {moves}", not moves)


def _payouts(world: World, money: Money) -> list[str]:
    """Each payout is as the provider says, and explained to the cent, or a case."""
    found = []
    for payout_id in money.payouts:
        (row,) = world.rows("SELECT * FROM payments_payout WHERE payout_id = %s", payout_id)
        theirs = world.control.get(payout_id)
        same = (row["amount_minor"], row["state"]) == (theirs["amount"], theirs["status"])
        found += unless(f"payout here {row['amount_minor']}, {row['state']}, at the provider {theirs}", same)
        explained = row["remainder_minor"] == 0 and not row["unexplained_entries"]
        case = world.rows(
            "SELECT 1 FROM payments_case WHERE kind = 'payout_remainder' AND subject_id = %s AND closed_at IS NULL",
            row["id"],
        )
        found += unless(f"payout {payout_id} is not explained, and there is no case", explained or bool(case))
    return found
