"""A shop that doctor finds nothing wrong with."""

from __future__ import annotations

from typing import Any

import pytest

from tests.payments.management.doctor.examined import SECRET, URL


@pytest.fixture(autouse=True)
def place(settings: Any) -> Any:
    settings.ENVIRONMENT = "test"
    settings.PAYMENTS_PROVIDERS = ("stripe",)
    settings.STRIPE_API_KEY, settings.STRIPE_API_BASE = "sk_" + "test_" + "1" * 24, "http://127.0.0.1:1"
    settings.STRIPE_WEBHOOK_SECRETS = (SECRET,)
    settings.PUBLIC_BASE_URL = URL
    return settings
