"""The demo's catalogue: complete, with pictures that are there, and the same however often it is made."""

from __future__ import annotations

import pytest
from django.contrib.staticfiles import finders

from orders.models import Price, Product
from orders.seed import CATALOGUE, CURRENCIES, seed


@pytest.mark.django_db
def test_seeding_twice_changes_nothing() -> None:
    assert seed() == len(CATALOGUE)
    made = list(Product.objects.values()), list(Price.objects.order_by("pk").values())
    assert seed() == 0
    assert (list(Product.objects.values()), list(Price.objects.order_by("pk").values())) == made


@pytest.mark.django_db
def test_seeding_restores_what_was_changed_and_leaves_others_alone() -> None:
    seed()
    own = Product.objects.create(sku="OWN", slug="own", name="Own")
    Price.objects.update(amount_minor=1)
    Product.objects.update(active=False)
    assert seed() == 0
    own.refresh_from_db()
    assert not own.active
    assert not Price.objects.filter(amount_minor=1).exists()


@pytest.mark.django_db
def test_every_product_has_a_price_in_each_currency_and_a_picture() -> None:
    seed()
    for product in Product.objects.prefetch_related("prices"):
        product.full_clean()
        assert {price.currency for price in product.prices.all()} == set(CURRENCIES)
        assert finders.find(product.picture), product.picture
