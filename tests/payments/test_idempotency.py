"""Keys of our own API: what is replayed, what is refused, who holds a key and for how long."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from time_machine import TimeMachineFixture

from orders.models import Order
from payments import idempotency, working
from payments.idempotency import (
    KEPT_HOURS,
    LEASE_SECONDS,
    Answer,
    Asked,
    Held,
    InFlight,
    KeyMalformed,
    KeyMissing,
    KeyReused,
    Taken,
    ask,
    once,
)
from payments.models import IdempotencyRecord, PaymentAttempt
from payments.monitoring import watch
from tests.factories import make_order, make_product
from tests.fake_provider import FakeProvider
from tests.payments.api_client import ORDERS, ApiClient, code_of, order_of, told

pytestmark = pytest.mark.django_db

KEY = "a-key-that-is-long-enough"


@pytest.fixture
def api() -> ApiClient:
    return ApiClient()


class Clock:
    """Stands still until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at

    def wait(self, **duration: float) -> None:
        self.at += timedelta(**duration)


@pytest.fixture
def clock(now: datetime) -> Clock:
    return Clock(now)


def asked(body: bytes = b"{}", *, key: str = KEY, path: str = "/things/") -> Asked:
    return ask(principal="anonymous", method="POST", path=path, key=key, body=body)


class Maker:
    """Makes thing 1, 2, 3 …; `dies` and `finishes` say how far it comes."""

    def __init__(self) -> None:
        self.made: list[int] = []
        self.finishes = True

    def __call__(self, held: Held) -> Answer:
        if held.object_id is None:
            self.made.append(len(self.made) + 1)
            with transaction.atomic():
                held.bind("thing", self.made[-1])
        body = f'{{"thing": {held.object_id}}}'
        return held.keep(status=201, body=body) if self.finishes else Answer(202, body)


# --- the key itself --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [None, ""])
def test_a_post_without_a_key_is_told_how_to_make_one(key: str | None) -> None:
    with pytest.raises(KeyMissing, match="UUID"):
        asked(key=key)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "key", ["x" * 15, "x" * 256, "é" * 20, "tab\tin-the-middle!", "new\nline-in-the-middle", "\x7f" * 16]
)
def test_a_key_of_the_wrong_kind_is_refused(key: str) -> None:
    with pytest.raises(KeyMalformed, match="16 to 255 printable ASCII"):
        asked(key=key)


def test_the_documentations_example_is_nobodys_key() -> None:
    """Threat: all who copy it share one key, and would be told of each other's orders."""
    with pytest.raises(KeyMalformed, match="of your own"):
        asked(key=idempotency.EXAMPLE_KEY)
    page_script = Path(settings.BASE_DIR, "static/payments/api_docs.js").read_text()
    assert idempotency.EXAMPLE_KEY in page_script, "the page puts a random one in its place"


@pytest.mark.parametrize("key", ["x" * 16, "x" * 255, "9a1f6c0e-6a4d-4f0b-9d57-0c8e2a1b7f63", "with blanks and ~!"])
def test_a_key_of_the_right_kind_is_taken(key: str) -> None:
    assert asked(key=key).key == key


# --- one key, one object, one answer ---------------------------------------------------------------------------


def test_the_same_request_hears_the_same_answer_and_makes_nothing(clock: Clock) -> None:
    make = Maker()
    first = once(asked(), clock=clock, work=make)
    clock.wait(hours=KEPT_HOURS, seconds=-1)
    second = once(asked(), clock=clock, work=make)

    assert first == Answer(201, '{"thing": 1}')
    assert second == Answer(201, '{"thing": 1}', replayed=True)
    assert make.made == [1]


def test_another_body_under_the_key_is_refused(clock: Clock) -> None:
    make = Maker()
    once(asked(b'{"a": 1}'), clock=clock, work=make)
    with pytest.raises(KeyReused):
        once(asked(b'{"a":1}'), clock=clock, work=make)  # compared byte by byte: meaning is not guessed
    assert make.made == [1]


def test_keys_of_different_paths_and_principals_have_nothing_to_do_with_each_other(clock: Clock) -> None:
    make = Maker()
    once(asked(), clock=clock, work=make)
    once(asked(path="/other/"), clock=clock, work=make)
    once(ask(principal="user:7", method="POST", path="/things/", key=KEY, body=b"{}"), clock=clock, work=make)
    assert make.made == [1, 2, 3]


def test_a_day_later_the_key_is_free_again(clock: Clock) -> None:
    make = Maker()
    once(asked(), clock=clock, work=make)
    clock.wait(hours=KEPT_HOURS)

    assert once(asked(b"other"), clock=clock, work=make) == Answer(201, '{"thing": 2}')
    assert IdempotencyRecord.objects.get().object_id == 2


def test_old_keys_are_swept_away(clock: Clock, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "is_due", lambda at: False)  # what else the keeper does each minute
    once(asked(), clock=clock, work=Maker())
    clock.wait(hours=KEPT_HOURS, seconds=-1)
    once(asked(key="a-second-key-of-today"), clock=clock, work=Maker())
    assert not working.keeping_due(clock())

    clock.wait(seconds=1)
    assert working.keeping_due(clock())
    working.keep_house(clock=clock)

    assert list(IdempotencyRecord.objects.values_list("key", flat=True)) == ["a-second-key-of-today"]


# --- who holds the key -----------------------------------------------------------------------------------------


def test_while_one_works_another_is_told_to_wait_and_after_the_lease_goes_on_with_the_same_object(clock: Clock) -> None:
    held = Held(asked(), clock)
    held.bind("thing", 7)  # and its process is gone

    clock.wait(seconds=LEASE_SECONDS - 1)
    with pytest.raises(InFlight) as refused:
        once(asked(), clock=clock, work=Maker())
    assert refused.value.retry_after_seconds == 1

    clock.wait(seconds=1)
    make = Maker()
    assert once(asked(), clock=clock, work=make) == Answer(201, '{"thing": 7}')
    assert make.made == []


def test_the_first_to_take_over_holds_the_lease(clock: Clock) -> None:
    Held(asked(), clock).bind("thing", 7)
    clock.wait(seconds=LEASE_SECONDS)

    def work(held: Held) -> Answer:
        with pytest.raises(InFlight):
            once(asked(), clock=clock, work=Maker())
        return held.keep(status=201, body='{"thing": 7}')

    assert once(asked(), clock=clock, work=work).status == 201


def test_the_answer_of_one_who_comes_too_late_is_not_kept(clock: Clock) -> None:
    late = Held(asked(), clock)
    late.bind("thing", 7)
    clock.wait(seconds=LEASE_SECONDS)
    once(asked(), clock=clock, work=lambda held: held.keep(status=201, body='"from the second"'))

    late.keep(status=201, body='"from the first"')
    late.release()

    assert once(asked(), clock=clock, work=Maker()).body == '"from the second"'


def test_one_who_comes_too_late_does_not_touch_the_lease_of_the_next(clock: Clock) -> None:
    late = Held(asked(), clock)
    late.bind("thing", 7)
    clock.wait(seconds=LEASE_SECONDS)

    def work(held: Held) -> Answer:
        late.keep(status=201, body='"from the first"')
        late.release()
        with pytest.raises(InFlight):
            once(asked(), clock=clock, work=Maker())
        return held.keep(status=201, body='"from the second"')

    once(asked(), clock=clock, work=work)
    assert once(asked(), clock=clock, work=Maker()).body == '"from the second"'


def test_what_is_not_final_is_asked_again_under_the_same_key(clock: Clock) -> None:
    make = Maker()
    make.finishes = False
    assert once(asked(), clock=clock, work=make) == Answer(202, '{"thing": 1}')
    make.finishes = True
    assert once(asked(), clock=clock, work=make) == Answer(201, '{"thing": 1}')
    assert make.made == [1]


def test_a_failure_frees_the_key_and_keeps_its_object(clock: Clock) -> None:
    def fails(held: Held) -> Answer:
        held.bind("thing", 7)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        once(asked(), clock=clock, work=fails)
    assert once(asked(), clock=clock, work=Maker()) == Answer(201, '{"thing": 7}')


def test_one_who_lost_the_race_to_bind_hears_what_the_winner_made(clock: Clock) -> None:
    def overtaken(held: Held) -> Answer:
        other = Held(asked(), clock)
        other.bind("thing", 7)
        other.keep(status=201, body='{"thing": 7}')
        with transaction.atomic():
            held.bind("thing", 8)
        raise AssertionError("two objects under one key")

    assert once(asked(), clock=clock, work=overtaken) == Answer(201, '{"thing": 7}', replayed=True)


def test_binding_twice_is_refused_by_the_database(clock: Clock) -> None:
    Held(asked(), clock).bind("thing", 7)
    with pytest.raises(Taken), transaction.atomic():
        Held(asked(), clock).bind("thing", 8)


def test_the_row_never_stands_without_an_object_or_with_a_failure(clock: Clock) -> None:
    held = Held(asked(), clock)
    with pytest.raises(IntegrityError), transaction.atomic():
        held.bind("thing", None)  # type: ignore[arg-type]
    held.bind("thing", 7)
    for status, body in ((400, "{}"), (503, "{}"), (201, "")):
        with pytest.raises(IntegrityError), transaction.atomic():
            held.keep(status=status, body=body)


# --- through the API -------------------------------------------------------------------------------------------


def test_an_order_is_replayed_byte_for_byte(api: ApiClient) -> None:
    make_product(sku="MUG")
    first, second = api.place(sku="MUG", key=KEY), api.place(sku="MUG", key=KEY)

    assert (second.status_code, second.content) == (first.status_code, first.content) == (201, first.content)
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Order.objects.count() == 1


def test_an_attempt_is_replayed_even_when_it_has_been_paid_since(
    api: ApiClient, fake: FakeProvider, time_machine: TimeMachineFixture
) -> None:
    order = make_order(now=timezone.now())
    first = api.attempt(order.token, key=KEY)
    fake.pay(fake.the_payment())
    time_machine.move_to(timezone.now() + timedelta(hours=2))

    second = api.attempt(order.token, key=KEY)

    assert (second.status_code, second.content, second.headers["Idempotency-Replayed"]) == (201, first.content, "true")


def test_keys_are_refused_with_a_sentence(api: ApiClient) -> None:
    make_product(sku="MUG")
    assert code_of(api.post(ORDERS, order_of("MUG"), key=None)) == (400, "idempotency_key_missing")
    assert code_of(api.post(ORDERS, order_of("MUG"), key="short")) == (400, "idempotency_key_malformed")
    assert api.place(sku="MUG", key=KEY).status_code == 201
    assert code_of(api.place(sku="MUG", quantity=2, key=KEY)) == (422, "idempotency_key_reused")
    assert Order.objects.count() == 1


def test_a_refusal_is_not_kept_so_the_same_request_may_succeed_later(api: ApiClient) -> None:
    assert code_of(api.place(sku="MUG", key=KEY)) == (400, "unknown_product")
    assert not IdempotencyRecord.objects.exists()
    make_product(sku="MUG")
    assert api.place(sku="MUG", key=KEY).status_code == 201


def test_an_attempt_in_flight_is_409_and_says_how_long(api: ApiClient, fake: FakeProvider) -> None:
    order = make_order(now=timezone.now())
    api.attempt(order.token, key=KEY)
    until = timezone.now() + timedelta(seconds=LEASE_SECONDS)
    IdempotencyRecord.objects.update(status=None, response="", lease_until=until)

    response = api.attempt(order.token, key=KEY)

    assert code_of(response) == (409, "idempotency_in_flight")
    assert 1 <= int(response.headers["Retry-After"]) <= LEASE_SECONDS


@pytest.mark.parametrize("ends", ["paid", "cancelled"])
def test_a_resumed_attempt_that_has_ended_says_so_and_no_other_is_opened(
    api: ApiClient, fake: FakeProvider, ends: str, time_machine: TimeMachineFixture
) -> None:
    order = make_order(now=timezone.now())
    fake.lose_answer_once = True
    first = api.attempt(order.token, key=KEY)
    api.attempt(order.token)
    (fake.pay if ends == "paid" else fake.expire)(fake.the_payment())
    time_machine.move_to(timezone.now() + timedelta(minutes=1))
    api.attempt(order.token)  # looks first, and learns of it
    attempts = PaymentAttempt.objects.count()

    last = api.attempt(order.token, key=KEY)

    assert PaymentAttempt.objects.count() == attempts
    assert (last.status_code, told(last)["state"], told(last)["redirect_url"]) == (201, ends, "")
    assert told(last)["attempt"] == told(first)["attempt"]


def test_a_key_follows_its_order_when_the_answer_was_never_stored(api: ApiClient) -> None:
    """It cannot happen: order, key and answer commit together. Yet the machinery does not lean on that."""
    make_product(sku="MUG")
    first = api.place(sku="MUG", key=KEY)
    IdempotencyRecord.objects.update(status=None, response="", lease_until=timezone.now())

    assert api.place(sku="MUG", key=KEY).content == first.content
    assert Order.objects.count() == 1
    assert PaymentAttempt.objects.count() == 0


def test_the_lease_is_shorter_than_a_day_and_longer_than_a_provider_may_take() -> None:
    assert 20 < LEASE_SECONDS < KEPT_HOURS * 3600
    assert idempotency.KEY_MIN_LENGTH < idempotency.KEY_MAX_LENGTH
