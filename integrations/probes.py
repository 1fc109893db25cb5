"""What `doctor` asks across the network: our own door from outside, a provider's clock, the mail server, the broker.

Only a person at a command line names the address, so it may be of this machine; nothing that shoppers or providers can
reach calls this. Answers are read up to a cap, redirects are answers, and the whole has a deadline.
"""

from __future__ import annotations

import smtplib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from django.conf import settings
from django.core.mail import get_connection
from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from integrations.http_connections import tls_context
from integrations.transactions import refuse_open_transaction
from integrations.wakeups import CLUSTERS, broker_answers

CONNECT_SECONDS, READ_SECONDS = 3, 10
MAX_BODY_BYTES = 64 * 1024
SMTP_BACKEND = "django.core.mail.backends.smtp.EmailBackend"


class ProbeFailed(Exception):
    """No answer, or none that can be used; the sentence says what happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server said. Header names are lower-case. `seconds`: how long it took."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float


def ask(method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None) -> Answer:
    """Make one request. Raises ProbeFailed, TransactionOpen."""
    refuse_open_transaction()
    if not url.startswith(("http://", "https://")):
        raise ProbeFailed(f"{url} is no http:// or https:// address.")
    began = time.monotonic()
    with PoolManager(ssl_context=tls_context(), timeout=Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)) as pool:
        try:
            response = pool.request(
                method,
                url,
                headers={"User-Agent": "shop-doctor", **(headers or {})},
                body=body,
                redirect=False,
                retries=False,
                preload_content=False,
            )
            content = response.read(MAX_BODY_BYTES)
        except HTTPError as error:
            raise ProbeFailed(f"{url} does not answer ({type(error).__name__}).") from error
        return Answer(
            status=response.status,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=content,
            seconds=time.monotonic() - began,
        )


def clock_of(url: str) -> datetime:
    """Return the time that a server's `Date` header tells, to the second. Raises ProbeFailed."""
    told = ask("GET", url).headers.get("date", "")
    try:
        return parsedate_to_datetime(told)
    except ValueError as error:
        raise ProbeFailed(f"{url} tells no time.") from error


def mail_leaves() -> bool:
    """Say whether mail leaves this machine at all (EMAIL_URL is smtp or smtps)."""
    return bool(settings.EMAIL_BACKEND == SMTP_BACKEND)


def greet_mail_server() -> None:
    """Connect to the mail server and sign in; nothing is sent. Raises ProbeFailed."""
    refuse_open_transaction()
    connection = get_connection()
    try:
        connection.open()
    except (OSError, smtplib.SMTPException) as error:
        where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        raise ProbeFailed(f"The mail server {where} cannot be used ({type(error).__name__}).") from error
    finally:
        connection.close()


def silent_brokers() -> list[str]:
    """Return the clusters whose queue does not answer."""
    return [cluster for cluster in CLUSTERS if not broker_answers(cluster)]
