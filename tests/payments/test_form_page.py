"""The page around a provider's frame: what it shows, what its policy allows, and what it never does."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import structlog
from django.test import Client
from django.utils import timezone

from integrations import providers
from integrations.contract import DeclineReason, PayForm, ProviderIds, Started, StartRequest, Unavailable
from orders.models import Order
from payments.models import PaymentAttempt, ProviderCall
from payments.states import AttemptState
from tests.fake_forms import without_keys
from tests.fake_provider import FakeProvider
from tests.orders import factories

pytestmark = pytest.mark.django_db

FRAME = "https://secure.frames.example"


class FormProvider(FakeProvider):
    """Like NMI: a frame on our page, whose token pays."""

    capabilities = dataclasses.replace(FakeProvider.capabilities, **without_keys())
    policy: dict[str, tuple[str, ...]] = {"script-src": (FRAME,), "frame-src": (FRAME,)}
    parameters: dict[str, str] = {"public_key": 'pk"><script>'}

    def start(self, request: StartRequest, *, idempotency_key: str) -> Started:
        return dataclasses.replace(super().start(request, idempotency_key=idempotency_key), redirect_url="")

    def form(self, ids: ProviderIds) -> PayForm:
        told = super().form(ids)
        scripts = (f"{FRAME}/frame.js",)
        return dataclasses.replace(told, scripts=scripts, parameters=self.parameters, policy=self.policy)


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
    answer = Client().post(f"/pay/{order.token}/", {"provider": "stripe", "action": "start"})
    assert urlsplit(answer.headers["Location"]).path == f"/pay/{order.token}/stripe/"
    return PaymentAttempt.objects.get(order=order)


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


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
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


@pytest.mark.parametrize("changes", [{"presentation": "hosted"}, {"url_given_at": None}])
def test_a_payment_that_has_no_form_shows_none(
    changes: dict[str, object], attempt: PaymentAttempt, client: Client
) -> None:
    PaymentAttempt.objects.filter(pk=attempt.pk).update(**changes)
    assert client.get(url(attempt)).headers["Location"] == f"/orders/{attempt.order.token}/"


def test_while_a_payment_is_under_way_the_return_page_looks(attempt: PaymentAttempt, client: Client) -> None:
    PaymentAttempt.objects.filter(pk=attempt.pk).update(page_open=False)
    assert client.get(url(attempt)).headers["Location"] == f"/pay/{attempt.order.token}/return/"


def test_an_order_whose_time_is_over_shows_no_form(attempt: PaymentAttempt, client: Client, fake: FormProvider) -> None:
    Order.objects.filter(pk=attempt.order_id).update(expires_at=attempt.created_at)
    fake.calls.clear()
    assert client.get(url(attempt)).headers["Location"] == f"/orders/{attempt.order.token}/"
    assert pay(attempt).headers["Location"] == f"/orders/{attempt.order.token}/"
    assert fake.calls == []


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


# --- paying ---------------------------------------------------------------------------------------------------


def pay(attempt: PaymentAttempt, **fields: str) -> Any:
    body = urlencode({"token": "tok-1", "proof": "", **fields})
    return Client().post(url(attempt), body, content_type="application/x-www-form-urlencoded")


def test_a_token_pays_once_and_the_order_says_so(attempt: PaymentAttempt, fake: FormProvider) -> None:
    fake.calls.clear()
    answer = pay(attempt)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/pay/{attempt.order.token}/return/")
    assert Order.objects.get(pk=attempt.order_id).state == "paid"
    again = pay(attempt, token="tok-2")
    assert (again.status_code, again.headers["Location"]) == (303, f"/orders/{attempt.order.token}/")
    assert [verb for verb, _ in fake.calls].count("pay_with_token") == 1
    assert not ProviderCall.objects.filter(request__token__in=["tok-1", "tok-2"]).exists(), "a used token is not kept"


def test_a_decline_is_told_and_the_next_try_is_another_attempt(attempt: PaymentAttempt, fake: FormProvider) -> None:
    fake.decline_next = DeclineReason.EXPIRED_CARD
    assert pay(attempt).status_code == 303
    page = Client().get(f"/orders/{attempt.order.token}/").content.decode()
    assert "This card has expired." in page
    Client().post(f"/pay/{attempt.order.token}/", {"provider": "stripe", "action": "start"})
    second = PaymentAttempt.objects.exclude(pk=attempt.pk).get()
    assert pay(second, token="tok-2").status_code == 303
    assert Order.objects.get(pk=attempt.order_id).state == "paid"


def test_an_answer_that_got_lost_is_never_posted_again(attempt: PaymentAttempt, fake: FormProvider) -> None:
    fake.lose_answer_once = True
    assert pay(attempt).status_code == 303
    for token in ("tok-2", "tok-3"):
        assert pay(attempt, token=token).status_code == 303
    assert Order.objects.get(pk=attempt.order_id).state == "paid"
    assert fake.tokens == ["tok-1"]
    assert len(fake.the_payment().captures) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"ccnumber": "4111111111111111"},
        {"card": "5105105105105100"},
        {"amount": "49.90000001"},
        {"token": ""},
        {"token": "4111111111111111"},
        {"token": "4111 1111 1111 1111"},
        {"token": "4111-1111-1111-1111"},
        {"token": "n:4111111111111111;"},
        {"proof": "5431111111111111"},
        {"proof": '{"pan":"4111111111111111"}'},
        {"token": "two words"},
        {"token": "x" * 2001},
        {"token": "a\x00b"},
        {"token": "\u202etok"},
    ],
    ids=str,
)
def test_anything_but_a_token_is_refused_and_nothing_of_it_kept_or_logged(
    fields: dict[str, str], attempt: PaymentAttempt, fake: FormProvider, caplog: pytest.LogCaptureFixture
) -> None:
    fake.calls.clear()
    with structlog.testing.capture_logs() as lines:
        answer = pay(attempt, **fields)
    assert answer.status_code == 400
    assert "Nothing was paid" in answer.content.decode()
    assert [verb for verb, _ in fake.calls] == ["form"], "asked whether it takes tokens, and nothing else"
    assert not ProviderCall.objects.filter(operation="pay").exists()
    for value in [value for value in fields.values() if len(value) > 6]:
        assert value not in repr(lines) + caplog.text + answer.content.decode()


@pytest.mark.parametrize(
    "token", ["00000000-000000-000000-000000000000", "3b1c9d0e-1111-2222-3333-444455556666", "cnon:x"]
)
def test_tokens_that_providers_make_are_taken(token: str, attempt: PaymentAttempt, fake: FormProvider) -> None:
    assert pay(attempt, token=token).status_code == 303
    assert fake.tokens == [token]


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data; boundary=x", "text/plain"])
def test_other_bodies_are_refused(content_type: str, attempt: PaymentAttempt, fake: FormProvider) -> None:
    fake.calls.clear()
    answer = Client().post(url(attempt), b'{"token": "tok-1"}', content_type=content_type)
    assert answer.status_code == 400
    assert fake.tokens == []


def test_a_frame_that_pays_by_itself_takes_no_token(
    attempt: PaymentAttempt, fake: FormProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A made-up post must not end the payment that is under way in the frame."""
    told = fake.form(attempt.ids)
    monkeypatch.setattr(fake, "form", lambda _: dataclasses.replace(told, takes_token=False))
    assert pay(attempt).status_code == 400
    assert PaymentAttempt.objects.get(pk=attempt.pk).state == AttemptState.PENDING
    assert not ProviderCall.objects.filter(operation="pay").exists()


def test_a_provider_that_is_away_takes_no_token(attempt: PaymentAttempt, fake: FormProvider) -> None:
    fake.fail_next = [Unavailable("down")]
    answer = pay(attempt)
    assert answer.status_code == 503
    assert "Nothing was paid" in answer.content.decode()
    assert fake.tokens == []


def test_a_field_that_stands_twice_is_refused(attempt: PaymentAttempt, fake: FormProvider) -> None:
    body = "token=tok-1&token=tok-2"
    answer = Client().post(url(attempt), body, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 400
    assert fake.tokens == []


def test_a_foreign_form_is_refused(attempt: PaymentAttempt, fake: FormProvider) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(url(attempt), {"token": "tok-1"}).status_code == 403
    assert fake.tokens == []


def test_a_form_of_an_attempt_that_has_ended_takes_nothing(attempt: PaymentAttempt, fake: FormProvider) -> None:
    Client().post(f"/pay/{attempt.order.token}/", {"provider": "stripe", "action": "another"})
    assert PaymentAttempt.objects.get(pk=attempt.pk).state == AttemptState.CANCELLED
    live = PaymentAttempt.objects.get(order=attempt.order, state=AttemptState.PENDING)
    assert pay(attempt).status_code == 303, "the form of the attempt that lives now has the same address"
    assert not ProviderCall.objects.filter(operation="pay", attempt=attempt).exists()
    assert ProviderCall.objects.filter(operation="pay", attempt=live).count() == 1


def test_posts_are_counted_with_the_other_questions(attempt: PaymentAttempt, settings: Any, fake: FormProvider) -> None:
    settings.SHOPPER_ASKS_A_MINUTE = 1
    assert pay(attempt, token="").status_code == 400
    answer = pay(attempt)
    assert answer.status_code == 429
    assert fake.tokens == []
