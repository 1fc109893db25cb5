"""Runs each test of the kit over each stand, ours or those of --conformance-stand; each is opened once a session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import override_settings

from integrations.contract import DeclineReason
from integrations.guard import GuardedProvider
from tests.conformance.kit.shop import Shop, why_not
from tests.conformance.option import chosen, tell
from tests.conformance.stand import Stand

LOCAL_MEMORY = "django.core.cache.backends.locmem.LocMemCache"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Stands that cannot run here are skipped once, by name, in test_offer.py."""
    stands = chosen(metafunc.config)
    if "stand" in metafunc.fixturenames:
        able = [pytest.param(one, id=_id(one), marks=_marks(one)) for one in stands if not one.unavailable()]
        metafunc.parametrize("stand", able, indirect=True)
    elif "any_stand" in metafunc.fixturenames:
        metafunc.parametrize("any_stand", stands, ids=_id)


def _id(stand: type[Stand]) -> str:
    return stand.name.replace(" ", "-")


def _marks(stand: type[Stand]) -> list[pytest.MarkDecorator]:
    return [pytest.mark.enable_socket] if stand.outside else []


@pytest.fixture(scope="session")
def opened() -> Iterator[dict[type[Stand], Stand]]:
    """The stands that are open, by class: kept, since tests run in any order."""
    stands: dict[type[Stand], Stand] = {}
    yield stands
    for stand in stands.values():
        stand.close()


@pytest.fixture
def stand(request: pytest.FixtureRequest, opened: dict[type[Stand], Stand]) -> Iterator[Stand]:
    """The provider that this test is held against."""
    wanted: type[Stand] = request.param
    # Adapters share tokens by the cache, which is the database's; the kit needs none. For each test only: whatever else
    # runs in this session finds the settings as they stand.
    with override_settings(CACHES={"default": {"BACKEND": LOCAL_MEMORY, "LOCATION": "conformance"}}):
        if wanted not in opened:
            opened[wanted] = wanted()
            opened[wanted].open()
        yield opened[wanted]
        opened[wanted].calm()


@pytest.fixture
def provider(stand: Stand) -> GuardedProvider:
    """Its adapter, behind the guard."""
    return GuardedProvider(stand.adapter())


@pytest.fixture
def shop(stand: Stand, provider: GuardedProvider) -> Shop:
    return Shop(stand, provider)


@pytest.fixture(autouse=True)
def declared(request: pytest.FixtureRequest) -> None:
    """Skip, by name, a test of what the provider is declared to lack; the run's end tells it once."""
    if "stand" not in request.fixturenames:
        return
    stand: Stand = request.getfixturevalue("stand")
    said = stand.adapter().capabilities
    for marker in request.node.iter_markers("needs"):
        for feature in marker.args:
            if reason := why_not(feature, stand, said):
                tell(request, reason)
                pytest.skip(reason)


@pytest.fixture(params=list(DeclineReason))
def reason(request: pytest.FixtureRequest, stand: Stand) -> DeclineReason:
    """Each reason for which this provider declines."""
    found: DeclineReason = request.param
    if why := stand.never_declined.get(found, ""):
        sentence = f"{stand.name} never declines for {found}: {why}"
        tell(request, sentence)
        pytest.skip(sentence)
    return found
