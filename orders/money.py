"""Money: an integer count of minor units and an ISO 4217 code. There is no float and no rounding here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from babel import Locale
from babel.numbers import format_currency

# ISO 4217 exponents (SIX maintenance agency, list one). Currencies that are not listed are refused: an unknown exponent
# is a wrong amount. A provider's own exponents are its adapter's business (integrations/providers).
EXPONENTS: dict[str, int] = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys(
        (
            "AED AMD ARS AUD BRL BGN CAD CHF CNY COP CZK DKK EGP EUR GBP GEL HKD HUF IDR ILS INR KES MAD MXN MYR "
            "NOK NZD PEN PHP PLN QAR RON RSD SAR SEK SGD THB TRY TWD TZS UAH USD UYU ZAR"
        ).split(),
        2,
    ),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
}

# 2^53 - 1: every JSON reader downstream (CRM, ERP, browser) still holds such an integer exactly.
MAX_AMOUNT_MINOR = 9_007_199_254_740_991

# CLDR's currencySpacing (UTS 35, part 3), which Babel leaves out: a code in letters keeps its distance from the digits.
_CODE_BESIDE_DIGIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")


class CurrencyMismatch(ValueError):
    """Two amounts of different currencies were added or compared. Convert first, or find the wrong row."""


class UnknownCurrency(ValueError):
    """The code is not in EXPONENTS. Use an upper-case ISO 4217 code from that table."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of one currency.

    `amount_minor`: whole minor units (cents, yen, fils), may be negative. `currency`: upper-case ISO 4217 code.
    Raises TypeError for anything but an int (bool and float included), UnknownCurrency, ValueError when too large.
    """

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.amount_minor) is not int:
            raise TypeError(f"amount_minor must be an int of minor units, not {type(self.amount_minor).__name__}")
        if self.currency not in EXPONENTS:
            raise UnknownCurrency(f"{self.currency!r} is no currency we know; use an upper-case ISO 4217 code")
        if abs(self.amount_minor) > MAX_AMOUNT_MINOR:
            raise ValueError(f"amount_minor is beyond ±{MAX_AMOUNT_MINOR}")

    def __add__(self, other: Money) -> Money:
        return Money(self.amount_minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.amount_minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.amount_minor, self.currency)

    def __mul__(self, count: int) -> Money:
        if type(count) is not int:
            raise TypeError("money is multiplied by whole counts only")
        return Money(self.amount_minor * count, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.amount_minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount_minor <= self._same(other)

    def _same(self, other: Money) -> int:
        if not isinstance(other, Money):
            raise TypeError("money is added to and compared with money only")
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency} cannot be mixed")
        return other.amount_minor

    @property
    def major(self) -> Decimal:
        """The amount in major units, exact, for showing only."""
        return Decimal(self.amount_minor).scaleb(-EXPONENTS[self.currency])

    def format(self, *, locale: str = "en_US") -> str:
        """Return the amount as a person of `locale` (e.g. `de_DE`) reads it, with this currency's own decimals."""
        digits = EXPONENTS[self.currency]
        # Only the decimals are ours: CLDR's differ from ISO 4217 for some currencies. All else is the locale's pattern.
        pattern = Locale.parse(locale).currency_formats["standard"].pattern
        pattern = pattern.replace("0.00", "0." + "0" * digits if digits else "0")
        shown = format_currency(self.major, self.currency, format=pattern, locale=locale, currency_digits=False)
        return _CODE_BESIDE_DIGIT.sub("\N{NO-BREAK SPACE}", shown)

    def __str__(self) -> str:
        return f"{self.major} {self.currency}"
