"""The stands that the kit is held against here, by `package.module:Class`; without a key, one of the outside ones says
so and is skipped by name."""

from __future__ import annotations

STANDS = (
    "tests.conformance.stands.paypal:PayPalStand",
    "tests.conformance.stands.nmi:NmiStand",
    "tests.conformance.stands.stripe:StripeStand",
    "tests.conformance.stands.square:SquareStand",
    "tests.conformance.stands.square:SquareFrameStand",
    "tests.conformance.stands.outside:StripeTestModeStand",
    "tests.conformance.stands.outside:PayPalTestModeStand",
    "tests.conformance.stands.outside:SquareTestModeStand",
    "tests.conformance.stands.outside:NmiTestModeStand",
)
