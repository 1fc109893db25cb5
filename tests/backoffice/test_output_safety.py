"""FAULTS.md, bad input, output: hostile text in what providers, receivers and shoppers write, shown and logged."""

from __future__ import annotations

import io
import json
import logging
import logging.config
from datetime import datetime
from typing import Any

import pytest
import structlog
from django.contrib import admin
from django.db.models import CharField, TextField
from django.urls import reverse

from config.logs import logging_settings
from integrations.models import Delivery, DeliveryAttempt
from payments.models import Case, PaymentAttempt, ProviderCall, ProviderEvent
from payments.roles import Role
from tests.backoffice.filled import fill
from tests.backoffice.people import signed_in
from tests.fake_provider import FakeProvider
from tests.hostile import MARKUP, SECRETS, TEXTS

# What others write into, by model; the rest are our own words.
WRITTEN_BY_OTHERS: dict[type[Any], tuple[str, ...]] = {
    PaymentAttempt: ("decline_code", "look_error"),
    ProviderEvent: ("type", "error", "api_version"),
    ProviderCall: ("error",),
    Case: ("theirs", "ours", "suggested_fix"),
    Delivery: ("last_detail",),
    DeliveryAttempt: ("detail",),
}


AS_MARKUP = ("<script>alert", "<img src=x", "<svg onload", "<a href=//evil", "' onmouseover='alert")


def plant(text: str) -> None:
    """Put the text into every such field of every row."""
    for model, names in WRITTEN_BY_OTHERS.items():
        for name in names:
            field = model._meta.get_field(name)
            assert isinstance(field, CharField | TextField)
            model._default_manager.update(**{name: text[: field.max_length or 1000]})


def addresses() -> list[str]:
    """Return each screen's list, and the page of its first row."""
    found = []
    for model, screen in admin.site._registry.items():
        name = f"admin:{screen.opts.app_label}_{screen.opts.model_name}"
        found.append(reverse(f"{name}_changelist"))
        first = model._default_manager.order_by("pk").first()
        if first is not None:
            found.append(reverse(f"{name}_change", args=[first.pk]))
    return found


@pytest.mark.slow
@pytest.mark.django_db
def test_no_page_of_the_back_office_holds_it_as_markup(fake: FakeProvider, now: datetime) -> None:
    filled = fill(fake, now=now)
    client = signed_in(*Role)
    client.raise_request_exception = True
    # One text holds them all; each begins with a mark, so that its showing can be seen, too.
    for text in ("hostile " + "".join(MARKUP[:3]), "hostile " + "".join(MARKUP[3:])):
        plant(text)
        shown = 0
        for address in [*addresses(), *(address for _, address in filled.more_screens())]:
            answer = client.get(address, follow=True)
            assert answer.status_code == 200, address
            page = answer.content.decode()
            shown += "hostile " in page
            for raw in (
                "<script>alert",
                "<img src=x",
                "<svg onload",
                "<a href=//evil",
                "' onmouseover='alert",
                "49{% load",
            ):
                assert raw not in page, (address, raw)
            assert 'href="javascript:' not in page, address
        assert shown > 5


@pytest.mark.parametrize("as_json", [True, False])
def test_one_line_for_each_record_whatever_it_says(as_json: bool) -> None:
    settings = logging_settings(level="DEBUG", json=as_json, secrets=())
    formatter = logging.config.DictConfigurator(settings).configure_formatter(settings["formatters"]["line"])
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logger = logging.getLogger("test.hostile")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    try:
        for text in [*TEXTS, *SECRETS]:
            structlog.get_logger("test.hostile").warning(text, provider=text, nested={"said": [text], text: 1})
            logger.warning("said %s", text)
    finally:
        logger.removeHandler(handler)
    written = stream.getvalue()
    lines = written.split("\n")[:-1]
    assert len(lines) == 2 * len([*TEXTS, *SECRETS])
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) <= 0x9F for line in lines for character in line)
    assert not any(0x202A <= ord(character) <= 0x202E or 0x2066 <= ord(character) <= 0x2069 for character in written)
    assert not any(character in written for character in "\u2028\u2029\x1b")
    for secret in ("sk_test_51Hostile", "whsec_Hostile", "4242 4242", "hunter2hunter2", "abcdefghijklmnop"):
        assert secret not in written
    if as_json:
        assert all(json.loads(line)["logger"] == "test.hostile" for line in lines)
