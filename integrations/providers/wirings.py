"""The wiring of each provider of ours, by name. wiring.py says what that is."""

from __future__ import annotations

from integrations.providers.nmi.wiring import WIRING as NMI
from integrations.providers.paypal.wiring import WIRING as PAYPAL
from integrations.providers.square.wiring import WIRING as SQUARE
from integrations.providers.stripe.wiring import WIRING as STRIPE
from integrations.providers.wiring import Wiring

WIRINGS: dict[str, Wiring] = {wiring.name: wiring for wiring in (STRIPE, PAYPAL, SQUARE, NMI)}
