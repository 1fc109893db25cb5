"""One request to the API in a process of its own, which a failpoint may kill.

Arguments: the test database's name, a path, a body, a key. Prints the status where it lives to tell.
"""

from __future__ import annotations

import hashlib
import sys
from unittest import mock

from integrations.contract import Started, StartRequest
from tests.fake_provider import FakeProvider


def page_number(idempotency_key: str) -> str:
    """Return how ProviderWithMemory names the page that this key opened, without the prefix."""
    return hashlib.sha256(idempotency_key.encode()).hexdigest()[:16]


class ProviderWithMemory(FakeProvider):
    """Names each page after its idempotency key: so it opens the same page for the same key in every process."""

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        self._number = iter([page_number(idempotency_key)])  # type: ignore[assignment]  # only next() is asked of it
        return super().start(request, idempotency_key=idempotency_key)


def main(database: str, path: str, body: str, key: str) -> None:
    import django
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = database
    django.setup()

    from integrations import providers
    from tests.payments.api_client import ApiClient

    provider = ProviderWithMemory()

    with (
        mock.patch.object(providers, "get", return_value=provider),
        mock.patch.object(providers, "enabled", return_value=(provider.name,)),
    ):
        response = ApiClient().post(path, body.encode(), key=key)
    print(response.status_code, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
