"""What is declared is so: a verb that Capabilities or the stand call missing raises NotOffered and sends nothing; any
other never does."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from integrations.contract import (
    CaptureRequest,
    EvidenceText,
    NotOffered,
    PayRequest,
    ProviderError,
)
from integrations.guard import GuardedProvider
from payments.models.call import new_idempotency_key
from tests.conformance.features import FROM_CAPABILITIES, Feature
from tests.conformance.kit.shop import new_key, why_not
from tests.conformance.option import tell
from tests.conformance.stand import Stand

NOW = datetime.now(UTC)
HOUR_AGO = NOW - timedelta(hours=1)
TEXTS = {EvidenceText.PRODUCT_DESCRIPTION: "A teapot."}

# Each verb that a provider may lack, by what says so, asked about what does not exist.
VERBS: dict[str, tuple[Feature, Callable[[GuardedProvider, Stand], object]]] = {
    "form": (Feature.FORM, lambda provider, stand: provider.form(stand.unknown_ids)),
    "pay_with_token": (
        Feature.TOKENS,
        lambda provider, stand: provider.pay_with_token(
            PayRequest(
                ids=stand.unknown_ids,
                reference="pa_nobody",
                amount_minor=100,
                currency=stand.currency,
                order_number="S-1",
                email="",
                token="none",
            ),
            idempotency_key=new_key(),
        ),
    ),
    "capture": (
        Feature.CAPTURE,
        lambda provider, stand: provider.capture(
            CaptureRequest(ids=stand.unknown_ids, reference="pa_nobody", amount_minor=100, currency=stand.currency),
            idempotency_key=new_key(),
        ),
    ),
    "stage_evidence": (
        Feature.DISPUTE_ANSWERS,
        lambda provider, _: provider.stage_evidence("dp_none", TEXTS, idempotency_key=new_key()),
    ),
    "submit_evidence": (
        Feature.DISPUTE_ANSWERS,
        lambda provider, _: provider.submit_evidence("dp_none", TEXTS, idempotency_key=new_key()),
    ),
    "accept_dispute": (
        Feature.DISPUTE_ANSWERS,
        lambda provider, _: provider.accept_dispute("dp_none", idempotency_key=new_key()),
    ),
    "find_capture": (Feature.PAYMENT_LISTS, lambda provider, _: provider.find_capture("none")),
    "list_captures": (
        Feature.PAYMENT_LISTS,
        lambda provider, _: provider.list_captures(since=HOUR_AGO, until=NOW),
    ),
    "list_refunds": (Feature.PAYMENT_LISTS, lambda provider, _: provider.list_refunds(since=HOUR_AGO, until=NOW)),
    "list_events": (Feature.EVENT_LIST, lambda provider, _: provider.list_events(since=HOUR_AGO)),
    "list_payouts": (Feature.PAYOUTS, lambda provider, _: provider.list_payouts(since=HOUR_AGO)),
    "fetch_payout": (Feature.PAYOUTS, lambda provider, _: provider.fetch_payout("none")),
    "payout_entries": (Feature.PAYOUTS, lambda provider, _: provider.payout_entries("none")),
    "list_balance_entries": (
        Feature.BALANCE_LIST,
        lambda provider, _: provider.list_balance_entries(since=HOUR_AGO, until=NOW),
    ),
}


def offers(stand: Stand, feature: Feature) -> bool:
    """Whether the provider has it, whatever can be brought about at this stand."""
    said = stand.adapter().capabilities
    return feature not in stand.lacks and (feature not in FROM_CAPABILITIES or FROM_CAPABILITIES[feature](said))


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_there_exactly_if_it_is_declared(stand: Stand, provider: GuardedProvider, verb: str) -> None:
    feature, ask = VERBS[verb]
    if offers(stand, feature):
        try:
            ask(provider, stand)
        except ProviderError as error:
            assert not isinstance(error, NotOffered), f"{verb} is declared and not there"  # noqa: PT017
        return
    with pytest.raises(NotOffered) as refused:
        ask(provider, stand)
    assert refused.value.permanent
    assert not refused.value.outcome_unknown
    assert refused.value.code == "not_offered"


def test_a_stand_that_cannot_run_here_says_why(any_stand: type[Stand], request: pytest.FixtureRequest) -> None:
    if reason := any_stand.unavailable():
        sentence = f"{any_stand.name}: {reason}"
        tell(request, sentence)
        pytest.skip(sentence)


def test_each_declaration_gives_its_reason(stand: Stand, request: pytest.FixtureRequest) -> None:
    said = stand.adapter().capabilities
    for feature in Feature:
        if reason := why_not(feature, stand, said):
            tell(request, reason)
    for declared in (stand.lacks, stand.beyond, stand.never_declined):
        assert all(len(reason) > 10 for reason in declared.values())
    assert not set(stand.lacks) & set(FROM_CAPABILITIES), "Capabilities say these: the stand does not say them again"
    assert not set(stand.lacks) & set(stand.beyond)


def test_capabilities_make_sense(stand: Stand, provider: GuardedProvider) -> None:
    said = provider.capabilities
    assert re.fullmatch(r"[a-z][a-z0-9_]*", provider.name)
    assert said.presentations, "a payment must be shown somehow"
    assert len(set(said.presentations)) == len(said.presentations)
    assert stand.presentation in said.presentations
    assert said.currencies
    assert all(re.fullmatch(r"[A-Z]{3}", currency) for currency in said.currencies)
    assert stand.currency in said.currencies
    assert 0 <= said.page_lifetime_min_seconds < said.page_lifetime_max_seconds
    assert min(said.key_lifetime_seconds, said.lookup_settles_after_seconds, said.events_backfill_days) >= 0
    if said.key_lifetime_seconds:
        assert said.key_max_length >= len(new_idempotency_key()), "our keys are longer than this provider takes"
    assert bool(said.evidence_max_characters) <= said.disputes, "evidence is an answer to a dispute"
    assert all(name == name.lower() for name in said.proof_headers)
