"""Typed readers of environment variables that collect every problem, so that one start shows them all."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

from config.variables import TABLE

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

ENCRYPTION_KEY_BYTES = 32
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}")
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


class EnvironmentInvalid(ImproperlyConfigured):
    """The environment cannot be used. `problems` names each variable, what is wrong and the remedy, and no value."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"The environment cannot be used. Every variable is described in docs/settings.md.\n{lines}")


@dataclass(frozen=True, slots=True)
class TrustedProxies:
    """Who may tell us a request's client and scheme. `unix_socket`: whoever can open our unix socket."""

    networks: tuple[Network, ...] = ()
    unix_socket: bool = False

    def __bool__(self) -> bool:
        return self.unix_socket or bool(self.networks)

    def __contains__(self, address: str) -> bool:
        if not address:  # a unix socket has no address
            return self.unix_socket
        try:
            peer = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(peer in network for network in self.networks)


class Reader:
    """Reads the variables of config/variables.py. A bad one is noted in `problems` and answered by its default.

    An empty variable counts as unset. Names outside the table raise KeyError: describe the variable there first.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._files: dict[str, str] = {}
        self.problems: list[str] = []

    def problem(self, name: str, what: str, remedy: str) -> None:
        """Note that variable `name` is wrong."""
        self.problems.append(f"{name} {what}. {remedy}")

    def is_set(self, name: str) -> bool:
        """Say whether the variable, or for a secret its NAME_FILE, is set to anything."""
        return bool(self._environ.get(name) or (TABLE[name].secret and self._environ.get(f"{name}_FILE")))

    def text(self, name: str, default: str = "") -> str:
        """Return the variable without surrounding white space. Secrets may stand in the file that NAME_FILE names."""
        value = self._environ.get(name, "").strip()
        if TABLE[name].secret and self._environ.get(f"{name}_FILE"):
            if value:
                self.problem(name, f"is set, and so is {name}_FILE", "Keep one of them.")
                return value
            value = self._of_file(name)
        if "\x00" in value or "\n" in value or "\r" in value:
            self.problem(name, "holds more than one line", "Write it as one line.")
            return default
        return value or default

    def required(self, name: str, *, environment: str) -> None:
        """Note the variable as missing where its row in the table requires it and it is unset."""
        if environment in TABLE[name].required_in and not self.is_set(name):
            also = f" (or {name}_FILE)" if TABLE[name].secret else ""
            self.problem(name, f"is missing, and {environment} needs it", f"Set {name}{also}: {TABLE[name].meaning}")

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        """Return a whole number in `low` … `high`."""
        text = self.text(name, str(default))
        if re.fullmatch(r"[0-9]{1,9}", text) and low <= int(text) <= high:
            return int(text)
        self.problem(name, "is no whole number in its range", f"Use {low} to {high}, or unset it for {default}.")
        return default

    def numbers(self, table: Mapping[str, tuple[int, int, int]]) -> dict[str, int]:
        """Return a whole number for each name; `table`: its default, the lowest, the highest."""
        return {name: self.integer(name, default, low=low, high=high) for name, (default, low, high) in table.items()}

    def integers(self, name: str, default: tuple[int, ...], *, low: int, high: int) -> tuple[int, ...]:
        """Return a comma list of whole numbers, each in `low` … `high`. The same one may stand there twice."""
        members = self.text(name, ",".join(map(str, default))).split(",")
        numbers = [int(member) for member in map(str.strip, members) if re.fullmatch(r"[0-9]{1,9}", member)]
        if len(numbers) == len(members) and all(low <= number <= high for number in numbers):
            return tuple(numbers)
        shown = ",".join(map(str, default))
        self.problem(name, "is no comma list of whole numbers", f"Each {low} to {high}, or unset it for {shown}.")
        return default

    def flag(self, name: str) -> bool:
        """Return a yes or no; unset is no."""
        text = self.text(name).lower()
        if text not in _TRUE | _FALSE:
            self.problem(name, "is neither yes nor no", "Use 1 or 0.")
        return text in _TRUE

    def choice(self, name: str, default: str, choices: tuple[str, ...]) -> str:
        """Return one of `choices`."""
        text = self.text(name, default)
        if text in choices:
            return text
        self.problem(name, "has a value we do not know", f"Use one of {', '.join(choices)}.")
        return default

    def items(self, name: str, default: str = "") -> tuple[str, ...]:
        """Return the members of a comma list. An empty member is a problem: an empty secret would open a door."""
        text = self.text(name, default)
        if not text:
            return ()
        members = tuple(member.strip() for member in text.split(","))
        if not all(members):
            self.problem(name, "has an empty member", "Remove the comma too many, or fill in the missing value.")
        if len(set(members)) != len(members):
            self.problem(name, "names something twice", "Keep one of each.")
        return tuple(member for member in members if member)

    def host_names(self, name: str) -> frozenset[str]:
        """Return host names, lower-case and without the trailing dot."""
        found = frozenset(member.lower().rstrip(".") for member in self.items(name))
        for member in sorted(found):
            if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", member):
                self.problem(
                    name, f"has {member!r}, which is no host name", "Write e.g. erp.example, nothing around it."
                )
        return found

    def limits(self, name: str, default: str = "") -> dict[str, int]:
        """Return amounts by currency, in minor units: `EUR:500000,JPY:800000`."""
        found: dict[str, int] = {}
        for member in self.items(name, default):
            currency, _, amount = member.partition(":")
            if re.fullmatch(r"[A-Z]{3}", currency) and re.fullmatch(r"[0-9]{1,15}", amount):
                found[currency] = int(amount)
            else:
                self.problem(name, f"has {member!r}", "Write minor units by currency, such as EUR:500000,JPY:800000.")
        return found

    def networks(self, name: str, members: tuple[str, ...]) -> tuple[Network, ...]:
        """Return addresses and networks (`10.0.0.7`, `10.0.0.0/8`, `2001:db8::/32`)."""
        found = []
        for member in members:
            try:
                found.append(ipaddress.ip_network(member))
            except ValueError:
                self.problem(
                    name, f"has {member!r}, which is no address or network", "Write e.g. 10.0.0.7 or 10.0.0.0/24."
                )
        return tuple(found)

    def origin(self, name: str, default: str) -> str:
        """Return scheme, host and port of an http or https URL without path, query or credentials."""
        text = self.text(name, default).rstrip("/")
        parts = _split(text)
        plain = parts is not None and not (parts.path or parts.query or parts.fragment or parts.username)
        if parts is not None and plain and parts.scheme in ("http", "https") and parts.hostname:
            return f"{parts.scheme}://{parts.netloc.lower()}"
        self.problem(
            name, "is no plain http(s) address", "Write scheme, host and port only, e.g. https://shop.example."
        )
        return default

    def _of_file(self, name: str) -> str:
        file = Path(self._environ[f"{name}_FILE"])
        try:
            value = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
            self.problem(f"{name}_FILE", f"cannot be read: {reason}", "Name a file that this user may read.")
            return ""
        if not value:
            self.problem(f"{name}_FILE", "names an empty file", f"Write the value of {name} into it.")
        return value


def trusted_proxies(read: Reader) -> TrustedProxies:
    """Parse TRUSTED_PROXIES."""
    members = read.items("TRUSTED_PROXIES")
    networks = read.networks("TRUSTED_PROXIES", tuple(member for member in members if member != "unix"))
    if any(network.prefixlen == 0 for network in networks):
        read.problem("TRUSTED_PROXIES", "trusts the whole internet", "Name the addresses of your own proxies.")
    return TrustedProxies(networks=networks, unix_socket="unix" in members)


def webhook_allowlists(read: Reader) -> dict[str, tuple[Network, ...]]:
    """Parse WEBHOOK_IP_ALLOWLISTS, `provider=network,network;provider=…`, by provider."""
    name = "WEBHOOK_IP_ALLOWLISTS"
    lists: dict[str, tuple[Network, ...]] = {}
    for part in filter(None, (part.strip() for part in read.text(name).split(";"))):
        provider, equals, members = (piece.strip() for piece in part.partition("="))
        if not equals or not re.fullmatch(r"[a-z][a-z0-9_]*", provider) or provider in lists or not members:
            read.problem(
                name, f"cannot be understood near {part[:40]!r}", "Write stripe=3.18.12.63,3.130.192.0/24;paypal=…."
            )
            continue
        lists[provider] = read.networks(name, tuple(member.strip() for member in members.split(",")))
    return lists


def presentations(read: Reader) -> dict[str, str]:
    """Parse PAYMENTS_PRESENTATION, `hosted,square=embedded`, by provider; under the empty name for all others."""
    name = "PAYMENTS_PRESENTATION"
    chosen: dict[str, str] = {}
    for member in read.items(name):
        before, _, after = (piece.strip() for piece in member.rpartition("="))
        if after not in ("hosted", "embedded") or before in chosen or not re.fullmatch(r"[a-z][a-z0-9_]*|", before):
            read.problem(name, f"cannot be understood near {member[:40]!r}", "Write e.g. hosted,square=embedded.")
            continue
        chosen[before] = after
    return chosen


def encryption_keys(read: Reader, text: str) -> dict[str, bytes]:
    """Parse ENCRYPTION_KEYS, a comma list of `id:base64`, into key id → 32 bytes, the writing key first."""
    name = "ENCRYPTION_KEYS"
    remedy = "Make one with: python -c \"import base64, os; print('k1:' + base64.b64encode(os.urandom(32)).decode())\""
    ring: dict[str, bytes] = {}
    for place, member in enumerate(filter(None, (part.strip() for part in text.split(","))), start=1):
        key_id, _, encoded = member.partition(":")
        try:
            key = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if not _KEY_ID.fullmatch(key_id):
            read.problem(name, f"has no usable id in its entry {place}", "An id is 1 to 16 letters, digits, - or _.")
        elif key_id in ring:
            read.problem(name, f"has the id {key_id} twice", "Give each key an id of its own.")
        elif len(key) != ENCRYPTION_KEY_BYTES or len(set(key)) == 1:
            read.problem(name, f"has no 32 random bytes in base64 under {key_id}", remedy)
        else:
            ring[key_id] = key
    if text and not ring:
        read.problem(name, "has no usable key", remedy)
    return ring


def email_settings(read: Reader, default: str) -> dict[str, object]:
    """Parse EMAIL_URL into Django's EMAIL_… settings."""
    name = "EMAIL_URL"
    text = read.text(name, default)
    if text == "console:":
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    if text.startswith("file:/"):
        backend = "django.core.mail.backends.filebased.EmailBackend"
        return {"EMAIL_BACKEND": backend, "EMAIL_FILE_PATH": "/" + text.removeprefix("file:").lstrip("/")}
    parts = _split(text)
    queries = ("", "tls=none", "tls=starttls") if parts and parts.scheme == "smtp" else ("",)
    if parts is None or parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.query not in queries:
        read.problem(name, "cannot be understood", "Write e.g. smtp://user:password@mail.example:587, or console:.")
        return {}
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if parts.scheme == "smtps" else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": parts.scheme == "smtps",
        "EMAIL_USE_TLS": parts.scheme == "smtp" and parts.query != "tls=none",
    }


def _split(text: str) -> SplitResult | None:
    """Split a URL; None where it has a bad port or host."""
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018  raises ValueError on a bad port
    except ValueError:
        return None
    return parts
