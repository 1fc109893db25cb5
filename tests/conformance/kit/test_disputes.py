"""Money claimed back: how a look tells it, and what can be answered."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from integrations.contract import EvidenceText, InvalidRequest, MovementKind, PaymentStatus, UnknownObject
from tests.conformance.features import Feature
from tests.conformance.kit.shop import Shop, new_key
from tests.conformance.stand import Payment, Stand

TEXTS = {EvidenceText.PRODUCT_DESCRIPTION: "A teapot.", EvidenceText.SHIPPING_TRACKING_NUMBER: "1Z999"}
ENDED = {True: "won", False: "lost"}


def disputed(shop: Shop, *, inquiry: bool = False) -> tuple[Payment, str]:
    payment, _ = shop.paid()
    return payment, shop.stand.dispute(payment, inquiry=inquiry)


@pytest.mark.needs(Feature.DISPUTES)
def test_a_dispute_is_told_with_the_payment(shop: Shop) -> None:
    payment, capture = shop.paid()
    dispute_id = shop.stand.dispute(payment)
    snapshot = shop.look(payment)
    [dispute] = snapshot.disputes
    assert (dispute.dispute_id, dispute.capture_id) == (dispute_id, capture.capture_id)
    assert (dispute.amount_minor, dispute.currency) == (capture.amount_minor, capture.currency)
    assert dispute.status == "open"
    assert not dispute.evidence_submitted
    assert dispute.respond_by is None or dispute.respond_by > datetime.now(UTC)
    assert snapshot.status is PaymentStatus.PAID, "a dispute changes no payment"
    for movement in dispute.movements:
        assert movement.kind is MovementKind.WITHDRAWN
        assert movement.amount_minor == capture.amount_minor


@pytest.mark.needs(Feature.DISPUTES, Feature.DISPUTE_OUTCOMES)
@pytest.mark.parametrize("won", [True, False], ids=["won", "lost"])
def test_how_it_ended_is_told(shop: Shop, stand: Stand, won: bool) -> None:
    payment, dispute_id = disputed(shop)
    stand.end_dispute(dispute_id, won=won)
    [dispute] = shop.look(payment).disputes
    assert dispute.status == ENDED[won]
    kinds = [movement.kind for movement in dispute.movements]
    if kinds:
        assert (MovementKind.REINSTATED in kinds) == won


@pytest.mark.needs(Feature.DISPUTES, Feature.INQUIRIES)
def test_an_inquiry_moves_no_money(shop: Shop) -> None:
    payment, _ = disputed(shop, inquiry=True)
    [dispute] = shop.look(payment).disputes
    assert (dispute.status, dispute.movements) == ("inquiry", ())


@pytest.mark.needs(Feature.DISPUTES, Feature.DISPUTE_ANSWERS)
def test_evidence_is_stored_and_then_sent_once(shop: Shop) -> None:
    payment, dispute_id = disputed(shop)
    shop.provider.stage_evidence(dispute_id, TEXTS, idempotency_key=new_key())
    [dispute] = shop.look(payment).disputes
    assert (dispute.status, dispute.evidence_submitted) == ("open", False)
    shop.provider.submit_evidence(dispute_id, TEXTS, idempotency_key=new_key())
    [dispute] = shop.look(payment).disputes
    assert (dispute.status, dispute.evidence_submitted) == ("under_review", True)
    with pytest.raises(InvalidRequest):
        shop.provider.submit_evidence(dispute_id, TEXTS, idempotency_key=new_key())


@pytest.mark.needs(Feature.DISPUTES, Feature.DISPUTE_ANSWERS)
def test_more_evidence_than_is_taken_is_refused(shop: Shop) -> None:
    _, dispute_id = disputed(shop)
    most = shop.provider.capabilities.evidence_max_characters
    with pytest.raises(InvalidRequest):
        shop.provider.stage_evidence(dispute_id, {EvidenceText.STATEMENT: "x" * (most + 1)}, idempotency_key=new_key())


@pytest.mark.needs(Feature.DISPUTES, Feature.DISPUTE_ANSWERS)
def test_an_accepted_dispute_is_lost(shop: Shop) -> None:
    payment, dispute_id = disputed(shop)
    shop.provider.accept_dispute(dispute_id, idempotency_key=new_key())
    [dispute] = shop.look(payment).disputes
    assert dispute.status == "lost"
    with pytest.raises(InvalidRequest):
        shop.provider.accept_dispute(dispute_id, idempotency_key=new_key())


@pytest.mark.needs(Feature.DISPUTE_ANSWERS)
def test_a_dispute_nobody_knows(shop: Shop) -> None:
    with pytest.raises(UnknownObject):
        shop.provider.stage_evidence("dp_nobody", TEXTS, idempotency_key=new_key())
    for hostile in ("../charges", "dp_1?x=1", ""):
        with pytest.raises(InvalidRequest):
            shop.provider.accept_dispute(hostile, idempotency_key=new_key())
