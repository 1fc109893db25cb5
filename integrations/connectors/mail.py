"""E-mail to the shopper: order received, paid (the receipt), expired, cancelled, refunded. Text and HTML, by Django.

Mail is delivered at least once: no mail server can be asked whether it took a message. After a try whose outcome is
unknown it is sent again, since a lost receipt is worse than a doubled one, under the same Message-ID, by which mail
systems drop the second copy and people can tell that it is one.
"""

from __future__ import annotations

import smtplib
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives, get_connection
from django.core.validators import validate_email
from django.template.loader import render_to_string
from django.utils.dateparse import parse_datetime

from integrations.connectors.contract import Connector, Message, Misconfigured, Receiver, Verdict
from integrations.facts import MAILED_FACTS
from integrations.failure import Failure

_BY_KIND: tuple[tuple[tuple[type[Exception], ...], Verdict], ...] = (
    (
        (Misconfigured, smtplib.SMTPAuthenticationError, smtplib.SMTPNotSupportedError),
        Verdict(failure=Failure.CONFIGURATION, detail="The mail server refuses our sign-in; see EMAIL_URL."),
    ),
    (
        (TimeoutError,),
        Verdict(failure=Failure.TIMEOUT, detail="The mail server did not answer in time.", outcome_unknown=True),
    ),
    (
        (ConnectionRefusedError,),
        Verdict(failure=Failure.UNAVAILABLE, detail="The mail server takes no connection."),
    ),
)


class NoSuchMail(Exception):
    """The fact has no mail, or its payload no usable address. Trying again changes nothing."""


class MailConnector(Connector):
    """Renders templates/mail/<fact>.{subject.txt,txt,html} with the payload as `order`."""

    kind = "mail"
    facts = MAILED_FACTS

    def check(self, receiver: Receiver) -> None:
        """Raise Misconfigured for what mail has no use for: its sign-in is EMAIL_URL's."""
        if receiver.options or receiver.secrets or receiver.public_key:
            raise Misconfigured("Mail has no options, secret or public key; see EMAIL_URL.")

    def build(self, message: Message, receiver: Receiver, **_: Any) -> EmailMultiAlternatives:
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

    def send(self, request: EmailMultiAlternatives, *, deadline_seconds: float) -> None:
        """Hand the mail to the server. `deadline_seconds` limits each step of the conversation, not its sum."""
        request.connection = get_connection(timeout=deadline_seconds)
        request.send()

    def classify(self, answer: Exception | None, **_: Any) -> Verdict:
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


def _code_of(error: Exception) -> int:
    """Return SMTP's reply code where the error carries one, else 0."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return max((code for code, _ in error.recipients.values()), default=0)
    return error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0


def _of_exception(error: Exception) -> Verdict:
    if isinstance(error, NoSuchMail):
        return Verdict(failure=Failure.PERMANENT, detail=str(error), hopeless=True)
    for kinds, verdict in _BY_KIND:
        if isinstance(error, kinds):
            return verdict
    # The server's own text may repeat the address, so only its code is kept.
    if code := _code_of(error):
        for_good = 500 <= code < 600
        return Verdict(
            failure=Failure.PERMANENT if for_good else Failure.UNAVAILABLE,
            detail=f"The mail server does not take the mail ({code}).",
        )
    if isinstance(error, OSError | smtplib.SMTPException):
        detail = f"The mail server is away: {type(error).__name__}."
        return Verdict(failure=Failure.UNAVAILABLE, detail=detail, outcome_unknown=True)
    return Verdict(failure=Failure.INTERNAL, detail=f"A defect of ours: {type(error).__name__}.")
