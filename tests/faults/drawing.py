"""Draws a history from its seed, and says which rows of FAULTS.md one hit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tests.faults.afterwards import Afterwards
from tests.faults.histories import WEBHOOKS, Blow, History, Kill
from tests.faults.visitor import FLOWS

_OPENING: dict[str, Any] = {"method": "POST", "path_prefix": "/v1/checkout/sessions"}

PASSED: dict[str, dict[str, int]] = {
    "web": {
        "outbox.after_insert": 1, "order.before_commit": 1,
        "order.after_commit": 2, "attempt.committed": 2, "call.before_send": 2,
        "call.after_send": 3, "call.before_store": 3, "call.after_store": 3, "page.handed_out": 3,
        "inbox.before_commit": 14, "inbox.after_commit": 15, "nudge.before_queue": 15,
        "look.before_fetch": 9, "look.after_fetch": 9,
        "capture.before_posting": 19, "paid.before_fact": 19, "settle.before_commit": 19, "settle.after_commit": 19,
    },
    "look": {
        "event.claimed": 8, "attempt.claimed": 8, "look.before_fetch": 8, "look.after_fetch": 8,
        "capture.before_posting": 19, "paid.before_fact": 19, "outbox.after_insert": 19, "settle.before_commit": 19,
        "settle.after_commit": 19, "nudge.before_queue": 19,
        "call.before_send": 2, "call.after_send": 3, "call.before_store": 3, "call.after_store": 3,
    },
    "deliver": {
        "delivery.before_send": 23, "delivery.after_send": 23, "delivery.before_mark": 23, "delivery.after_mark": 23,
    },
    "tick": {"nudge.before_queue": 15},
}  # fmt: skip
"""Every failpoint from order commit to delivered fact, by the programs that pass it: its row in FAULTS.md."""

PROVIDER_FAULTS: dict[int, Sequence[dict[str, Any]]] = {
    4: (
        {"kind": "drop", "after": True, **_OPENING}, {"kind": "drop", **_OPENING},
        {"kind": "drop", "method": "GET", "path_prefix": "/v1/"},
        {"kind": "html_502", "times": 2, "path_prefix": "/v1/"},
        {"kind": "half_body", "path_prefix": "/v1/"}, {"kind": "truncated_json", "path_prefix": "/v1/"},
        {"kind": "rate_limit", "times": 2, "path_prefix": "/v1/"}, {"kind": "server_error", "path_prefix": "/v1/"},
    ),
    5: ({"kind": "delay", "seconds": 30, **_OPENING}, {"kind": "delay", "seconds": 30, "path_prefix": "/v1/"}),
    6: ({"kind": "stored_error", **_OPENING},),
}  # fmt: skip
RECEIVER_FAULTS: Sequence[dict[str, Any]] = (
    {"mode": "400"}, {"mode": "500"}, {"mode": "503", "retry_after": "1"}, {"mode": "429", "retry_after": "1"},
    {"mode": "hang", "seconds": 5}, {"mode": "half"}, {"mode": "redirect"},
    {"mode": "cut"}, {"mode": "cut", "keep": True}, {"mode": "500", "keep": True},
)  # fmt: skip
STEPS = ("opening", "paying", "returning")


def random_history(seed: int) -> History:
    """Return the history of this seed: a kill or a stall in each, and in some of them more that goes wrong."""
    draw = random.Random(seed)
    program = draw.choices(list(PASSED), weights=[len(names) for names in PASSED.values()])[0]
    kill = Kill(
        program,
        draw.choice(list(PASSED[program])),
        passes=draw.choice((1, 1, 1, 2, 3)),
        whole=draw.random() < 0.2,
        stalls_seconds=draw.choice((2, 8)) if draw.random() < 0.08 else 0,
    )
    provider = draw.choice([each for faults in PROVIDER_FAULTS.values() for each in faults])
    receiver = {**draw.choice(RECEIVER_FAULTS), "times": draw.choice((1, 2))}
    blow = Blow(draw.choice(("cut", "cut", "kill")), draw.choice(STEPS))
    return History(
        name=f"seed {seed}",
        flow=draw.choice(FLOWS),
        webhooks=draw.choice(WEBHOOKS),
        returns=draw.random() < 0.6,
        kill=kill,
        provider_fault=provider if draw.random() < 0.3 else None,
        receiver_fault=receiver if draw.random() < 0.2 else None,
        blow=blow if draw.random() < 0.1 else None,
    )


_ASKING: dict[str, Any] = {"method": "POST", "path_prefix": "/v1/refunds"}

DIES_AFTERWARDS: dict[str, tuple[str, ...]] = {
    "web": (
        "action.requested", "action.before_commit", "action.after_commit", "idempotency.bound",
        "call.before_send", "call.after_send", "call.before_store", "call.after_store", "look.before_fetch",
        "look.after_fetch", "refund.before_posting", "settle.before_commit", "settle.after_commit",
        "inbox.before_commit", "inbox.after_commit", "outbox.after_insert",
    ),
    "look": (
        "event.claimed", "attempt.claimed", "look.before_fetch", "look.after_fetch", "refund.before_posting",
        "dispute.before_posting", "outbox.after_insert", "settle.before_commit", "settle.after_commit",
        "call.before_send", "call.after_send", "call.before_store", "call.after_store",
    ),
    "deliver": ("delivery.before_send", "delivery.after_send", "delivery.before_mark", "delivery.after_mark"),
    "keep": ("payouts.before_commit", "payouts.between_pages", "payout.before_commit"),
}  # fmt: skip
"""Where refunds, disputes and payouts pass, by program."""
FAULTS_AFTERWARDS: Sequence[dict[str, Any]] = (
    {"kind": "drop", "after": True, **_ASKING}, {"kind": "drop", **_ASKING},
    {"kind": "delay", "seconds": 30, **_ASKING}, {"kind": "html_502", "times": 2, "path_prefix": "/v1/"},
    {"kind": "drop", "method": "GET", "path_prefix": "/v1/"}, {"kind": "rate_limit", "times": 2, "path_prefix": "/v1/"},
)  # fmt: skip
ACTS: Sequence[tuple[str, ...]] = (
    ("our_refund",), ("our_refund", "our_refund"), ("their_refund",), ("our_refund", "their_refund"),
    ("their_refund", "our_refund"), ("our_refund", "refund_fails"), ("their_refund", "refund_fails"),
    ("our_refund", "refund_fails", "our_refund"), ("dispute",), ("dispute", "dispute_won"), ("dispute", "dispute_lost"),
    ("our_refund", "dispute", "dispute_lost"), ("dispute", "dispute_won", "our_refund"), ("payout",),
    ("our_refund", "payout"), ("their_refund", "refund_fails", "payout"), ("their_refund", "payout", "payout_fails"),
    ("dispute", "dispute_won", "payout"), ("our_refund", "payout", "refund_fails", "payout"),
)  # fmt: skip


def random_afterwards(seed: int) -> Afterwards:
    """Return what becomes of a paid order's money by this seed: who dies over it, and in some more that goes wrong."""
    draw = random.Random(f"afterwards {seed}")
    acts = draw.choice(ACTS)
    programs = [name for name in DIES_AFTERWARDS if name != "keep" or "payout" in acts]
    program = draw.choice(programs)
    kill = Kill(
        program,
        draw.choice(DIES_AFTERWARDS[program]),
        passes=draw.choice((1, 1, 1, 2, 3)),
        whole=draw.random() < 0.1,
    )
    return Afterwards(
        name=f"seed {seed}",
        acts=acts,
        webhooks=draw.choice(WEBHOOKS),
        kills=(kill,),
        provider_fault=draw.choice(FAULTS_AFTERWARDS) if draw.random() < 0.3 else None,
    )


def hit_afterwards(afterwards: Afterwards, *, fired: bool) -> list[str]:
    """Return what it hit. `fired`: whether its failpoint was passed."""
    (kill,) = afterwards.kills
    found = [f"afterwards: {' '.join(afterwards.acts)}"]
    found += [f"afterwards: {kill.program} killed at {kill.failpoint}"] if fired else []
    if fault := afterwards.provider_fault:
        found.append(f"afterwards: provider {fault['kind']}")
    return [*found, f"afterwards: webhooks {afterwards.webhooks}"]


def hit(history: History, *, fired: bool) -> list[str]:
    """Return what a history hit, as `row of FAULTS.md: what`. `fired`: whether its failpoint was passed."""
    found = []
    if (kill := history.kill) and fired:
        row = 22 if kill.stalls_seconds else PASSED[kill.program][kill.failpoint]
        what = "stalled at" if kill.stalls_seconds else "killed at"
        found.append(f"{row:2}: {kill.program} {what} {kill.failpoint}")
    for row, faults in PROVIDER_FAULTS.items():
        found += [f"{row:2}: provider {fault['kind']}" for fault in faults if fault == history.provider_fault]
    if history.receiver_fault:
        found.append(f"26: receiver {history.receiver_fault['mode']}")
    if history.blow:
        found.append("28: PostgreSQL killed" if history.blow.what == "kill" else "29: every connection cut")
    if not history.returns:
        found.append(" 8: the browser never returns")
    row_of_webhooks = {"doubled": "12", "reordered": "13", "held": " 9", "lost": " –"}
    if history.webhooks in row_of_webhooks:
        found.append(f"{row_of_webhooks[history.webhooks]}: webhooks {history.webhooks}")
    return found
