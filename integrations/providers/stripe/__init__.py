"""Stripe. The map is in docs/stripe.md."""

from integrations.providers.stripe.adapter import StripeProvider
from integrations.providers.stripe.credentials import OFFICIAL_API_BASE, check_credentials

__all__ = ["OFFICIAL_API_BASE", "StripeProvider", "check_credentials"]
