"""What the Square adapter promises of refunds, lists, disputes and payouts, against the sandbox in its own process."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from integrations.contract import (
    EntryKind,
    EvidenceText,
    InvalidRequest,
    ListedStatus,
    Mode,
    PayoutStatus,
    RefundReason,
    RefundRequest,
)
from integrations.guard import GuardedProvider
from integrations.sandbox.square_control import SquareControl
from tests.conformance.square import new_key
from tests.conformance.square.payments import hosted, paid_by_token


class TestRefunds:
    def test_a_refund_carries_our_reference(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        square.hold_refunds()
        wanted = RefundRequest(
            reference="rf_" + "a" * 40,
            ids=started.ids,
            capture_id=capture.capture_id,
            amount_minor=1000,
            currency="EUR",
            reason=RefundReason.REQUESTED_BY_CUSTOMER,
        )
        key = new_key()
        made = provider.refund(wanted, idempotency_key=key)
        assert (made.status, made.reference, made.amount_minor) == ("pending", wanted.reference, 1000)
        assert provider.refund(wanted, idempotency_key=key).refund_id == made.refund_id
        square.move_refund(made.refund_id, status="COMPLETED")
        [told] = provider.fetch(started.ids).refunds
        assert (told.refund_id, told.status, told.capture_id) == (made.refund_id, "succeeded", capture.capture_id)
        square.move_refund(made.refund_id, status="FAILED")
        assert provider.fetch(started.ids).refunds[0].status == "failed"

    def test_more_than_was_taken_is_refused(self, provider: GuardedProvider) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        with pytest.raises(InvalidRequest) as refused:
            provider.refund(
                RefundRequest(
                    reference="rf_" + "b" * 40,
                    ids=started.ids,
                    capture_id=capture.capture_id,
                    amount_minor=4991,
                    currency="EUR",
                    reason=RefundReason.DUPLICATE,
                ),
                idempotency_key=new_key(),
            )
        assert refused.value.permanent

    def test_one_made_in_the_dashboard_is_told(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        square.refund_payment(capture.capture_id, amount=200, reason="Broken cup")
        [told] = provider.fetch(started.ids).refunds
        assert (told.amount_minor, told.reference, told.status) == (200, "", "succeeded")


class TestLists:
    def test_pages_go_on_behind_an_empty_one(self, provider: GuardedProvider, square: SquareControl) -> None:
        ids = [square.pay_link(hosted(provider)[1].ids.page_id).payment["id"] for _ in range(102)]
        now = datetime.now(UTC)
        found, sizes, cursor = [], [], ""
        while True:
            page = provider.list_captures(since=now - timedelta(hours=1), until=now, cursor=cursor)
            found += [each.capture_id for each in page.items]
            sizes.append(len(page.items))
            cursor = page.cursor
            if not cursor:
                break
        assert sizes == [100, 0, 2]
        assert sorted(found) == sorted(ids)

    def test_a_cursor_of_another_question_is_refused(self, provider: GuardedProvider, square: SquareControl) -> None:
        for _ in range(101):
            square.pay_link(hosted(provider)[1].ids.page_id)
        now = datetime.now(UTC)
        page = provider.list_captures(since=now - timedelta(hours=1), until=now)
        with pytest.raises(InvalidRequest):
            provider.list_captures(since=now - timedelta(hours=2), until=now, cursor=page.cursor)

    def test_declines_and_refunds_are_listed(self, provider: GuardedProvider, square: SquareControl) -> None:
        request, started = hosted(provider)
        square.pay_link(started.ids.page_id, card="4000000000000002")
        payment = square.pay_link(started.ids.page_id).payment
        square.refund_payment(payment["id"], amount=90)
        now = datetime.now(UTC)
        listed = provider.list_captures(since=now - timedelta(hours=1), until=now).items
        assert [(each.status, each.refunded_minor) for each in listed] == [
            (ListedStatus.CAPTURED, 90),
            (ListedStatus.FAILED, 0),
        ]
        assert {each.reference for each in listed} == {request.reference}
        [refund] = provider.list_refunds(since=now - timedelta(hours=1), until=now).items
        assert (refund.capture_id, refund.amount_minor, refund.status) == (payment["id"], 90, "succeeded")

    def test_lists_lag(self, provider: GuardedProvider, square: SquareControl) -> None:
        square.configure(list_lag_seconds=30)
        payment = square.pay_link(hosted(provider)[1].ids.page_id).payment
        now = datetime.now(UTC)
        assert provider.list_captures(since=now - timedelta(hours=1), until=now).items == ()
        assert provider.find_capture(payment["id"]).amount_minor == 4990

    def test_events_are_searched_once_the_search_is_on(self, provider: GuardedProvider, square: SquareControl) -> None:
        since = datetime.now(UTC) - timedelta(hours=1)
        square.pay_link(hosted(provider)[1].ids.page_id)
        assert provider.list_events(since=since).items == ()  # enabled by this
        request, started = hosted(provider)
        square.pay_link(started.ids.page_id)
        found = [each.notification for each in provider.list_events(since=since, types=("payment.created",)).items]
        assert [(each.reference, each.ids.intent_id) for each in found] == [(request.reference, started.ids.intent_id)]
        assert all(each.relevant and each.mode is Mode.TEST for each in found)


class TestDisputes:
    def test_from_opening_to_its_end(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        made = square.dispute_payment(capture.capture_id, inquiry=True)
        [told] = provider.fetch(started.ids).disputes
        assert (told.status, told.capture_id, told.movements) == ("inquiry", capture.capture_id, ())
        square.decide_dispute(made["id"], state="EVIDENCE_REQUIRED")
        [told] = provider.fetch(started.ids).disputes
        assert (told.status, told.evidence_submitted) == ("open", False)
        assert [(each.kind, each.amount_minor) for each in told.movements] == [("withdrawn", 4990)]

        texts = {EvidenceText.SHIPPING_TRACKING_NUMBER: "1Z999", EvidenceText.STATEMENT: "Delivered."}
        provider.stage_evidence(made["id"], texts, idempotency_key=new_key())
        provider.stage_evidence(made["id"], texts, idempotency_key=new_key())
        changed = {**texts, EvidenceText.STATEMENT: "Delivered and signed for."}
        provider.submit_evidence(made["id"], changed, idempotency_key=new_key())
        held = [square.get(each)["evidence_text"] for each in square.get(made["id"])["evidence_ids"]]
        assert sorted(held) == ["1Z999", "Delivered and signed for."]
        [told] = provider.fetch(started.ids).disputes
        assert (told.status, told.evidence_submitted) == ("under_review", True)
        with pytest.raises(InvalidRequest):
            provider.submit_evidence(made["id"], changed, idempotency_key=new_key())

        square.decide_dispute(made["id"], state="WON")
        [told] = provider.fetch(started.ids).disputes
        assert [each.kind for each in told.movements] == ["withdrawn", "reinstated"]

    def test_accepted_is_lost(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        made = square.dispute_payment(capture.capture_id)
        provider.accept_dispute(made["id"], idempotency_key=new_key())
        assert provider.fetch(started.ids).disputes[0].status == "lost"
        with pytest.raises(InvalidRequest):
            provider.accept_dispute(made["id"], idempotency_key=new_key())

    def test_too_much_text_is_refused_before_anything_is_sent(
        self, provider: GuardedProvider, square: SquareControl
    ) -> None:
        with pytest.raises(InvalidRequest):
            provider.stage_evidence("D1", {EvidenceText.STATEMENT: "x" * 501}, idempotency_key=new_key())
        assert square.requests(path_prefix="/v2/disputes") == []


class TestPayouts:
    def test_entries_add_up_and_name_their_causes(self, provider: GuardedProvider, square: SquareControl) -> None:
        _, started = paid_by_token(provider)
        [capture] = provider.fetch(started.ids).captures
        refund = square.refund_payment(capture.capture_id, amount=90)
        _, other = paid_by_token(provider)
        [disputed] = provider.fetch(other.ids).captures
        square.dispute_payment(disputed.capture_id)
        square.adjust_balance(-7)
        made = square.make_payout()

        [payout] = provider.list_payouts(since=datetime.now(UTC) - timedelta(hours=1)).items
        assert (payout.payout_id, payout.status) == (made["id"], PayoutStatus.IN_TRANSIT)
        entries = provider.payout_entries(payout.payout_id).items
        assert sum(each.net_minor for each in entries) == payout.amount_minor == made["amount_money"]["amount"]
        kinds = {each.kind: each for each in entries if each.source_id != disputed.capture_id}
        assert (kinds[EntryKind.PAYMENT].source_id, kinds[EntryKind.PAYMENT].fee_minor) == (capture.capture_id, 175)
        assert (kinds[EntryKind.REFUND].source_id, kinds[EntryKind.REFUND].amount_minor) == (refund["id"], -90)
        [movement] = provider.fetch(other.ids).disputes[0].movements
        assert kinds[EntryKind.DISPUTE].entry_id == movement.entry_id
        assert kinds[EntryKind.ADJUSTMENT].amount_minor == -7

        square.move_payout(made["id"], status="PAID")
        assert provider.fetch_payout(made["id"]).status is PayoutStatus.PAID
