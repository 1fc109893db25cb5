"""Stripe. The map is in docs/stripe.md. Nothing is imported here: its SDK is loaded where it is used."""
