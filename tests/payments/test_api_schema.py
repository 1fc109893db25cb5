"""The API's description: valid, true (generated requests hold against it), and shown without any other host."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import schemathesis
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.throttling import SimpleRateThrottle
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from payments.models import IdempotencyRecord
from tests.factories import make_order, make_product
from tests.fake_provider import FakeProvider
from tests.payments.api_client import NO_LIMITS, new_key, order_of

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


def schema() -> dict[str, Any]:
    response = Client(SERVER_NAME="127.0.0.1").get(reverse("api:schema"), headers={"Accept": "application/json"})
    assert response.status_code == 200
    described: dict[str, Any] = json.loads(response.content)
    return described


def operations(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        f"{method.upper()} {path}": operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


@pytest.mark.django_db
def test_the_addresses_are_those_of_the_public_surface() -> None:
    assert reverse("api:orders") == "/api/v1/orders/"
    assert reverse("api:order", args=["t"]) == "/api/v1/orders/t/"
    assert reverse("api:attempts", args=["t"]) == "/api/v1/orders/t/attempts/"
    assert reverse("api:refunds", args=["pa_1"]) == "/api/v1/attempts/pa_1/refunds/"
    assert reverse("api:refund", args=["rf_1"]) == "/api/v1/refunds/rf_1/"
    assert reverse("api:staff_me") == "/api/v1/staff/me/"
    assert (reverse("api:schema"), reverse("api:docs")) == ("/api/schema/", "/api/docs/")
    assert set(operations(schema())) == {
        "POST /api/v1/orders/",
        "GET /api/v1/orders/{token}/",
        "POST /api/v1/orders/{token}/attempts/",
        "GET /api/v1/staff/me/",
        "GET /api/v1/attempts/{reference}/refunds/",
        "POST /api/v1/attempts/{reference}/refunds/",
        "GET /api/v1/refunds/{reference}/",
    }


def test_the_schema_is_valid_and_nothing_in_it_was_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("spectacular", validate=True, fail_on_warn=True)
    assert "openapi: 3" in capsys.readouterr().out


@pytest.mark.django_db
def test_every_operation_is_explained_with_examples_and_every_refusal(subtests: pytest.Subtests) -> None:
    for name, operation in operations(schema()).items():
        with subtests.test(name):
            assert operation["summary"]
            assert operation["description"]
            staff = "/staff/" in name or "/refunds/" in name
            assert operation.get("security", [{}]) in ([[{"staffToken": []}]] if staff else [[], [{}]])
            for status, response in operation["responses"].items():
                assert response["description"], status
                assert response["content"]["application/json"]["examples"], status
            asks = {"400", "409", "413", "415", "422"} if name.startswith("POST") else {"401" if staff else "404"}
            expected = {"429", "503"} | asks
            assert expected <= set(operation["responses"])


@pytest.mark.django_db
def test_every_post_asks_for_a_key_and_bodies_are_closed() -> None:
    described = schema()
    for name, operation in operations(described).items():
        keys = [one for one in operation.get("parameters", []) if one["name"] == "Idempotency-Key"]
        assert [one["required"] for one in keys] == ([True] if name.startswith("POST") else [])
    for name in ("OrderAsked", "LineAsked", "AttemptAsked", "RefundAsked"):
        assert described["components"]["schemas"][name]["additionalProperties"] is False


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(
    ("path", "method"),
    [("/api/v1/orders/", "POST"), ("/api/v1/orders/{token}/", "GET"), ("/api/v1/orders/{token}/attempts/", "POST")],
)
def test_generated_requests_are_answered_as_described(
    path: str, method: str, mode: GenerationMode, fake: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Schemathesis, in process: requests that fit the schema and requests that do not; 0 5xx, no answer undescribed."""
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", NO_LIMITS)
    make_product(sku="MUG-01")
    token = make_order(now=timezone.now()).token
    api = schemathesis.openapi.from_wsgi(
        "/api/schema/", get_wsgi_application(), headers={"Accept": "application/json", "Host": "127.0.0.1"}
    )
    statuses: set[int] = set()

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=api[path][method].as_strategy(generation_mode=mode), known=st.booleans())
    def hold(case: Any, known: bool) -> None:
        if known and "token" in path:
            case.path_parameters["token"] = token
        if known and mode is GenerationMode.POSITIVE and method == "POST":
            case.body = {"provider": "stripe"} if "token" in path else order_of("MUG-01")
        response = case.call(
            headers={"Host": "127.0.0.1", "Idempotency-Key": new_key()} if known else {"Host": "127.0.0.1"}
        )
        statuses.add(response.status_code)
        case.validate_response(response, checks=CHECKS)

    hold()

    assert max(statuses) < 500
    assert statuses & ({200, 201} if mode is GenerationMode.POSITIVE else {400, 404, 405, 415}), statuses
    assert IdempotencyRecord.objects.filter(status=None).count() == 0


# --- the page --------------------------------------------------------------------------------------------------


def test_the_page_needs_no_inline_script_and_no_other_host() -> None:
    response = Client(SERVER_NAME="127.0.0.1").get(reverse("api:docs"))
    page = response.content.decode()

    assert response.status_code == 200
    assert not response.cookies
    assert re.findall(r"<script(?![^>]* src=)|<style|style=| on\w+=", page) == []
    files = re.findall(r'(?:src|href)="(?!/api/)([^"]+)"', page)
    assert len(files) == 5
    for file in files:
        assert file.startswith("/static/"), "from ourselves"
        assert finders.find(file.removeprefix("/static/")), file


def test_the_pages_policy_is_the_sites_but_for_the_icons() -> None:
    def policy(path: str) -> dict[str, str]:
        header = Client(SERVER_NAME="127.0.0.1").get(path).headers["Content-Security-Policy"]
        return dict(directive.strip().partition(" ")[::2] for directive in header.split(";"))

    sites, pages = policy("/livez"), policy(reverse("api:docs"))

    assert pages.pop("img-src") == f"{sites.pop('img-src')} data:"
    assert pages == sites
    assert "unsafe" not in str(pages)


@pytest.mark.django_db
@pytest.mark.parametrize("query", ["version=a%0d%0aX-Evil:%201", "lang=%00", "lang=..%2f..", "version=%ff", "format=x"])
def test_nothing_in_its_address_breaks_the_document(query: str) -> None:
    client = Client(raise_request_exception=False)
    answer = client.get(f"/api/schema/?{query}")
    assert answer.status_code in (200, 404), query
    assert "X-Evil" not in answer.headers
