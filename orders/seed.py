"""The demo's catalogue: twelve products in four currencies. Running it again changes nothing that is right."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import transaction

from orders.models import Price, Product

CURRENCIES = ("USD", "EUR", "JPY", "KWD")


@dataclass(frozen=True, slots=True)
class Seed:
    """One product; `prices_minor` in minor units, in the order of CURRENCIES (cents, cents, yen, fils)."""

    sku: str
    picture: str
    name: str
    description: str
    prices_minor: tuple[int, int, int, int]
    max_quantity: int = 10


CATALOGUE = (
    Seed(
        "MUG-01",
        "mug",
        "Stoneware mug",
        "Thrown by hand and glazed in sea green. Holds 300 ml and keeps its warmth.",
        (1800, 1650, 2600, 5500),
    ),
    Seed(
        "KETTLE-08",
        "kettle",
        "Enamel kettle",
        "Steel under brick-red enamel, 1.8 litres, for every kind of stove.",
        (5400, 4950, 7900, 16750),
        max_quantity=5,
    ),
    Seed(
        "TEA-250",
        "tea",
        "Assam tea, 250 g",
        "A strong second-flush leaf from one garden, in a tin that closes tightly.",
        (1250, 1150, 1800, 3850),
        max_quantity=20,
    ),
    Seed(
        "LAMP-02",
        "lamp",
        "Desk lamp",
        "A brass shade on a jointed steel arm. Comes with a warm LED bulb.",
        (8900, 8200, 12800, 27500),
        max_quantity=4,
    ),
    Seed(
        "BLANKET-W",
        "blanket",
        "Wool blanket",
        "Woven from new wool, 140 × 200 cm, with a fringe on the short sides.",
        (12900, 11900, 18900, 39900),
        max_quantity=4,
    ),
    Seed(
        "NOTE-A5",
        "notebook",
        "Notebook, A5",
        "Sewn, so that it lies flat. 160 pages of cream paper, dotted.",
        (1450, 1300, 2100, 4450),
        max_quantity=20,
    ),
    Seed(
        "BASKET-M",
        "basket",
        "Willow basket",
        "Peeled willow with a firm handle; for bread, wool or the market.",
        (4200, 3900, 6200, 12900),
        max_quantity=6,
    ),
    Seed(
        "CANDLE-3",
        "candles",
        "Beeswax candles, set of three",
        "Poured from pure beeswax. Each burns for about twenty hours.",
        (2400, 2200, 3500, 7400),
        max_quantity=12,
    ),
    Seed(
        "APRON-L",
        "apron",
        "Linen apron",
        "Washed linen with one wide pocket. It grows softer each year.",
        (3900, 3600, 5700, 11990),
        max_quantity=8,
    ),
    Seed(
        "BOARD-M",
        "board",
        "Chopping board",
        "One piece of oiled cherry wood, 38 cm long, with a hole to hang it by.",
        (3600, 3300, 5200, 11150),
        max_quantity=8,
    ),
    Seed(
        "CAN-15",
        "can",
        "Watering can, 1.5 l",
        "Brass with a fine rose, for pots on the sill. Made to be seen.",
        (6200, 5700, 8900, 19150),
        max_quantity=5,
    ),
    Seed(
        "VASE-01",
        "vase",
        "Glass vase",
        "Mouth-blown, 24 cm high, with a narrow neck that holds a few stems.",
        (3300, 3050, 4800, 10250),
        max_quantity=6,
    ),
)


def seed() -> int:
    """Make or restore the demo's products and prices; others stay as they are. Return how many products are new."""
    with transaction.atomic():
        return sum(_product(each) for each in CATALOGUE)


def _product(wanted: Seed) -> bool:
    product, created = Product.objects.update_or_create(
        sku=wanted.sku,
        defaults={
            "slug": wanted.sku.lower(),
            "name": wanted.name,
            "description": wanted.description,
            "picture": f"shop/products/{wanted.picture}.svg",
            "max_quantity": wanted.max_quantity,
            "active": True,
        },
    )
    for currency, amount_minor in zip(CURRENCIES, wanted.prices_minor, strict=True):
        Price.objects.update_or_create(product=product, currency=currency, defaults={"amount_minor": amount_minor})
    return created
