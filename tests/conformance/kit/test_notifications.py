"""What the provider sends: proved, or refused, or kept unverified; read strictly; a hint and nothing more."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from integrations.contract import (
    Mode,
    Notification,
    NotificationRejected,
    Presentation,
    ProviderError,
    ProviderMisconfigured,
)
from integrations.guard import GuardedProvider
from tests.conformance.features import Feature
from tests.conformance.kit.shop import Shop
from tests.conformance.stand import Signed, Stand

OTHER_MODE = {Mode.TEST: Mode.LIVE, Mode.LIVE: Mode.TEST}


def refused(shop: Shop, signed: Signed, *, now: datetime | None = None) -> bool:
    """Whether this has no effect: it is rejected, or stays unverified."""
    try:
        shop.proved(signed, now=now)
    except (NotificationRejected, ProviderError):
        return True
    return False


@pytest.mark.needs(Feature.NOTIFICATIONS)
def test_what_is_sent_of_a_payment_is_proved_and_leads_to_it(shop: Shop, stand: Stand) -> None:
    stand.notifications()
    payment, capture = shop.paid()
    shop.refund(payment, capture, 1000)
    ids = shop.look(payment).ids
    notes = [shop.proved(signed) for signed in stand.notifications()]
    assert len({note.event_id for note in notes}) == len(notes), "an event id stands for one event"
    assert any(note.relevant for note in notes)
    for note in notes:
        assert note.provider == shop.provider.name
        assert note.account in ("", shop.provider.account())
        assert abs((note.created_at - datetime.now(UTC)).total_seconds()) < 3600
        assert note.mode == shop.provider.mode
        if note.relevant:
            assert leads_to(note, ids.page_id, ids.intent_id, payment.request.reference, capture.capture_id), note


def leads_to(note: Notification, page_id: str, intent_id: str, reference: str, capture_id: str) -> bool:
    """Whether the inbox can find the payment: by an id, our reference, or an object that a look would find."""
    return (
        (note.ids.page_id != "" and note.ids.page_id == page_id)
        or (note.ids.intent_id != "" and note.ids.intent_id == intent_id)
        or note.reference == reference
        or capture_id in note.object_ids
    )


@pytest.mark.needs(Feature.NOTIFICATIONS)
def test_the_same_notification_again_has_the_same_event_id(shop: Shop, stand: Stand) -> None:
    """The inbox knows a replay by it."""
    stand.notifications()
    shop.paid()
    signed = stand.notifications()[0]
    assert shop.proved(signed).event_id == shop.proved(signed).event_id != ""


def mutations(signed: Signed, names: tuple[str, ...], *, count: int, seed: int) -> list[Signed]:
    """Flip one bit each: of the body, or of a header that is proved."""
    dice = random.Random(seed)
    headers = {name: value for name, value in signed.headers.items() if name.lower() in names}
    assert len(headers) == len(names), f"{names} are not all there"
    found = []
    for _ in range(count):
        where = dice.choice(["body", *headers])
        if where == "body":
            found.append(Signed(headers=signed.headers, body=flipped(signed.body, dice)))
        else:
            changed = flipped(headers[where].encode("latin-1"), dice).decode("latin-1")
            found.append(Signed(headers={**signed.headers, where: changed}, body=signed.body))
    return found


def flipped(data: bytes, dice: random.Random) -> bytes:
    position, bit = dice.randrange(len(data)), 1 << dice.randrange(8)
    return data[:position] + bytes([data[position] ^ bit]) + data[position + 1 :]


@pytest.mark.needs(Feature.SIGNING)
@pytest.mark.parametrize("count", [300, pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(600)])])
def test_one_bit_changed_and_it_is_refused(shop: Shop, stand: Stand, count: int) -> None:
    signed = shop.event(shop.start())
    original = shop.proved(signed)
    effects = [
        mutated
        for mutated in mutations(signed, stand.signed_headers, count=count, seed=random.randrange(2**32))
        if not refused(shop, mutated)
    ]
    assert effects == []
    assert shop.proved(signed) == original, "the original still holds"


@pytest.mark.needs(Feature.SIGNING)
def test_a_missing_empty_or_mangled_proof_is_refused(shop: Shop, stand: Stand) -> None:
    signed = shop.event(shop.start())
    for name in [name for name in signed.headers if name.lower() in stand.signed_headers]:
        without = {other: value for other, value in signed.headers.items() if other != name}
        for value in (None, "", " ", "x", "\xe9\u20ac", signed.headers[name][::-1], "," + signed.headers[name], "\x00"):
            headers = without if value is None else {**without, name: value}
            assert refused(shop, Signed(headers=headers, body=signed.body)), (name, value)


@pytest.mark.needs(Feature.SIGNING)
def test_header_names_are_read_in_any_case(shop: Shop) -> None:
    signed = shop.event(shop.start())
    for change in (str.upper, str.lower, str.title):
        shop.proved(Signed(headers={change(name): value for name, value in signed.headers.items()}, body=signed.body))


@pytest.mark.needs(Feature.SIGNING)
@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b'"text"', b"{}", b"{", b"\xff\xfe", b'{"id": "\xed\xa0\x80"}', b"\x00", b"[" * 100_000,
        b'{"id": 1e999}', b'{"id": NaN}', b'{"id": ' + b"9" * 5000 + b"}", b'{"id": "a", "id": "b"}',
        b" " * (1024 * 1024 + 1), b'{"type": {"a": []}, "id": [], "created": "x", "data": 7, "resource": 7}',
    ],
    ids=lambda body: repr(body[:24]),
)  # fmt: skip
def test_what_is_signed_and_makes_no_sense_is_refused(shop: Shop, stand: Stand, body: bytes) -> None:
    """Nothing but NotificationRejected: whoever holds a secret of ours must not be able to make a 500."""
    with pytest.raises(NotificationRejected):
        shop.proved(Signed(headers=stand.sign(body), body=body))


@pytest.mark.needs(Feature.SIGNING, Feature.SIGNED_TIME)
def test_an_old_notification_and_one_from_the_future_are_refused(shop: Shop, stand: Stand) -> None:
    signed, moment = shop.event(shop.start()), datetime.now(UTC)
    near, far = timedelta(seconds=stand.signed_seconds - 5), timedelta(seconds=stand.signed_seconds + 5)
    for shift in (-near, near):
        shop.proved(signed, now=moment + shift)
    for shift in (-far, far):
        assert refused(shop, signed, now=moment + shift)


@pytest.mark.needs(Feature.SIGNING, Feature.SECRETS)
def test_both_secrets_prove_while_one_replaces_the_other(shop: Shop, stand: Stand) -> None:
    body = stand.event(shop.start())
    old, new = stand.secrets
    by_old, by_new = (Signed(headers=stand.sign(body, secret=secret), body=body) for secret in (old, new))
    before, during, after = (
        GuardedProvider(stand.adapter(secrets=secrets)) for secrets in ((old,), (old, new), (new,))
    )
    for provider, signed in ((before, by_old), (during, by_old), (during, by_new), (after, by_new)):
        shop.proved(signed, by=provider)
    for provider, signed in ((before, by_new), (after, by_old)):
        with pytest.raises(NotificationRejected):
            shop.proved(signed, by=provider)


@pytest.mark.needs(Feature.SIGNING)
def test_an_event_of_a_type_nobody_knows_is_kept_and_not_acted_on(shop: Shop, stand: Stand) -> None:
    note = shop.proved(shop.event(shop.start(), type=stand.unknown_event_type))
    assert note.type == stand.unknown_event_type
    assert not note.relevant


@pytest.mark.needs(Feature.SIGNING, Feature.MODE_OF_EVENTS)
def test_an_event_of_the_other_mode_says_so(shop: Shop) -> None:
    note = shop.proved(shop.event(shop.start(), other_mode=True))
    assert note.mode is OTHER_MODE[shop.provider.mode]


@pytest.mark.needs(Feature.SIGNING, Feature.ACCOUNT_OF_EVENTS)
def test_an_event_of_another_account_says_so(shop: Shop) -> None:
    note = shop.proved(shop.event(shop.start(), account="acct_other"))
    assert note.account == "acct_other" != shop.provider.account()


def test_settings_that_must_not_be_used_are_refused_by_the_adapter_itself(stand: Stand) -> None:
    ways = stand.misconfigured()
    assert ways, "an adapter refuses wrong keys and addresses in its constructor (DESIGN.md, invariant 10)"
    for code, make in ways.items():
        problems = problems_of(make)
        assert code in {problem for problem, _ in problems}, (code, problems)
        for problem, remedy in problems:
            assert "." in problem
            assert len(remedy) > 20


def problems_of(make: Callable[[], object]) -> list[tuple[str, str]]:
    with pytest.raises(ProviderMisconfigured) as caught:
        make()
    return [(problem.code, problem.remedy) for problem in caught.value.problems]


@pytest.mark.needs(Feature.FORM)
def test_a_form_hands_out_no_secret(shop: Shop, stand: Stand) -> None:
    payment = shop.start(shop.request(presentation=Presentation.EMBEDDED))
    form = shop.provider.form(payment.ids)
    told = repr(form)
    for secret in (*stand.secrets, *stand.never_shown):
        assert not secret or secret not in told
    assert all(script.startswith(("https://", "http://127.0.0.1")) for script in form.scripts)
    for directive, origins in form.policy.items():
        assert directive in ("script-src", "frame-src", "connect-src", "img-src", "style-src", "font-src")
        for origin in origins:
            assert origin.startswith(("https://", "http://127.0.0.1")), origin
            assert not any(unsafe in origin for unsafe in ("'", "*://", "unsafe")), origin
