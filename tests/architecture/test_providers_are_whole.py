"""A provider of ours is wired everywhere that docs/adding-a-provider.md names, and nowhere by half."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from config.policy import PAY_PAGES
from config.variables import PROVIDER_KEYS, TABLE
from integrations import providers
from integrations.contract import Presentation
from integrations.providers.wirings import WIRINGS
from integrations.sandbox.process import PROVIDERS as SANDBOXES
from payments.management.demo.stand_ins import STAND_INS
from payments.shop.order_view import PROVIDER_NAMES
from payments.situation import PROVIDER_LABELS
from tests.conformance.option import load
from tests.conformance.stands import STANDS

ROOT = Path(__file__).resolve().parents[2]


def test_each_provider_stands_in_every_table() -> None:
    wired = set(WIRINGS)
    held = {load(stand).name.split()[0] for stand in STANDS}
    for table in (PROVIDER_KEYS, SANDBOXES, STAND_INS, PROVIDER_LABELS, PROVIDER_NAMES, providers.FACTORIES, held):
        assert {str(name) for name in table} == wired


@pytest.mark.parametrize("name", WIRINGS)
def test_its_folders_and_its_page_are_there(name: str) -> None:
    for folder in (ROOT / "integrations" / "providers" / name, ROOT / "integrations" / "sandbox" / name):
        assert folder.is_dir()
    assert (ROOT / "docs" / f"{name}.md").is_file()


def test_no_sdk_is_loaded_before_it_is_used() -> None:
    """Each process reads every wiring at its start; the SDKs would cost it a second."""
    program = "import sys; import integrations.providers.wirings; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"stripe", "square", "paypalserversdk", "httpx"} & set(done.stdout.split())


@pytest.mark.parametrize("name", WIRINGS)
def test_its_label_is_one(name: str) -> None:
    assert PROVIDER_LABELS[name] == WIRINGS[name].label


@pytest.mark.parametrize("stand", [load(name) for name in STANDS], ids=lambda stand: stand.name)
def test_a_hosted_page_may_be_the_end_of_a_form(stand: type) -> None:
    """Without its origin in form-action, the browser would stop the shopper on the way there."""
    name = stand.name.split()[0]  # type: ignore[attr-defined]
    if stand.presentation is Presentation.HOSTED:  # type: ignore[attr-defined]
        assert PAY_PAGES.get(name), f"{name} has a page of its own: name it in config/policy.py"


@pytest.mark.parametrize("name", WIRINGS)
def test_all_its_settings_are_named_after_it(name: str) -> None:
    """A test beside the wiring holds that `settings` are all that the adapter reads."""
    for setting in WIRINGS[name].settings:
        assert setting.startswith(f"{name.upper()}_")
        assert setting in TABLE


def test_the_page_names_every_place() -> None:
    page = (ROOT / "docs" / "adding-a-provider.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:config|integrations|payments|tests|tools)/[\w/.-]+\.py)`", page))
    assert len(named) > 10
    assert not [path for path in sorted(named) if not (ROOT / path).is_file()]
