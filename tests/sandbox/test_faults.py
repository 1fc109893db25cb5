"""Each fault switch does what it says, and only to the requests it names."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests
import stripe

from integrations.sandbox.control import ControlError, SandboxControl
from tests.sandbox.process import API_KEY, SandboxProcess
from tests.sandbox.shop import Page, new_session


def create(client: stripe.StripeClient, key: str = "key-1") -> stripe.PaymentIntent:
    """The mutation under test."""
    return client.v1.payment_intents.create({"amount": 100, "currency": "eur"}, {"idempotency_key": key})


@pytest.mark.parametrize(
    ("kind", "after", "error", "effects"),
    [
        ("drop", False, stripe.APIConnectionError, 0),
        ("drop", True, stripe.APIConnectionError, 1),
        ("rate_limit", False, stripe.RateLimitError, 0),
        ("server_error", False, stripe.APIError, 0),
        ("server_error", True, stripe.APIError, 1),
        ("stored_error", False, stripe.APIError, 0),
        ("html_502", False, stripe.APIError, 0),
        ("html_502", True, stripe.APIError, 1),
        ("half_body", False, stripe.APIConnectionError, 1),
        ("truncated_json", False, stripe.APIError, 1),
    ],
)
def test_what_the_sdk_sees_and_what_happened(
    client: stripe.StripeClient,
    control: SandboxControl,
    kind: str,
    after: bool,
    error: type[stripe.StripeError],
    effects: int,
) -> None:
    control.fault(kind, after=after)
    with pytest.raises(error):
        create(client)
    assert len(control.effects()) == effects
    assert [request.fault for request in control.requests()] == [f"{kind}_after" if after else kind]
    if kind not in ("server_error", "stored_error"):
        create(client)
        assert len(control.effects()) == 1
    assert control.faults() == []


@pytest.mark.parametrize("after", [False, True])
def test_delay(client: stripe.StripeClient, control: SandboxControl, after: bool) -> None:
    control.fault("delay", seconds=0.5, after=after)
    started = time.monotonic()
    create(client)
    assert time.monotonic() - started >= 0.5


@pytest.mark.parametrize("after", [False, True])
def test_a_client_that_gives_up_during_a_delay(
    sandbox: SandboxProcess, client: stripe.StripeClient, control: SandboxControl, after: bool
) -> None:
    impatient = sandbox.client(timeout_seconds=0.3)
    control.fault("delay", seconds=1.0, after=after)
    with pytest.raises(stripe.APIConnectionError):
        create(impatient)
    deadline = time.monotonic() + 5
    while not control.effects() and time.monotonic() < deadline:
        time.sleep(0.05)
    (effect,) = control.effects()
    time.sleep(0.2)
    assert create(client).id == effect.payment_intent


def test_a_switch_hits_so_many_requests_of_its_method_and_path(
    client: stripe.StripeClient, control: SandboxControl
) -> None:
    control.fault("rate_limit", method="post", path_prefix="/v1/payment_intents", times=2)
    new_session(client)
    client.v1.payment_intents.list()
    for _ in range(2):
        with pytest.raises(stripe.RateLimitError):
            create(client)
    create(client)


def test_the_pay_page_can_suffer_as_well(client: stripe.StripeClient, control: SandboxControl) -> None:
    session = new_session(client)
    page = Page(session.url)
    control.fault("drop", method="POST", path_prefix="/c/pay/", after=True)
    with pytest.raises(requests.ConnectionError):
        page.pay()
    assert control.effects()[0].captured_minor == 4990
    assert Page(session.url).heading == "You have already paid"


def test_the_control_api_never_suffers(control: SandboxControl) -> None:
    control.fault("drop", path_prefix="/", times=100)
    assert control.health()["provider"] == "stripe"
    control.clear_faults()
    assert control.faults() == []


def test_the_sdk_retries_a_dropped_answer_into_a_replay(sandbox: SandboxProcess, control: SandboxControl) -> None:
    control.fault("drop", after=True)
    create(sandbox.client(retries=2))
    assert [(request.replayed, request.status) for request in control.requests()] == [(False, 200), (True, 200)]
    assert len(control.effects()) == 1


def test_unknown_kinds_are_refused(control: SandboxControl) -> None:
    with pytest.raises(ControlError, match="unknown fault kind 'earthquake'; known: delay, drop"):
        control.fault("earthquake")
    with pytest.raises(ControlError, match="unknown webhook switch"):
        control.webhook_rule("shred")


Refused = Callable[[str], requests.Response]
REFUSED: dict[str, Refused] = {
    "get": lambda url: requests.get(url + "/_sandbox/health", timeout=5),
    "a form": lambda url: requests.post(url + "/_sandbox/reset", data={"a": "b"}, timeout=5),
    "a web page": lambda url: requests.post(
        url + "/_sandbox/reset", json={}, headers={"Origin": "http://evil.example"}, timeout=5
    ),
    "another host": lambda url: requests.post(
        url + "/_sandbox/reset", json={}, headers={"Host": "evil.example"}, timeout=5
    ),
    "no object": lambda url: requests.post(url + "/_sandbox/reset", json=[], timeout=5),
    "no JSON": lambda url: requests.post(
        url + "/_sandbox/reset", data="{", headers={"Content-Type": "application/json"}, timeout=5
    ),
    "no such verb": lambda url: requests.post(url + "/_sandbox/fly", json={}, timeout=5),
    "a missing argument": lambda url: requests.post(url + "/_sandbox/sessions.pay", json={}, timeout=5),
}


@pytest.mark.parametrize("name", REFUSED)
def test_control_requests_that_are_refused(
    sandbox: SandboxProcess, client: stripe.StripeClient, control: SandboxControl, name: str
) -> None:
    create(client)
    answer = REFUSED[name](sandbox.url)
    assert answer.status_code in (400, 403, 404, 405, 421)
    assert len(control.effects()) == 1


def test_the_journal_is_the_oracle(
    sandbox: SandboxProcess, client: stripe.StripeClient, control: SandboxControl
) -> None:
    create(client)
    client.v1.payment_intents.list({"limit": 3})
    requests.get(sandbox.url + "/v1/charges", timeout=5)
    posted, listed, refused = control.requests()
    assert (posted.method, posted.path, posted.idempotency_key) == ("POST", "/v1/payment_intents", "key-1")
    assert posted.params == {"amount": "100", "currency": "eur"}
    assert posted.api_version == stripe._api_version._ApiVersion.CURRENT
    assert (listed.method, listed.params, listed.status) == ("GET", {"limit": "3"}, 200)
    assert refused.status == 401
    assert control.requests(method="POST") == [posted]
    assert control.requests(path_prefix="/v1/charges") == [refused]
    assert control.requests(after_id=posted.id) == [listed, refused]
    assert API_KEY not in repr(control.requests())
