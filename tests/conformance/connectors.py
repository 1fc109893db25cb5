"""What every connector over HTTP must hold, against a stand-in of its receiver: the kit of docs/connectors.md.

Subclass ConnectorKit as `Test…`, name the kind and what it needs, and give a stand-in that counts its effects. The kit
tells it one fact, spoils each of the connector's requests in each way, and looks at what the stand-in then has.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.core.exceptions import ValidationError
from django.test import override_settings

from integrations import delivery
from integrations.connectors import CONNECTORS
from integrations.facts import Fact
from integrations.models import Delivery, DeliveryState, Destination
from tests.conformance.fault_proxy import (
    BUSY_BEFORE,
    CUT_AFTER,
    CUT_BEFORE,
    FAILED_AFTER,
    HALF_AFTER,
    SILENT_AFTER,
    Fault,
    FaultProxy,
    before,
)
from tests.integrations.deliveries import make_destination, tell

CAPTURE = {
    "provider": "stripe",
    "account": "acct_1",
    "capture": "ch_1",
    "captured_at": "2026-11-21T11:59:58+00:00",
    "capture_amount_minor": 123450,
    "capture_currency": "EUR",
}
"""What payments/captures.py adds to the fact of a paid order."""
REFUND = {
    **CAPTURE,
    "refund": "re_1",
    "refunded_at": "2026-11-22T09:00:00+00:00",
    "refund_amount_minor": 23450,
    "refund_currency": "EUR",
}


@dataclass(frozen=True)
class Stand:
    """A running stand-in: its address, without a path, and how often each effect stands there now."""

    url: str
    effects: Any


class ConnectorKit:
    """`effects`: what one delivery leaves behind. `path`: what the destination's address has after the host.

    `asked_only`: the receiver takes every message for a new one, and can only be asked whether it has one.
    """

    kind: ClassVar[str]
    secret: ClassVar[str]
    effects: ClassVar[Mapping[str, int]]
    path: ClassVar[str] = ""
    options: ClassVar[Mapping[str, Any]] = {}
    fields: ClassVar[Mapping[str, Any]] = {}
    fact: ClassVar[Fact] = Fact.ORDER_PAID
    payload: ClassVar[Mapping[str, Any]] = CAPTURE
    asked_only: ClassVar[bool] = False

    def stand(self) -> AbstractContextManager[Stand]:
        """Give a fresh stand-in."""
        raise NotImplementedError

    # --- the normal case -----------------------------------------------------------------------------------------

    @pytest.mark.django_db
    def test_one_fact_is_one_effect(self) -> None:
        with self._told() as (stand, _, row):
            once(row)
            assert row.state == DeliveryState.DELIVERED, row.last_detail
            assert stand.effects() == self.effects

    @pytest.mark.django_db
    def test_the_same_key_again_changes_nothing(self) -> None:
        if self.asked_only:
            pytest.skip("the lease alone keeps two workers from one message")
        with self._told() as (stand, _, _row):
            (claimed,) = delivery.claim(now=now(), limit=1)
            first = delivery.attempt(claimed, now=now())
            second = delivery.attempt(claimed, now=now())
            assert first.delivered
            assert second.delivered
            assert second.external_ids == first.external_ids
            assert stand.effects() == self.effects

    @pytest.mark.django_db
    def test_what_had_arrived_is_found_or_safely_sent_again(self) -> None:
        with self._told() as (stand, _, row):
            once(row)
            known = row.external_ids
            Destination.objects.update(active=False)
            again = replayed(row)
            once(again)
            assert again.state == DeliveryState.DELIVERED, again.last_detail
            assert again.external_ids == known
            assert stand.effects() == self.effects

    @pytest.mark.django_db
    def test_two_workers_at_once_make_one_effect(self) -> None:
        """The lease forbids it; a stalled worker that wakes up late does it all the same."""
        if self.asked_only:
            pytest.skip("the lease alone keeps two workers from one message")
        with self._told() as (stand, _, _row):
            (claimed,) = delivery.claim(now=now(), limit=1)
            barrier, moment = threading.Barrier(2), now()

            def work() -> None:
                barrier.wait()
                delivery.attempt(claimed, now=moment)

            workers = [threading.Thread(target=work) for _ in range(2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            verdict = delivery.attempt(claimed, now=now())
            assert verdict.delivered, verdict
            assert stand.effects() == self.effects

    # --- interrupted ---------------------------------------------------------------------------------------------

    @pytest.mark.slow
    @pytest.mark.django_db
    @pytest.mark.parametrize(
        "fault", [CUT_BEFORE, BUSY_BEFORE, CUT_AFTER, HALF_AFTER, SILENT_AFTER, FAILED_AFTER], ids=repr
    )
    def test_interrupted_at_any_step_it_ends_as_one_effect(self, fault: Fault) -> None:
        for step in range(1, self._steps() + 1):
            with self._told() as (stand, proxy, row):
                proxy.spoil(fault, which=step)
                with override_settings(DELIVERY_SEND_SECONDS=1.5 if fault is SILENT_AFTER else 8):
                    once(row)
                assert row.state in (DeliveryState.QUEUED, DeliveryState.DELIVERED), (step, row.last_detail)
                if row.state == DeliveryState.QUEUED:
                    assert row.last_failure in ("timeout", "unavailable"), (step, row.last_detail)
                    assert row.outcome_unknown or not fault.after, step
                proxy.heal()
                until_delivered(row)
                assert stand.effects() == self.effects, f"interrupted at step {step}"
                Destination.objects.update(active=False)

    # --- what answers mean ---------------------------------------------------------------------------------------

    @pytest.mark.django_db
    @pytest.mark.parametrize(
        ("status", "state", "failure"),
        [
            (302, "queued", "configuration"),
            (308, "queued", "configuration"),
            (400, "queued", "permanent"),
            (403, "queued", "configuration"),
            (404, "queued", "configuration"),
            (409, "queued", "unavailable"),
            (410, "dead", "permanent"),
            (422, "queued", "permanent"),
            (429, "queued", "unavailable"),
            (500, "queued", "unavailable"),
            (503, "queued", "unavailable"),
        ],
    )
    def test_what_a_status_means(self, status: int, state: str, failure: str) -> None:
        with self._told() as (stand, proxy, row), before(stand.url) as elsewhere:
            headers = {"location": f"{elsewhere.url}{self.path}"} if 300 <= status < 400 else {}
            proxy.spoil(Fault(after=False, status=status, headers=headers), which=0)
            once(row)
            assert (row.state, row.last_failure, row.last_http_status) == (state, failure, status)
            assert elsewhere.lines == [], "a redirect was followed"
            assert all(count == 0 for count in stand.effects().values())

    @pytest.mark.django_db
    @pytest.mark.parametrize("status", [200, 400, 500])
    @pytest.mark.parametrize("body", [b"[" * 200_000, b"null", b'"text"', b"\xff\xfe", b"[]", b'{"error": {}}'])
    def test_an_answer_that_means_nothing_stops_nobody(self, status: int, body: bytes) -> None:
        gc.collect()  # a finalizer that runs where a reader ran out of depth breaks, and pytest blames this test
        with self._told() as (_, proxy, row):
            proxy.spoil(Fault(after=False, status=status, body=body), which=0)
            once(row)
            assert row.state in (DeliveryState.QUEUED, DeliveryState.DELIVERED)
            assert len(row.last_detail) <= 300

    @pytest.mark.django_db
    def test_unauthorised_needs_a_person(self) -> None:
        with self._told() as (_, proxy, row):
            proxy.spoil(Fault(after=False, status=401), which=0)
            once(row)
            assert (row.state, row.last_failure) == ("queued", "configuration")

    @pytest.mark.django_db
    @pytest.mark.parametrize("status", [429, 503])
    def test_retry_after_is_waited_for(self, status: int) -> None:
        with self._told() as (_, proxy, row):
            proxy.spoil(Fault(after=False, status=status, headers={"retry-after": "3600"}), which=0)
            began = now()
            once(row)
            assert row.not_before >= began + timedelta(seconds=3600)

    # --- what may never be seen ----------------------------------------------------------------------------------

    @pytest.mark.django_db
    def test_no_secret_is_seen_anywhere(self, capfd: pytest.CaptureFixture[str], caplog: Any) -> None:
        secret = self.secret.partition(":")[2] or self.secret
        connector = CONNECTORS[self.kind]
        with self._told() as (_, proxy, row):
            (claimed,) = delivery.claim(now=now(), limit=1)
            receiver = row.destination.receiver(secrets=(self.secret,))
            message = delivery._message(claimed)
            request = connector.build(message, receiver, now=now())
            seen = [repr(receiver), repr(request), repr(message), str(request)]
            for fault in (CUT_AFTER, FAILED_AFTER, HALF_AFTER, Fault(after=False, status=401)):
                proxy.spoil(fault, which=0)
                verdict = delivery.attempt(claimed, now=now())
                seen += [repr(verdict), verdict.detail]
                delivery.mark(claimed, verdict, now=now())
            seen += proxy.lines
        said = capfd.readouterr()
        for text in (*seen, said.out, said.err, caplog.text):
            assert secret not in text
            assert "shopper@example.com" not in text

    # --- mistakes of ours and of whoever set it up ---------------------------------------------------------------

    @pytest.mark.django_db
    def test_without_a_secret_nothing_is_sent(self) -> None:
        with self._told() as (_, proxy, row):
            row.destination.set_signing_secrets([])
            row.destination.save()
            once(row)
            assert (row.state, row.last_failure) == ("queued", "configuration")
            assert proxy.lines == []

    @pytest.mark.django_db
    def test_an_option_it_does_not_know_is_refused_in_the_form(self) -> None:
        destination = self._destination("https://receiver.example")
        destination.clean()
        destination.options = {**self.options, "colour": "red"}
        with pytest.raises(ValidationError, match=r"option"):
            destination.clean()

    # --- how it is done ------------------------------------------------------------------------------------------

    def _destination(self, address: str) -> Destination:
        fields: dict[str, Any] = {"facts": [self.fact.value], "idempotent": False, **self.fields}
        if "lookup_address" in fields:
            fields["lookup_address"] = f"{address}{fields['lookup_address']}"
        return make_destination(
            now=now(),
            kind=self.kind,
            address=f"{address}{self.path}",
            options=dict(self.options),
            secrets=(self.secret,),
            **fields,
        )

    @contextmanager
    def _told(self) -> Iterator[tuple[Stand, FaultProxy, Delivery]]:
        with self.stand() as stand, before(stand.url) as proxy:
            self._destination(proxy.url)
            (row,) = tell(now=now(), fact=self.fact, **self.payload)
            yield stand, proxy, row

    def _steps(self) -> int:
        """Return how many requests one telling takes."""
        with self._told() as (_, proxy, row):
            once(row)
            Destination.objects.update(active=False)
            return len(proxy.lines)


def now() -> datetime:
    """The real time: receivers compare it with their own."""
    return datetime.now(tz=UTC)


def once(row: Delivery) -> None:
    """Make one try at `row`, which must be due, and read what it came to."""
    (claimed,) = delivery.claim(now=now(), limit=1)
    assert claimed.delivery.pk == row.pk
    delivery.mark(claimed, delivery.attempt(claimed, now=now()), now=now())
    row.refresh_from_db()


def until_delivered(row: Delivery) -> None:
    """Go on as the schedule would."""
    for _ in range(3):
        if row.state == DeliveryState.DELIVERED:
            return
        Delivery.objects.filter(pk=row.pk).update(not_before=now())
        once(row)
    assert row.state == DeliveryState.DELIVERED, row.last_detail


def replayed(row: Delivery) -> Delivery:
    """Return a delivery of the same fact, as if nobody knew whether it had arrived.

    Under the same key where that can be: one of the same destination, whose row a backup had lost.
    """
    destination = row.destination
    event, key = row.event, row.key
    row.attempts.all().delete()
    row.delete()
    destination.active = True
    destination.save()
    moment = now()
    return Delivery.objects.create(
        event=event, destination=destination, key=key, queued_at=moment, not_before=moment, outcome_unknown=True
    )
