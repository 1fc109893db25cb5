"""Which ports a demo takes, beside other demos and other programs."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from integrations.sandbox.loopback import free_port
from payments.management.demo.ports import Ports


@pytest.fixture
def demos(tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ports, Ports]]:
    """Two demos that choose at one moment."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    both = Ports(), Ports()
    yield both
    for claim in both[0].claims + both[1].claims:
        os.close(claim)


def test_two_that_begin_at_one_moment_choose_different_ports(demos: tuple[Ports, Ports]) -> None:
    usual = free_port(0)
    first, second = (demo.choose(usual) for demo in demos)
    assert first == usual
    assert second != usual


def test_a_port_is_free_again_when_its_demo_has_ended(demos: tuple[Ports, Ports]) -> None:
    usual = free_port(0)
    demos[0].choose(usual)
    os.close(demos[0].claims.pop())
    assert demos[1].choose(usual) == usual


def test_a_port_where_another_program_listens_is_left_to_it(demos: tuple[Ports, Ports]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        usual: int = taken.getsockname()[1]
        assert demos[0].choose(usual) != usual


def test_a_lock_that_cannot_be_opened_is_somebody_elses(
    demos: tuple[Ports, Ports], tmp_path: os.PathLike[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = free_port(0)
    os.symlink("/nowhere", os.path.join(tmp_path, f"shop-payments-demo-port-{usual}.lock"))
    assert demos[0].choose(usual) != usual
    assert demos[0].claims == []
