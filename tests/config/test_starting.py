"""The collector rests while a process starts, and works again afterwards, whatever came of it."""

from __future__ import annotations

import gc

import pytest

from config.starting import kept_for_good
from tests.config.production import manage


def test_it_rests_in_the_block_alone() -> None:
    before = gc.get_freeze_count()
    with kept_for_good():
        assert not gc.isenabled()
        made = [[each] for each in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(made)


def test_it_works_again_after_a_failure() -> None:
    with pytest.raises(SystemExit), kept_for_good():
        raise SystemExit(2)
    assert gc.isenabled()


@pytest.mark.slow
def test_a_command_looks_for_garbage_in_its_own_work_alone() -> None:
    done = manage("shell", "-v0", "-c", "import gc; print(gc.isenabled(), gc.get_freeze_count() > 100_000)")
    assert done.stdout.split() == ["True", "True"], done.stderr
