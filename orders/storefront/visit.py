"""What the shop remembers of a visitor between requests: a basket's token, a currency, and what was ordered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest

from orders import locales, queries
from orders.models import Basket

_BASKET = "basket"
_CURRENCY = "currency"
_ORDERED = "ordered_baskets"
_ORDERED_KEPT = 10


def basket_tokens(session: Mapping[str, Any]) -> set[str]:
    """Return the tokens of the baskets that a session knows: nobody else does."""
    known = [session.get(_BASKET, ""), *session.get(_ORDERED, [])]
    return {token for token in known if token}


class Visit:
    """The visitor of one request. Reading never begins a session; only remember…() writes to it."""

    def __init__(self, request: HttpRequest) -> None:
        self._session = request.session
        self.locale = locales.of(request.headers)

    @property
    def basket_token(self) -> str:
        """The token of the basket in use; empty before the first product is put into one."""
        return str(self._session.get(_BASKET, ""))

    def owns(self, token: str) -> bool:
        """Whether `token` names this visitor's basket: the one in use, or one of the last that became orders."""
        return bool(token) and (token == self.basket_token or token in self._session.get(_ORDERED, []))

    def remember_basket(self, basket: Basket) -> None:
        """Use `basket` from now on; the one before stays known, since another tab may still show its checkout."""
        before = self.basket_token
        if before and before != basket.token:
            self._session[_ORDERED] = [before, *self._session.get(_ORDERED, [])][:_ORDERED_KEPT]
        self._session[_BASKET] = basket.token

    def remember_currency(self, currency: str) -> None:
        """Show prices in `currency` from now on."""
        self._session[_CURRENCY] = currency

    def currency(self) -> str:
        """Return the currency of a filled open basket, else the one chosen, else one that fits the locale."""
        token = self.basket_token
        if token and queries.pieces_in(token):
            basket = queries.basket(token)
            if basket is not None:
                return basket.currency
        sold = queries.currencies()
        for wish in (self._session.get(_CURRENCY, ""), locales.currency_of(self.locale), "USD"):
            if wish in sold:
                return str(wish)
        return sold[0] if sold else "USD"
