"""The kit over somebody's own adapter: found by an entry point, held by the option, and failed where it lies."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integrations import providers
from integrations.guard import GuardedProvider
from tests.conformance import option
from tests.conformance.conftest import start_request
from tests.conformance.example import adapter
from tests.conformance.example.gateway import ACCOUNT, KEY, Gateway
from tests.receivers.server import serving

ROOT = Path(__file__).resolve().parents[2]
ACME = "tests.conformance.example.stand:AcmeStand"


def run(stand: str, *more: str) -> tuple[int, str]:
    """Run the kit over a stand, as its author would; return pytest's exit code and what it said."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--conformance-stand", stand, "tests/conformance/kit", *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_the_example_passes_and_what_it_lacks_is_told() -> None:
    code, said = run(ACME)
    assert code == 0, said
    assert "acme does not offer payouts: its Capabilities say so" in said
    assert "acme does not offer payment by token: the shopper pays on its page" in said
    assert "acme never declines for fraud: it says no_funds or nothing" in said
    assert "stripe" not in said


# What an adapter or a stand can get wrong, and the tests that must say so.
LIES = {
    "declares lists that are not there": ("Declares", {"test_a_verb_is_there_exactly_if_it_is_declared"}),
    "has a verb that it declares missing": ("Hides", {"test_a_verb_is_there_exactly_if_it_is_declared"}),
    "leaves a method of the stand out": ("LeavesOut", {"test_another_amount_or_currency_comes_out_as_it_is"}),
    "tells what was asked for as what was paid": ("Blind", {"test_another_amount_or_currency_comes_out_as_it_is"}),
    "forgets the key": ("Forgets", {"test_the_same_key_gives_the_same_refund", "test_a_lost_refund_is_found"}),
    "believes every signature": ("Believes", {"test_one_bit_changed_and_it_is_refused"}),
    "retries by itself": ("Retries", {"test_nothing_is_repeated_behind_our_back"}),
    "takes a lost answer for a refusal": ("Resigned", {"test_a_lost_refund_is_found"}),
    "ignores the mode": ("Modeless", {"test_a_payment_of_the_other_mode_is_wrong_mode"}),
}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_whoever_lies_fails() -> None:
    """One run over all of them: each must fail the tests that are named."""
    first, *others = (f"tests.conformance.example.liars:{name}" for name, _ in LIES.values())
    wanted = " or ".join(sorted(set().union(*(tests for _, tests in LIES.values()))))
    code, said = run(first, *(f"--conformance-stand={other}" for other in others), "-k", wanted)
    assert code == 1, said
    failed = set(re.findall(r"FAILED \S+::(\w+)\[([^\]]+)\]", said))
    for lie, (name, tests) in LIES.items():
        for test in tests:
            assert any(found.startswith(test) and name.lower() in where for found, where in failed), f"{lie}: {test}"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tests.nowhere:Stand", "No module named"),
        ("tests.conformance.stand:Nobody", "no attribute"),
        ("tests.conformance.stand:Payment", "is no subclass"),
        ("nonsense", "give package.module:Class"),
    ],
)
def test_a_stand_that_cannot_be_found_says_what_to_give(name: str, says: str) -> None:
    with pytest.raises(pytest.UsageError, match=says):
        option.load(name)


@pytest.mark.slow
def test_one_that_cannot_be_found_is_a_usage_error() -> None:
    code, said = run("tests.nowhere:Stand")
    assert code == 4, said
    assert "Traceback" not in said


def test_the_example_is_under_a_hundred_lines() -> None:
    """As docs/adding-a-provider.md promises: of code, without blank lines, comments and docstrings."""
    path = ROOT / "tests" / "conformance" / "example" / "adapter.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    places = [node for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    told = {
        line
        for node in places
        if ast.get_docstring(node)
        for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
    }
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
    code = [text for number, text in lines if text.strip() and not text.strip().startswith("#") and number not in told]
    assert len(code) < 100


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A distribution of somebody else's that registers Acme Pay, with its keys in the environment."""
    info = tmp_path / "acme_pay-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pay\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[shop_payments.providers]\nacme = tests.conformance.example.adapter:build\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(providers, "_made", {})
    with serving(Gateway()) as url:
        for name, value in {"ACME_KEY": KEY, "ACME_SECRETS": "one,two", "ACME_API_BASE": url}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("ENVIRONMENT", "test")
        yield url


@pytest.mark.usefixtures("installed")
def test_an_installed_package_brings_its_adapter() -> None:
    provider = providers.get("acme")
    assert isinstance(provider, GuardedProvider)
    assert isinstance(provider._adapter, adapter.AcmeProvider)


@pytest.mark.usefixtures("installed")
@pytest.mark.django_db(transaction=True)
def test_the_shop_opens_a_payment_at_it() -> None:
    started = providers.get("acme").start(start_request(), idempotency_key="k" * 32)
    assert started.account == ACCOUNT
    assert started.redirect_url.startswith("https://pay.acme.example/")
