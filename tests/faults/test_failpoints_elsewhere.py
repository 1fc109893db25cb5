"""SIGKILL at each named failpoint where PayPal, Square or NMI is paid, on the real processes, which then start again.

As test_failpoints.py, and beside it: the payment by token and the capture, which are calls of ours that move money.
After each: paid by one capture; one sale by the provider's own books; never a second post where it knows no keys; each
fact delivered once; the ledger balanced; no case; no token left in a call's request (tests/faults/oracle.py).
"""

from __future__ import annotations

import pytest

from tests.faults import buyer
from tests.faults.histories import History, Kill
from tests.faults.world import World, wait_until

pytestmark = pytest.mark.timeout(150)

PROVIDERS = ("paypal", "square", "nmi")
CALL = ("call.before_send", "call.after_send", "call.before_store", "call.after_store")
LOOK = ("look.before_fetch", "look.after_fetch", "settle.before_commit", "settle.after_commit")
MONEY_FOUND = ("capture.before_posting", "paid.before_fact")
INBOX = ("inbox.before_commit", "inbox.after_commit")
DELIVERY = ("delivery.before_send", "delivery.after_send", "delivery.before_mark", "delivery.after_mark")
OF_A_START = ("attempt.committed", *CALL, "page.handed_out")
OF_A_PAYMENT_BY_TOKEN = ("payment.committed", *CALL)

QUICK = {
    ("paypal", "web", "call.after_send"),
    ("paypal", "look", "call.after_send"),
    ("square", "look", "settle.before_commit"),
    ("nmi", "paying", "call.after_send"),
}
"""Those that `make test` plays: where money could move twice, or be lost; `make faults` plays all."""


def each(*cases: tuple[str, str, str]) -> pytest.MarkDecorator:
    """Parametrize by provider and failpoint; the word between tells a case of QUICK."""
    return pytest.mark.parametrize(
        ("provider", "failpoint"),
        [
            pytest.param(provider, name, marks=pytest.mark.slow if (provider, where, name) in QUICK else _ALL)
            for provider, where, name in cases
        ],
    )


_ALL = pytest.mark.faults


def everywhere(where: str, *names: str, providers: tuple[str, ...] = PROVIDERS) -> list[tuple[str, str, str]]:
    return [(provider, where, name) for provider in providers for name in names]


def _in_time_for_a_worker(provider: str) -> str:
    """Say how the events come: NMI's late, since the look of the payment by token would use them otherwise."""
    return "held" if provider == "nmi" else "normal"


def assert_survived(world: World, history: History, **also: str) -> None:
    found = buyer.play(world, history, also=also)
    kill = history.kill
    assert kill is not None
    for program, failpoint in {kill.program: kill.failpoint, **also}.items():
        assert failpoint in world.fired(program), f"nobody died at {failpoint}: {program} did not pass it"
    assert found == [], f"{history}: {found}"


def of(provider: str, kill: Kill, *, webhooks: str = "normal", returns: bool = True) -> History:
    name = f"{provider}: {kill.program} dies at {kill.failpoint}"
    return History(name, provider=provider, webhooks=webhooks, returns=returns, kill=kill)


@each(*everywhere("web", *OF_A_START))
def test_the_shop_dies_while_the_payment_begins(world_of_others: World, provider: str, failpoint: str) -> None:
    assert_survived(world_of_others, of(provider, Kill("web", failpoint), webhooks="held"))


@each(*everywhere("web", *LOOK), *everywhere("web", *MONEY_FOUND, providers=("square", "nmi")))
def test_the_shop_dies_over_the_look_of_the_shopper(world_of_others: World, provider: str, failpoint: str) -> None:
    """Webhooks are held until it has looked. PayPal's money is found by whoever captures it."""
    assert_survived(world_of_others, of(provider, Kill("web", failpoint), webhooks="held"))


@each(*everywhere("paying", *OF_A_PAYMENT_BY_TOKEN, providers=("nmi",)))
def test_the_shop_dies_over_a_token(world_of_others: World, provider: str, failpoint: str) -> None:
    """The first pass is that of the call which begins the payment. NMI knows no keys: a look tells what became."""
    passes = 2 if failpoint in CALL else 1
    assert_survived(world_of_others, of(provider, Kill("web", failpoint, passes=passes), webhooks="lost"))


@each(*everywhere("taking over", *CALL, providers=("nmi",)))
def test_the_worker_dies_that_took_over_a_token(world_of_others: World, provider: str, failpoint: str) -> None:
    """The shop dies before it has sent it, then the worker that sends it in its place."""
    history = of(provider, Kill("web", "payment.committed"), webhooks="lost")
    assert_survived(world_of_others, history, look=failpoint)


@each(*everywhere("look", *CALL, providers=("paypal",)))
def test_the_worker_dies_over_the_capture(world_of_others: World, provider: str, failpoint: str) -> None:
    assert_survived(world_of_others, of(provider, Kill("look", failpoint)))


@each(*everywhere("all", "call.before_send", "call.after_send", providers=("paypal",)))
def test_the_workers_all_die_over_the_capture_and_no_webhook_ever_comes(
    world_of_others: World, provider: str, failpoint: str
) -> None:
    assert_survived(world_of_others, of(provider, Kill("look", failpoint, whole=True), webhooks="lost"))


@each(*everywhere("web", *INBOX))
def test_the_shop_dies_under_the_webhook(world_of_others: World, provider: str, failpoint: str) -> None:
    assert_survived(world_of_others, of(provider, Kill("web", failpoint), returns=False))


@each(
    *everywhere("look", "event.claimed", *LOOK),
    *everywhere("look", *MONEY_FOUND, "outbox.after_insert", providers=("paypal", "square")),
)
def test_the_worker_dies_over_an_event(world_of_others: World, provider: str, failpoint: str) -> None:
    webhooks = _in_time_for_a_worker(provider)
    assert_survived(world_of_others, of(provider, Kill("look", failpoint), webhooks=webhooks, returns=False))


@each(*everywhere("sweeping", "attempt.claimed", providers=("paypal", "square")))
def test_the_sweeper_dies_and_no_webhook_ever_came(world_of_others: World, provider: str, failpoint: str) -> None:
    assert_survived(world_of_others, of(provider, Kill("look", failpoint), webhooks="lost", returns=False))


@each(*everywhere("deliver", *DELIVERY))
def test_the_worker_dies_over_a_delivery(world_of_others: World, provider: str, failpoint: str) -> None:
    assert_survived(world_of_others, of(provider, Kill("deliver", failpoint)))


@pytest.mark.faults
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize(
    ("program", "failpoint"),
    [("web", "call.after_send"), ("look", "settle.before_commit"), ("deliver", "delivery.after_send")],
)
def test_a_whole_program_dies_at_once(world_of_others: World, provider: str, program: str, failpoint: str) -> None:
    world = world_of_others
    world.ended.clear()
    webhooks = _in_time_for_a_worker(provider) if program == "look" else "normal"
    assert_survived(world, of(provider, Kill(program, failpoint, whole=True), webhooks=webhooks, returns=False))
    # The word of a failpoint that fired is written just before the signal is sent.
    wait_until(lambda: any(line.startswith(program) for line in world.ended), world)


@pytest.mark.faults
@pytest.mark.parametrize("failpoint", OF_A_PAYMENT_BY_TOKEN)
def test_the_shop_dies_over_a_token_of_a_provider_with_keys(world_of_frames: World, failpoint: str) -> None:
    """Square's frame: the same request again under its key, by a worker."""
    passes = 2 if failpoint in CALL else 1
    assert_survived(world_of_frames, of("square", Kill("web", failpoint, passes=passes), webhooks="lost"))


@pytest.mark.faults
@pytest.mark.parametrize("failpoint", CALL)
def test_the_worker_dies_that_took_over_such_a_token(world_of_frames: World, failpoint: str) -> None:
    history = of("square", Kill("web", "payment.committed"), webhooks="lost")
    assert_survived(world_of_frames, history, look=failpoint)
