"""PayPal. The map is in docs/paypal.md."""

from integrations.providers.paypal.adapter import PayPalProvider
from integrations.providers.paypal.credentials import LIVE_API_BASE, TEST_API_BASE, check_credentials

__all__ = ["LIVE_API_BASE", "TEST_API_BASE", "PayPalProvider", "check_credentials"]
