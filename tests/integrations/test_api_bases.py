"""Where an adapter may be aimed outside production."""

from __future__ import annotations

import pytest

from integrations.providers.api_bases import is_loopback, is_usable


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:4010", "http://localhost:1/", "http://[::1]:1", "https://localhost"]
)
def test_a_stand_in_on_this_machine(address: str) -> None:
    assert is_loopback(address)
    assert is_usable(address)


@pytest.mark.parametrize(
    "address",
    [
        "http://shop.example", "http://127.0.0.1.shop.example", "http://127.0.0.2:1", "ftp://127.0.0.1", "127.0.0.1:1",
        "", "https://", "https://127.0.0.1@shop.example", "https://:secret@shop.example", "https://shop.example?",
        "https://shop.example/#", "https://shop.example/v1", "https://[shop.example",
    ],
)  # fmt: skip
def test_what_is_neither_https_nor_on_this_machine_or_says_more_is_not_usable(address: str) -> None:
    assert not is_usable(address)


def test_a_path_only_where_it_belongs_there() -> None:
    assert is_usable("https://shop.example/webhooks/square/", with_path=True)
    assert not is_usable("https://shop.example/webhooks/square/?a=b", with_path=True)


@pytest.mark.parametrize("address", ["https://127.0.0.1@shop.example", "https://shop.example/127.0.0.1", "https://[x"])
def test_no_other_host_counts_as_this_machine(address: str) -> None:
    assert not is_loopback(address)
