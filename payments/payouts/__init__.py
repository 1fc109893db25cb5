"""Payouts: mirrored from the provider, explained to the cent, posted."""
