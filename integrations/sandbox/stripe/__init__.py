"""Stripe's stand-in: the parts of API version 2026-10-28.endive that the shop uses, and the hosted Checkout page."""
