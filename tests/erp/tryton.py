"""A real Tryton on loopback: installed once under var/erp/, a fresh database for each server."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from integrations.sandbox.loopback import HOST, free_port
from tests.processes import ROOT, eventually

HERE = Path(__file__).parent
USER, PASSWORD = "shop", "password-of-the-shop-0123"  # pragma: allowlist secret
CURRENCIES = ("EUR", "JPY", "KWD")
PORT = 8111


@dataclass(frozen=True)
class Running:
    """A server. `address`: as a destination holds it; `options`: what the connector needs of its books."""

    address: str
    options: dict[str, Any]
    log: Path


@contextmanager
def running(directory: Path) -> Iterator[Running]:
    """Serve a fresh database from `directory` until the end of the block."""
    home = _home()
    shutil.copy(home / "books.sqlite", directory / "shop.sqlite")
    port = free_port(PORT)
    config, log = _config(directory, port=port), directory / "trytond.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [home / "env/bin/trytond", "-c", config, "-d", "shop"], stdout=output, stderr=subprocess.STDOUT
        )
        try:
            eventually(lambda: _answers(f"http://{HOST}:{port}/") or server.poll() is not None)
            assert server.poll() is None, log.read_text()
            books = json.loads((home / "books.json").read_text())
            yield Running(f"http://{HOST}:{port}/shop", books, log)
        finally:
            server.kill()
            server.wait()


def _home() -> Path:
    """Return where Tryton and its fresh books are, making both the first time."""
    year = str(datetime.now(tz=UTC).year)
    recipe = b"\n".join((HERE / name).read_bytes() for name in ("requirements.txt", "books.py"))
    home = ROOT / "var/erp" / hashlib.sha256(recipe + year.encode()).hexdigest()[:12]
    if not (home / "books.json").exists():
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        _install(home / "env")
        _keep_books(home, year)
    return home


def _install(env: Path) -> None:
    venv.create(env, with_pip=True)
    _run(env / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "-r", HERE / "requirements.txt")


def _keep_books(home: Path, year: str) -> None:
    """Initialise a database, with its modules and a minimal chart of accounts."""
    database, passwords = home / "shop.sqlite", home / "password"
    database.touch()
    passwords.write_text(PASSWORD)
    config = _config(home, port=0)
    _run(
        *(home / "env/bin/trytond-admin", "-c", config, "-d", "shop", "-u", "account_invoice"),
        *("--activate-dependencies", "--email", "erp@example.com"),
        env={"TRYTONPASSFILE": str(passwords)},
    )
    said = _run(home / "env/bin/python", HERE / "books.py", config, "shop", year, *CURRENCIES, stdin=PASSWORD)
    database.rename(home / "books.sqlite")
    (home / "books.json").write_text(said)


def _config(directory: Path, *, port: int) -> Path:
    config = directory / "trytond.conf"
    config.write_text(f"[database]\nuri = sqlite://\npath = {directory}\n\n[web]\nlisten = {HOST}:{port}\n")
    return config


def _run(*command: Any, stdin: str = "", env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], input=f"{stdin}\n", env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


def _answers(url: str) -> bool:
    try:
        urlopen(url, timeout=2).close()
    except URLError as error:
        return hasattr(error, "code")  # an HTTP answer is one, whatever it says
    return True
