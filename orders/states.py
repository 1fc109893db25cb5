"""The states of an order, one sentence each. Edges stand on the model, where django-fsm reads them."""

from django.db import models


class OrderState(models.TextChoices):
    """What is owed and what became of it."""

    PLACED = "placed", "Placed: the shopper owes the total, and nothing of it is known to be paid."
    PAID = "paid", "Paid: exactly one applied capture covers the total."
    CANCELLED = "cancelled", "Cancelled: called off before it was paid."
    EXPIRED = "expired", "Expired: the time to pay ran out, and the provider said that nothing was paid."
    PARTIALLY_REFUNDED = "partially_refunded", "Partially refunded: some of the money went back."
    REFUNDED = "refunded", "Refunded: all of the money went back."
