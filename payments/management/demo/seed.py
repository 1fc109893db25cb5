"""First data: products, receivers and people as rows; orders through the shop's own pages, as shoppers make them."""

from __future__ import annotations

from datetime import datetime

from integrations.decryptions import Purpose
from integrations.facts import MAILED_FACTS, Fact
from integrations.models import Destination, DestinationKind
from integrations.sandbox.shopper import Shopper
from orders import seed as catalogue
from orders.models import Order
from payments.management.demo import people
from payments.management.demo.parts import Secrets
from payments.management.demo.place import Addresses
from payments.models import PaymentAttempt

RECEIVER = "Demo receiver"
MAIL = "Mail to shoppers"
DECLINED_CARD = "4000000000009995"  # Stripe's test card for insufficient funds


def rows(addresses: Addresses, known: Secrets, *, now: datetime) -> None:
    """Make or mend what the demo stands on. Running it again changes nothing that is as it should be."""
    catalogue.seed()
    _receiver(addresses, known, now=now)
    Destination.objects.get_or_create(
        name=MAIL,
        defaults={
            "kind": DestinationKind.MAIL,
            "facts": sorted(fact.value for fact in MAILED_FACTS),
            "created_at": now,
        },
    )
    people.make(known.staff, now=now)


def is_empty() -> bool:
    """Say whether nobody has ordered anything yet."""
    return not Order.objects.exists()


def orders(addresses: Addresses, *, now: datetime) -> None:
    """Place orders that show what can become of one: paid (two), declined, waiting for a bank, expired."""
    for email, sku, currency in (("ada@example.com", "MUG-01", ""), ("grace@example.com", "LAMP-02", "EUR")):
        shopper = Shopper(addresses.shop)
        page = shopper.open_provider_page(shopper.place_order(email=email, skus=[sku], currency=currency))
        shopper.come_back(shopper.pay_by_card(page))
    shopper = Shopper(addresses.shop)
    page = shopper.open_provider_page(shopper.place_order(email="alan@example.com", skus=["BLANKET-W"]))
    shopper.pay_by_card(page, number=DECLINED_CARD).expect(402)
    shopper = Shopper(addresses.shop)
    page = shopper.open_provider_page(shopper.place_order(email="emmy@example.com", skus=["KETTLE-08"], currency="EUR"))
    shopper.come_back(shopper.pay_by_bank_debit(page))
    forgotten = Shopper(addresses.shop).place_order(email="kurt@example.com", skus=["TEA-250"])
    let_time_run_out(Order.objects.get(token=forgotten), now=now)


def let_time_run_out(order: Order, *, now: datetime) -> None:
    """Make `now` the end of the time to pay an order, as if the clock stood there; workers do the rest."""
    Order.objects.filter(pk=order.pk).update(expires_at=now)
    PaymentAttempt.objects.filter(order=order, next_look_at__isnull=False).update(next_look_at=now)


def _receiver(addresses: Addresses, known: Secrets, *, now: datetime) -> None:
    """The receiver hears every fact; it declares that the same message twice is one."""
    wanted = {
        "kind": DestinationKind.WEBHOOK,
        "address": f"{addresses.receiver}/",
        "idempotent": True,
        "allow_loopback": True,
        "facts": sorted(fact.value for fact in Fact),
    }
    destination = Destination.objects.filter(name=RECEIVER).first() or Destination(name=RECEIVER, created_at=now)
    for name, value in wanted.items():
        setattr(destination, name, value)
    present = destination.signing_secrets(now=now, purpose=Purpose.COMPARE, actor="command:demo")
    if present != (known.receiver_secret,):
        destination.set_signing_secrets([known.receiver_secret])
    destination.save()
