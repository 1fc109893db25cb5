"""The kit's command line: `--conformance-stand package.module:Class` runs it over somebody's own adapter; and what the
run says at its end of what was not offered."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import pytest

from tests.conformance.stand import Stand
from tests.conformance.stands import STANDS

TOLD = "conformance"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("conformance").addoption(
        "--conformance-stand",
        action="append",
        metavar="MODULE:CLASS",
        help="hold this stand against tests/conformance/kit instead of the shop's own; may be given several times",
    )


def pytest_sessionstart(session: pytest.Session) -> None:
    """Refuse a stand that cannot be found before anything is collected."""
    if session.config.getoption("--conformance-stand", default=None):
        chosen(session.config)


def chosen(config: pytest.Config) -> list[type[Stand]]:
    """Return the stands of this run. Raises UsageError for one that cannot be found."""
    named = config.getoption("--conformance-stand", default=None)
    return [load(name) for name in named or STANDS]


def load(name: str) -> type[Stand]:
    """Return a stand by `package.module:Class`. Raises UsageError."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise pytest.UsageError(f"--conformance-stand {name!r}: {error}; give package.module:Class") from error
    if not (isinstance(found, type) and issubclass(found, Stand)):
        raise pytest.UsageError(f"--conformance-stand {name!r} is no subclass of tests.conformance.stand.Stand")
    return found


def tell(request: pytest.FixtureRequest, sentence: str) -> None:
    """Let the end of the run say this once."""
    request.node.user_properties.append((TOLD, sentence))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    sentences = {
        said
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, said in getattr(report, "user_properties", ())
        if name == TOLD
    }
    if sentences:
        terminalreporter.section("conformance: declared, and so not tested")
        for sentence in sorted(sentences):
            terminalreporter.write_line(sentence)
