"""The page around a provider's frame: what it shows, what its policy allows, and what it never does."""

from __future__ import annotations

import dataclasses

import pytest
from django.test import Client
from django.utils import timezone

from integrations import providers
from integrations.contract import PayForm, Presentation, ProviderIds, Started, StartRequest, Unavailable
from orders.models import Order
from payments.models import PaymentAttempt, ProviderCall
from payments.states import AttemptState
from tests.fake_provider import FakeProvider
from tests.orders import factories

pytestmark = pytest.mark.django_db

FRAME = "https://secure.frames.example"


class FormProvider(FakeProvider):
    """Shows a frame on our page; its token pays."""

    capabilities = dataclasses.replace(FakeProvider.capabilities, presentations=(Presentation.EMBEDDED,))
    policy: dict[str, tuple[str, ...]] = {"script-src": (FRAME,), "frame-src": (FRAME,)}
    parameters: dict[str, str] = {"public_key": 'pk"><script>'}

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        return dataclasses.replace(super().start(request, idempotency_key=idempotency_key), redirect_url="")

    def form(self, ids: ProviderIds) -> PayForm:
        self._begin("form", ids.page_id)
        return PayForm(scripts=(f"{FRAME}/frame.js",), parameters=self.parameters, policy=self.policy, takes_token=True)


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> FormProvider:
    provider = FormProvider()
    monkeypatch.setattr(providers, "get", lambda name: provider)
    monkeypatch.setattr(providers, "enabled", lambda: ("stripe", "other"))
    return provider


@pytest.fixture
def attempt(fake: FormProvider) -> PaymentAttempt:
    """An attempt whose shopper was sent to the form."""
    order = factories.order(now=timezone.now())
    Client().post(f"/pay/{order.token}/", {"provider": "stripe", "action": "start"})
    attempt = PaymentAttempt.objects.get(order=order)
    attempt.url_given_at = attempt.created_at
    attempt.save(update_fields=["url_given_at"])
    return attempt


def url(attempt: PaymentAttempt, provider: str = "stripe") -> str:
    return f"/pay/{attempt.order.token}/{provider}/"


def test_it_shows_the_frames_scripts_and_parameters_under_a_policy_of_its_own(
    attempt: PaymentAttempt, client: Client
) -> None:
    answer = client.get(url(attempt))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert f'<script src="{FRAME}/frame.js" defer></script>' in page
    assert 'data-public-key="pk&quot;&gt;&lt;script&gt;"' in page
    assert "This form needs JavaScript" in page
    assert "no-store" in answer.headers["Cache-Control"]
    policy = dict(
        each.strip().split(" ", 1)
        for each in answer.headers["Content-Security-Policy"].split(";")
        if " " in each.strip()
    )
    assert policy["script-src"] == f"'self' {FRAME}"
    assert policy["frame-src"] == FRAME
    assert policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    elsewhere = client.get(f"/pay/{attempt.order.token}/?other=1").headers["Content-Security-Policy"]
    assert FRAME not in elsewhere


def test_opening_it_changes_nothing(attempt: PaymentAttempt, client: Client, fake: FormProvider) -> None:
    before = list(PaymentAttempt.objects.values()), list(ProviderCall.objects.values())
    fake.calls.clear()
    for _ in range(3):
        assert client.get(url(attempt)).status_code == 200
    assert (list(PaymentAttempt.objects.values()), list(ProviderCall.objects.values())) == before
    assert [verb for verb, _ in fake.calls] == ["form"] * 3


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_refused(method: str, attempt: PaymentAttempt, client: Client) -> None:
    assert getattr(client, method)(url(attempt)).status_code == 405


@pytest.mark.parametrize("token", ["nobody", "%00", "x" * 5000])
def test_an_unknown_token_is_404(token: str, fake: FormProvider, client: Client) -> None:
    assert client.get(f"/pay/{token}/stripe/").status_code == 404


def test_an_unknown_provider_is_404(attempt: PaymentAttempt, client: Client) -> None:
    assert client.get(url(attempt, "nowhere")).status_code == 404


def test_without_an_attempt_there_the_order_says_how_it_stands(
    order: Order, attempt: PaymentAttempt, client: Client, fake: FormProvider
) -> None:
    fake.calls.clear()
    for path in (f"/pay/{order.token}/stripe/", url(attempt, "other")):
        answer = client.get(path)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/orders/")
    assert fake.calls == []


@pytest.mark.parametrize("changes", [{"page_url": "https://pay.test/1"}, {"url_given_at": None}])
def test_a_payment_that_has_no_form_shows_none(
    changes: dict[str, object], attempt: PaymentAttempt, client: Client
) -> None:
    PaymentAttempt.objects.filter(pk=attempt.pk).update(**changes)
    assert client.get(url(attempt)).headers["Location"] == f"/orders/{attempt.order.token}/"


def test_while_a_payment_is_under_way_the_return_page_looks(attempt: PaymentAttempt, client: Client) -> None:
    PaymentAttempt.objects.filter(pk=attempt.pk).update(page_open=False)
    assert client.get(url(attempt)).headers["Location"] == f"/pay/{attempt.order.token}/return/"


def test_a_provider_that_is_away_is_told_with_what_to_do(
    attempt: PaymentAttempt, client: Client, fake: FormProvider
) -> None:
    fake.fail_next = [Unavailable("down")]
    answer = client.get(url(attempt))
    page = answer.content.decode()
    assert answer.status_code == 503
    assert "The card form does not answer just now. Nothing was paid." in page
    assert "Try again" in page and "Use another method" in page
    assert "data-pay-form" not in page


@pytest.mark.parametrize(
    "policy",
    [
        {"script-src": ("'unsafe-inline'",)},
        {"script-src": ("*",)},
        {"script-src": ("https:",)},
        {"script-src": ("http://frames.example",)},
        {"script-src": ("https://a.example; object-src *",)},
        {"default-src": (FRAME,)},
        {"frame-ancestors": (FRAME,)},
    ],
)
def test_an_adapter_cannot_loosen_the_policy_to_more_than_hosts(
    policy: dict[str, tuple[str, ...]], attempt: PaymentAttempt, client: Client, fake: FormProvider
) -> None:
    fake.policy = policy
    answer = client.get(url(attempt))
    assert answer.status_code == 503
    assert "data-pay-form" not in answer.content.decode()
    assert next(iter(policy.values()))[0] not in answer.headers["Content-Security-Policy"].split()


def test_a_parameter_cannot_be_an_attribute_of_its_own(
    attempt: PaymentAttempt, client: Client, fake: FormProvider
) -> None:
    fake.parameters = {'x" onload="alert(1)': "1"}
    assert client.get(url(attempt)).status_code == 503


def test_it_asks_the_provider_only_so_often(
    attempt: PaymentAttempt, client: Client, fake: FormProvider, settings: object
) -> None:
    settings.SHOPPER_ASKS_A_MINUTE = 2  # type: ignore[attr-defined]
    fake.calls.clear()
    assert [client.get(url(attempt)).status_code for _ in range(4)] == [200, 200, 429, 429]
    assert len(fake.calls) == 2


def test_an_attempt_that_has_ended_shows_no_form(attempt: PaymentAttempt, client: Client, fake: FormProvider) -> None:
    fake.expire(fake.the_payment())
    client.get(f"/pay/{attempt.order.token}/return/")
    assert PaymentAttempt.objects.get(pk=attempt.pk).state == AttemptState.CANCELLED
    assert client.get(url(attempt)).headers["Location"] == f"/orders/{attempt.order.token}/"
