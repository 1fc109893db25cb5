"""Square. The map is in docs/square.md."""

from integrations.providers.square.adapter import SquareProvider
from integrations.providers.square.credentials import LIVE_API_BASE, TEST_API_BASE, check_credentials

__all__ = ["LIVE_API_BASE", "TEST_API_BASE", "SquareProvider", "check_credentials"]
