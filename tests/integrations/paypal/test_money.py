"""PayPal's amounts: decimal strings, exact in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.contract import InvalidRequest, Unavailable
from integrations.providers.paypal.money import CURRENCIES, from_paypal, to_paypal
from integrations.sandbox.paypal import money as theirs

WHOLE_ONLY = ("HUF", "JPY", "TWD")


@given(amount=st.integers(min_value=0, max_value=10**9), currency=st.sampled_from(sorted(CURRENCIES)))
def test_there_and_back(amount: int, currency: str) -> None:
    exact = amount * 100 if currency in ("HUF", "TWD") else amount
    told = to_paypal(exact, currency)
    assert ("." in told["value"]) is (currency not in WHOLE_ONLY)
    assert from_paypal(told["value"], currency) == exact
    assert theirs.text(theirs.minor(told, "/amount"), currency) == told["value"]  # the sandbox takes it


def test_both_sides_know_the_same_currencies() -> None:
    assert theirs.SUPPORTED == CURRENCIES


@pytest.mark.parametrize(("amount", "currency"), [(150, "HUF"), (1, "TWD")])
def test_a_fraction_that_paypal_does_not_take_is_never_rounded(amount: int, currency: str) -> None:
    with pytest.raises(InvalidRequest):
        to_paypal(amount, currency)


@pytest.mark.parametrize(
    ("amount", "currency"), [(-1, "EUR"), (True, "EUR"), (1.0, "EUR"), (100, "KWD"), (100, "eur"), (10**12, "JPY")]
)
def test_what_is_refused(amount: int, currency: str) -> None:
    with pytest.raises(InvalidRequest):
        to_paypal(amount, currency)


@pytest.mark.parametrize("value", ["", "1,00", "1.", ".5", "1e3", "NaN", " 1", "1.001", "٣"])
def test_what_is_no_amount(value: str) -> None:
    with pytest.raises(Unavailable):
        from_paypal(value, "EUR")


def test_what_paypal_writes() -> None:
    assert from_paypal("-49.90", "EUR") == -4990
    assert from_paypal("49.9", "EUR") == 4990
    assert from_paypal("4900", "JPY") == 4900
    assert from_paypal("4900.00", "HUF") == 490_000
