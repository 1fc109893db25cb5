"""E-mail to the shopper: order received, paid (the receipt), expired, cancelled. Text and HTML, through Django's mail.

Mail is delivered at least once: no mail server can be asked whether it took a message. After a try whose outcome is
unknown it is sent again, since a lost receipt is worse than a doubled one, under the same Message-ID, by which mail
systems drop the second copy and people can tell that it is one.
"""

from __future__ import annotations

import smtplib
from datetime import datetime

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.utils.dateparse import parse_datetime

from integrations.connectors.contract import Message, Misconfigured, Receiver, Verdict
from integrations.facts import MAILED_FACTS
from integrations.models import Failure


class NoSuchMail(Exception):
    """The fact has no mail, or its payload no usable address. Trying again changes nothing."""


class MailConnector:
    """Renders templates/mail/<fact>.{subject.txt,txt,html} with the payload as `order`."""

    kind = "mail"

    def build(self, message: Message, receiver: Receiver, *, now: datetime) -> EmailMultiAlternatives:
        """Return the mail, in text and HTML. Raises NoSuchMail when the fact has none or the address is no address."""
        if message.fact not in MAILED_FACTS:
            raise NoSuchMail(f"There is no mail for {message.fact}.")
        template = f"mail/{message.fact.replace('.', '_')}"
        context = {"order": _for_reading(message)}
        mail = EmailMultiAlternatives(
            subject=" ".join(render_to_string(f"{template}.subject.txt", context).split()),
            body=render_to_string(f"{template}.txt", context),
            from_email=settings.DEFAULT_FROM_EMAIL,
            to=[_address(receiver.address or message.payload.get("email"))],
            headers={"Message-ID": message_id(message.key), "Auto-Submitted": "auto-generated"},
        )
        mail.attach_alternative(render_to_string(f"{template}.html", context), "text/html")
        return mail

    def find(self, message: Message, receiver: Receiver, *, now: datetime, deadline_seconds: float) -> None:
        """Return None: a mail server cannot be asked."""
        return

    def send(self, request: EmailMultiAlternatives, *, deadline_seconds: float) -> None:
        """Hand the mail to the server. `deadline_seconds` limits each step of the conversation, not its sum."""
        request.connection = get_connection(timeout=deadline_seconds)
        request.send()

    def classify(self, answer: Exception | None, *, now: datetime) -> Verdict:
        """No exception delivers. SMTP's 4yz are for now, its 5yz for good (RFC 5321, 4.2.1)."""
        if answer is None:
            return Verdict(delivered=True)
        return _of_exception(answer)


def message_id(key: str) -> str:
    """Return the Message-ID of a delivery: the same at every try, since `key` never changes."""
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("<> ") or "localhost"
    return f"<{key}@{domain}>"


def _address(value: object) -> str:
    try:
        address = value if isinstance(value, str) else ""
        validate_email(address)
    except ValidationError as error:
        raise NoSuchMail("The payload holds no usable e-mail address.") from error
    return address


def _for_reading(message: Message) -> dict[str, object]:
    """Return the payload with its times as datetimes, for the templates' date filter."""
    times = {
        name: parse_datetime(value)
        for name, value in message.payload.items()
        if name.endswith("_at") and isinstance(value, str)
    }
    return {**message.payload, **times}


def _of_exception(error: Exception) -> Verdict:
    if isinstance(error, NoSuchMail):
        return Verdict(failure=Failure.PERMANENT, detail=str(error), hopeless=True)
    if isinstance(error, Misconfigured):
        return Verdict(failure=Failure.CONFIGURATION, detail=str(error)[:300])
    if isinstance(error, smtplib.SMTPAuthenticationError | smtplib.SMTPNotSupportedError):
        return Verdict(failure=Failure.CONFIGURATION, detail="The mail server refuses our sign-in.")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = [code for code, _ in error.recipients.values()]
        return _of_code(max(codes, default=0), "the recipient")
    if isinstance(error, smtplib.SMTPResponseException):
        return _of_code(error.smtp_code, "the mail")
    if isinstance(error, TimeoutError):
        return Verdict(failure=Failure.TIMEOUT, detail="The mail server did not answer in time.", outcome_unknown=True)
    if isinstance(error, ConnectionRefusedError):
        return Verdict(failure=Failure.UNAVAILABLE, detail="The mail server takes no connection.")
    if isinstance(error, OSError | smtplib.SMTPException):
        detail = f"The mail server is away: {type(error).__name__}."
        return Verdict(failure=Failure.UNAVAILABLE, detail=detail, outcome_unknown=True)
    return Verdict(failure=Failure.INTERNAL, detail=f"A defect of ours: {type(error).__name__}.")


def _of_code(code: int, what: str) -> Verdict:
    # The server's own text may repeat the address, so only its code is kept.
    if 500 <= code < 600:
        return Verdict(failure=Failure.PERMANENT, detail=f"The mail server refuses {what} ({code}).")
    return Verdict(failure=Failure.UNAVAILABLE, detail=f"The mail server does not take {what} now ({code}).")
