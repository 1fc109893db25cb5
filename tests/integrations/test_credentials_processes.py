"""A change of keys in real web processes that nobody restarts: it counts in each of them within five seconds."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.utils import timezone

from integrations import credentials
from integrations.contract import Mode
from integrations.models import Credential, DecryptionRecord
from integrations.providers.stripe.loopback import signed_event
from integrations.sandbox.loopback import free_port
from tests.processes import Processes, eventually, running

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

OF_ENVIRONMENT, FIRST, SECOND = ("whsec_" + letter * 32 for letter in "eab")
BY: dict[str, Any] = {"provider": "stripe", "owner": "Ida", "actor": "user:7", "reason": "new at the provider"}
WITHIN_SECONDS = 5
WORKERS = 2


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with running(tmp_path) as processes:
        yield processes


def send(address: str, secret: str) -> int:
    headers, body = signed_event(secret=secret, event_id=f"evt_{uuid.uuid4().hex}", mode=Mode.TEST, now=timezone.now())
    # A connection of its own each time, so that every worker gets some.
    request = Request(f"{address}/webhooks/stripe/", data=body, headers={**headers, "Connection": "close"})
    try:
        with urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0


def seconds_until_all(address: str, secret: str, *, accepted: bool) -> float:
    """Return how long after now the last other answer came; every worker answers many times meanwhile.

    Refused is 400, and 429 after many.
    """
    began, last_other = time.monotonic(), 0.0
    while time.monotonic() - began < WITHIN_SECONDS + 2:
        if (send(address, secret) == 200) is not accepted:
            last_other = time.monotonic() - began
        time.sleep(0.1)
    print(f"accepted={accepted} everywhere after {last_other:.1f} s")
    return last_other


def test_a_new_key_counts_and_a_revoked_one_does_not_within_five_seconds(processes: Processes) -> None:
    port = free_port(0)
    address = f"http://127.0.0.1:{port}"
    processes.start(
        "web",
        [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS)],
        STRIPE_API_KEY="sk_" + "test_" + "1" * 24,
        STRIPE_WEBHOOK_SECRETS=OF_ENVIRONMENT,
    )
    eventually(lambda: send(address, OF_ENVIRONMENT) == 200)
    credentials.add(name="webhook_secret", value=FIRST, at=timezone.now(), **BY)
    assert seconds_until_all(address, FIRST, accepted=True) <= WITHIN_SECONDS
    assert send(address, OF_ENVIRONMENT) in (400, 429)  # refused; after so many, throttled too
    credentials.rotate(name="webhook_secret", value=SECOND, at=timezone.now(), overlap_seconds=3600, **BY)
    assert seconds_until_all(address, SECOND, accepted=True) <= WITHIN_SECONDS
    assert send(address, FIRST) == 200
    first = Credential.objects.get(fingerprint=credentials.fingerprint(FIRST))
    credentials.revoke_now(uid=first.uid, actor="user:7", reason="seen in a chat", at=timezone.now())
    assert seconds_until_all(address, FIRST, accepted=False) <= WITHIN_SECONDS
    assert send(address, SECOND) == 200
    opened = DecryptionRecord.objects.filter(row_uid=first.uid, purpose="verify")
    # Which of the workers gets a request is for the kernel to say; each that got one opened it once, and said so.
    assert 1 <= opened.count() <= WORKERS
    assert Credential.objects.get(pk=first.pk).last_used_at is not None
