"""PayPal's lists through the SDK against the stand-in: transactions over a stretch of time, events, disputes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.contract import (
    EvidenceText,
    InvalidRequest,
    ListedStatus,
    Mode,
    MovementKind,
    ProviderIds,
    UnknownObject,
)
from integrations.providers.paypal import listing
from integrations.providers.paypal.adapter import PayPalProvider
from integrations.sandbox.paypal.captures import fee_of
from integrations.sandbox.paypal.control import PayPalControl
from tests.integrations.paypal.conftest import capture_request, new_key, start_request


def pay(adapter: PayPalProvider, control: PayPalControl, **outcome: str) -> tuple[ProviderIds, str]:
    asked = start_request()
    ids = adapter.start(asked, idempotency_key=new_key()).ids
    control.approve(ids.page_id, **outcome)
    adapter.capture(capture_request(ids, asked), idempotency_key=new_key())
    return ids, control.effects()[-1].charges[0]["id"]


def lately() -> tuple[datetime, datetime]:
    now = datetime.now(UTC)
    return now - timedelta(hours=1), now + timedelta(minutes=1)


def test_a_listed_capture_says_what_a_look_says(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids, capture = pay(adapter, control)
    since, until = lately()
    [listed] = adapter.list_captures(since=since, until=until).items
    looked = adapter.fetch(ids)
    assert (listed.capture_id, listed.reference, listed.status) == (capture, looked.reference, ListedStatus.CAPTURED)
    assert (listed.amount_minor, listed.currency, listed.fee_minor) == (4990, "EUR", fee_of(4990, "EUR"))
    assert (listed.ids, listed.account, listed.mode) == (ids, looked.account, Mode.TEST)
    assert listed.captured_at == looked.captures[0].captured_at
    found = adapter.find_capture(capture)
    assert (found.capture_id, found.reference, found.ids, found.fee_minor, found.captured_at) == (
        listed.capture_id, listed.reference, listed.ids, listed.fee_minor, listed.captured_at,
    )  # fmt: skip


def test_refunds_are_listed_with_their_capture(adapter: PayPalProvider, control: PayPalControl) -> None:
    _, capture = pay(adapter, control)
    refund = control.refund_capture(capture, amount=1000)
    since, until = lately()
    [listed] = adapter.list_refunds(since=since, until=until).items
    assert (listed.refund_id, listed.capture_id, listed.amount_minor, listed.status) == (
        refund["id"], capture, 1000, "succeeded",
    )  # fmt: skip
    assert [each.capture_id for each in adapter.list_captures(since=since, until=until).items] == [capture]


def test_a_late_list_does_not_hide_what_is_asked_by_id(adapter: PayPalProvider, control: PayPalControl) -> None:
    control.configure(list_lag_seconds=3600)
    _, capture = pay(adapter, control)
    since, until = lately()
    assert adapter.list_captures(since=since, until=until).items == ()
    assert adapter.find_capture(capture).status is ListedStatus.CAPTURED
    with pytest.raises(UnknownObject):
        adapter.find_capture("0NOSUCHCAPTURE000")


def test_pages_and_windows_of_31_days_lose_nothing(
    adapter: PayPalProvider, control: PayPalControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE_SIZE", 2)
    made = set()
    for days_ago in (80, 40, 2, 1, 0):
        control.set_clock(offset_seconds=-days_ago * 86_400)
        control.expire_tokens()
        made.add(pay(adapter, control)[1])
    control.set_clock(offset_seconds=0)
    now = datetime.now(UTC)
    found: list[str] = []
    cursor, asked = "", 0
    while True:
        page = adapter.list_captures(since=now - timedelta(days=90), until=now + timedelta(minutes=1), cursor=cursor)
        found += [each.capture_id for each in page.items]
        asked += 1
        if not page.cursor:
            break
        cursor = page.cursor
    assert len(found) == len(made) == 5 and set(found) == made
    assert asked == 4  # two pages of the newest 31 days, then one each
    with pytest.raises(InvalidRequest):
        adapter.list_captures(since=now, until=now, cursor="somebody's")


def test_events_are_read_back_by_page_and_type(adapter: PayPalProvider, control: PayPalControl) -> None:
    pay(adapter, control)
    since, _ = lately()
    types = {each.notification.type for each in adapter.list_events(since=since).items}
    assert types == {"CHECKOUT.ORDER.APPROVED", "PAYMENT.CAPTURE.COMPLETED"}
    wanted = ("PAYMENT.CAPTURE.COMPLETED", "CHECKOUT.ORDER.APPROVED")
    first = adapter.list_events(since=since, types=wanted)
    assert [each.notification.type for each in first.items] == ["PAYMENT.CAPTURE.COMPLETED"]
    second = adapter.list_events(since=since, types=wanted, cursor=first.cursor)
    assert [each.notification.type for each in second.items] == ["CHECKOUT.ORDER.APPROVED"]
    assert second.cursor == ""


def test_the_event_list_is_read_to_its_end(
    adapter: PayPalProvider, control: PayPalControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_EVENTS_PAGE", 1)
    pay(adapter, control)
    since, _ = lately()
    seen, cursor = [], ""
    while True:
        page = adapter.list_events(since=since, cursor=cursor)
        seen += [each.notification.type for each in page.items]
        if not page.cursor:
            break
        cursor = page.cursor
    assert seen == ["PAYMENT.CAPTURE.COMPLETED", "CHECKOUT.ORDER.APPROVED"]


# --- disputes -------------------------------------------------------------------------------------------------


def test_a_claim_takes_money_and_winning_gives_it_back(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids, capture = pay(adapter, control)
    made = control.dispute_capture(capture)
    [dispute] = adapter.fetch(ids).disputes
    assert (dispute.dispute_id, dispute.capture_id, dispute.amount_minor) == (made["dispute_id"], capture, 4990)
    assert (dispute.status, dispute.evidence_submitted) == ("open", False) and dispute.respond_by is not None
    assert [(move.kind, move.amount_minor) for move in dispute.movements] == [(MovementKind.WITHDRAWN, 4990)]

    texts = {EvidenceText.STATEMENT: "x" * 4500, EvidenceText.SHIPPING_TRACKING_NUMBER: "JD0146"}
    adapter.submit_evidence(dispute.dispute_id, texts, idempotency_key=new_key())
    [answered] = adapter.fetch(ids).disputes
    assert (answered.status, answered.evidence_submitted) == ("under_review", True)
    with pytest.raises(InvalidRequest):
        adapter.submit_evidence(dispute.dispute_id, texts, idempotency_key=new_key())

    control.decide_dispute(dispute.dispute_id, "won")
    [won] = adapter.fetch(ids).disputes
    assert won.status == "won"
    assert [move.kind for move in won.movements] == [MovementKind.WITHDRAWN, MovementKind.REINSTATED]
    assert won.movements[0].entry_id == dispute.movements[0].entry_id != won.movements[1].entry_id


@pytest.mark.parametrize(("to", "status"), [("lost", "lost"), ("won", "won"), ("cancelled", "won")])
def test_how_a_claim_ends(adapter: PayPalProvider, control: PayPalControl, to: str, status: str) -> None:
    ids, capture = pay(adapter, control)
    control.decide_dispute(control.dispute_capture(capture)["dispute_id"], to)
    assert adapter.fetch(ids).disputes[0].status == status


def test_an_inquiry_moves_no_money_and_may_be_closed_or_become_a_claim(
    adapter: PayPalProvider, control: PayPalControl
) -> None:
    ids, capture = pay(adapter, control)
    made = control.dispute_capture(capture, inquiry=True)["dispute_id"]
    [inquiry] = adapter.fetch(ids).disputes
    assert (inquiry.status, inquiry.movements) == ("inquiry", ())
    control.decide_dispute(made, "escalated")
    [claim] = adapter.fetch(ids).disputes
    assert claim.status == "open" and len(claim.movements) == 1

    ids, capture = pay(adapter, control)
    control.decide_dispute(control.dispute_capture(capture, inquiry=True)["dispute_id"], "cancelled")
    assert adapter.fetch(ids).disputes[0].status == "closed"


def test_accepting_loses_the_dispute(adapter: PayPalProvider, control: PayPalControl) -> None:
    ids, capture = pay(adapter, control)
    dispute = control.dispute_capture(capture)["dispute_id"]
    adapter.accept_dispute(dispute, idempotency_key=new_key())
    assert adapter.fetch(ids).disputes[0].status == "lost"
    with pytest.raises(InvalidRequest):
        adapter.accept_dispute(dispute, idempotency_key=new_key())


def test_what_cannot_be_sent_as_evidence(adapter: PayPalProvider) -> None:
    with pytest.raises(InvalidRequest):
        adapter.submit_evidence("PP-R-ABC-10085", {}, idempotency_key=new_key())
    with pytest.raises(InvalidRequest):
        adapter.submit_evidence("PP-R-A-1", {EvidenceText.STATEMENT: "x" * 20_001}, idempotency_key=new_key())
    with pytest.raises(UnknownObject):
        adapter.stage_evidence("PP-R-ABC-10085", {EvidenceText.STATEMENT: "x"}, idempotency_key=new_key())


def test_without_the_right_to_see_disputes_payments_are_still_looked_at(
    adapter: PayPalProvider, control: PayPalControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    from integrations.contract import ConfigurationError

    ids, _ = pay(adapter, control)

    def refused(*_: object, **__: object) -> None:
        raise ConfigurationError("no right", http_status=403)

    monkeypatch.setattr(adapter._client, "get", refused)
    assert adapter.fetch(ids).disputes == ()
