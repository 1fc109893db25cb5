"""What the shop's templates need beyond Django's own tags: amounts by locale, product pictures, the basket's count."""

from __future__ import annotations

from django import template
from django.http import HttpRequest
from django.template import Context
from django.templatetags.static import static
from django.utils.html import format_html
from django.utils.safestring import SafeString

from orders import locales, queries
from orders.models import Product
from orders.money import Money
from orders.storefront.visit import Visit

register = template.Library()

PLAIN_PICTURE = "shop/products/plain.svg"


@register.simple_tag(takes_context=True)
def money(context: Context, amount: Money) -> SafeString:
    """Show an amount as this reader writes it, kept together whatever the direction of its script."""
    request: HttpRequest | None = context.get("request")
    locale = locales.of(request.headers) if request is not None else locales.DEFAULT
    return format_html("<bdi>{}</bdi>", amount.format(locale=locale))


@register.simple_tag(takes_context=True)
def basket_count(context: Context) -> int:
    """Return how many pieces are in this visitor's basket; 0 where there is none yet."""
    request: HttpRequest | None = context.get("request")
    token = Visit(request).basket_token if request is not None and hasattr(request, "session") else ""
    return queries.pieces_in(token) if token else 0


@register.simple_tag
def picture(product: Product | None) -> str:
    """Return the address of a product's picture, or of the plain one where it has none that is there."""
    try:
        return static(product.picture if product and product.picture else PLAIN_PICTURE)
    except ValueError:  # a manifest does not know the path
        return static(PLAIN_PICTURE)


@register.simple_tag
def mark(tone: str) -> str:
    """Return the address of the mark beside a payment's heading; decoration only, the heading says everything."""
    return static(f"shop/marks/{tone}.svg")
