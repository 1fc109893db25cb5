"""Minor units: what the provider is asked for, in its own words, and what comes back in ours."""

from __future__ import annotations

import pytest

from integrations.contract import InvalidRequest, ProviderError
from tests.conformance.features import Feature
from tests.conformance.kit.shop import Shop
from tests.conformance.stand import Stand


def test_an_amount_goes_out_in_the_providers_words_and_comes_back_in_ours(shop: Shop, stand: Stand) -> None:
    assert stand.amounts, "name some amounts of each kind of currency"
    for amount in stand.amounts:
        payment = shop.start(shop.of_amount(amount.amount_minor, amount.currency))
        if Feature.PAYING not in stand.beyond:
            assert stand.asked(payment) == amount.told, amount
        if Feature.LOOK_BEFORE_PAYING not in stand.lacks:
            snapshot = shop.look(payment)
            assert (snapshot.amount_minor, snapshot.currency) == (amount.amount_minor, amount.currency)


def test_each_kind_of_currency_is_among_those_tried(stand: Stand) -> None:
    said = stand.adapter().capabilities
    tried = {amount.currency for amount in stand.amounts}
    assert tried <= said.currencies
    for kind in ({"JPY", "KRW", "VND"}, {"KWD", "BHD", "JOD"}):
        assert not kind & said.currencies or kind & tried, f"try one of {sorted(kind & said.currencies)}"


def test_an_amount_that_cannot_be_taken_exactly_is_refused_and_never_rounded(shop: Shop, stand: Stand) -> None:
    assert stand.refused_amounts, "name some that the provider does not take"
    for amount_minor, currency in stand.refused_amounts:
        with pytest.raises(InvalidRequest) as refused:
            shop.start(shop.of_amount(amount_minor, currency))
        assert refused.value.permanent, (amount_minor, currency)


@pytest.mark.parametrize("amount", [-1, 49.90, "4990", True, None], ids=repr)
def test_what_is_no_amount_moves_nothing(shop: Shop, amount: object) -> None:
    with pytest.raises(ProviderError):
        shop.start(shop.of_amount(amount, shop.stand.currency))  # type: ignore[arg-type]


def test_lines_that_do_not_add_up_are_refused(shop: Shop) -> None:
    with pytest.raises(InvalidRequest):
        shop.start(shop.request(amount_minor=1))
