"""What is owed: catalogue, baskets, orders, and the record of every transition."""

from orders.models.basket import Basket, BasketLine
from orders.models.catalogue import Price, Product
from orders.models.order import Order, OrderLine
from orders.models.transition import Transition

__all__ = ["Basket", "BasketLine", "Order", "OrderLine", "Price", "Product", "Transition"]
