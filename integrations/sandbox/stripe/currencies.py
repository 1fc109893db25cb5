"""Stripe's currencies, exponents and amount limits: https://docs.stripe.com/currencies. Not ISO 4217's."""

from __future__ import annotations

from integrations.sandbox.stripe import errors

_SUPPORTED = """
usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf
chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg
huf idr ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk
mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub
rwf sar sbd scr sek sgd shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv
wst xaf xcd xcg xof xpf yer zar zmw
"""
SUPPORTED = frozenset(_SUPPORTED.split())
_ZERO_DECIMAL = "bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf"
ZERO_DECIMAL = frozenset(_ZERO_DECIMAL.split())
THREE_DECIMAL = frozenset(("bhd", "jod", "kwd", "omr", "tnd"))
WHOLE_UNITS_ONLY = frozenset(("isk",))
MINIMUMS = {
    "aed": 200, "bgn": 100, "chf": 50, "czk": 1500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17500,
    "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "pln": 200, "ron": 200, "sek": 300,
    "thb": 1000,
}  # fmt: skip
DEFAULT_MINIMUM = 50
MAXIMUM = 99_999_999


def exponent(currency: str) -> int:
    """How many decimals Stripe's minor unit of this currency has."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def display(amount: int, currency: str) -> str:
    """A minor-unit amount for people, like `49.90 EUR`; computed in integers."""
    decimals = exponent(currency)
    sign = "-" if amount < 0 else ""
    whole, rest = divmod(abs(amount), 10**decimals)
    return f"{sign}{whole:,}" + (f".{rest:0{decimals}d}" if decimals else "") + f" {currency.upper()}"


def check_granularity(amount: int, currency: str, *, param: str) -> None:
    """Raises ApiError when the last digits must be zero: tenths in three-decimal currencies, whole króna in ISK."""
    step = 10 if currency in THREE_DECIMAL else 100 if currency in WHOLE_UNITS_ONLY else 1
    if amount % step:
        message = f"Invalid amount: amounts in {currency} must be divisible by {step}."
        raise errors.invalid(param, message, code="parameter_invalid_integer")


def check_charge(amount: int, currency: str, *, param: str) -> None:
    """Raises ApiError when Stripe would not charge this (minor units): too small, too large, wrong granularity."""
    check_granularity(amount, currency, param=param)
    minimum = MINIMUMS.get(currency, DEFAULT_MINIMUM)
    if amount < minimum:
        message = f"Amount must be at least {display(minimum, currency)}."
        raise errors.invalid(param, message, code="amount_too_small")
    if amount > MAXIMUM:
        message = f"Amount must be no more than {display(MAXIMUM, currency)}."
        raise errors.invalid(param, message, code="amount_too_large")
