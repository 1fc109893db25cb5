"""Stripe's amounts: integers in Stripe's own minor unit, which is not always ISO 4217's.

https://docs.stripe.com/currencies: zero-decimal list, three-decimal list, special cases.
"""

from __future__ import annotations

from integrations.contract import InvalidRequest, Unavailable

# The largest amount Stripe takes: eight digits, in its own unit.
MAX_STRIPE_AMOUNT = 99_999_999

_ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
# Stripe demands that the last digit be 0: tenths of a fils cannot be charged.
_THREE_DECIMAL = frozenset("BHD JOD KWD OMR TND".split())
_TWO_DECIMAL = frozenset(
    (
        "AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BWP BYN BZD CAD CDF CHF CNY COP "
        "CRC CVE CZK DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD KES "
        "KGS KHR KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD "
        "PAB PEN PGK PHP PKR PLN QAR RON RSD SAR SBD SCR SEK SGD SHP SLE SOS SRD SZL THB TJS TOP TRY TTD TWD TZS UAH "
        "USD UYU UZS WST XCD YER ZAR ZMW"
    ).split()
)
# UGX is left out on purpose. Stripe's pages call it zero-decimal in one place and two-decimal in another; a wrong guess
# charges a hundredfold.
CURRENCIES = _ZERO_DECIMAL | _TWO_DECIMAL | _THREE_DECIMAL

# ISO 4217 gives these another exponent than Stripe does: ISK has none, MGA has two.
_ISO_EXPONENT = {"ISK": 0, "MGA": 2}


def _stripe_exponent(currency: str) -> int:
    if currency in _ZERO_DECIMAL:
        return 0
    return 3 if currency in _THREE_DECIMAL else 2


def _shift(currency: str) -> int:
    """Return the power of ten from an ISO amount to Stripe's: 2 for ISK, -2 for MGA, else 0."""
    exponent = _stripe_exponent(currency)
    return exponent - _ISO_EXPONENT.get(currency, exponent)


def to_stripe(amount_minor: int, currency: str) -> tuple[int, str]:
    """Return Stripe's amount and its lower-case code for ISO 4217 minor units.

    Raises InvalidRequest for a currency or an amount that Stripe cannot take exactly; nothing is ever rounded.
    """
    if type(amount_minor) is not int or amount_minor < 0:
        raise InvalidRequest("an amount must be a whole number of minor units, not negative", code="amount")
    if currency not in CURRENCIES:
        raise InvalidRequest(f"Stripe payments in {currency!r} are not offered", code="currency")
    shift = _shift(currency)
    amount, remainder = (amount_minor * 10**shift, 0) if shift >= 0 else divmod(amount_minor, 10**-shift)
    if remainder:
        raise InvalidRequest(f"Stripe takes whole {currency} only", code="amount")
    if currency in _THREE_DECIMAL and amount % 10:
        raise InvalidRequest(f"Stripe takes {currency} amounts only with 0 as their last digit", code="amount")
    if amount > MAX_STRIPE_AMOUNT:
        raise InvalidRequest(f"the amount is larger than the {MAX_STRIPE_AMOUNT} Stripe takes at once", code="amount")
    return amount, currency.lower()


def from_stripe(amount: int, currency: str) -> tuple[int, str]:
    """Return ISO 4217 minor units and the upper-case code for an amount that Stripe told.

    A currency that we never send comes back as it is: settlement refuses it for being another currency.
    Raises Unavailable where the amount is no whole number of ISO minor units.
    """
    code = currency.upper()
    shift = _shift(code)
    amount_minor, remainder = divmod(amount, 10**shift) if shift >= 0 else (amount * 10**-shift, 0)
    if remainder:
        raise Unavailable(f"Stripe told a fraction of a minor unit of {code}", code="amount")
    return amount_minor, code
