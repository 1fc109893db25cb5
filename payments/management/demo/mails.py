"""Watches the log in which the demo's mails are written, and tells of each in a line."""

from __future__ import annotations

from collections.abc import Iterator
from email.header import decode_header, make_header
from pathlib import Path


class MailWatch:
    """Reads what is added to the log from now on."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read_to = log.stat().st_size if log.exists() else 0
        self._rest = b""
        self._subject = ""

    def news(self) -> Iterator[tuple[str, str]]:
        """Yield (address, subject) of each mail written since the last call."""
        for line in self._new_lines():
            name, _, value = line.partition(": ")
            if name == "Subject":
                self._subject = str(make_header(decode_header(value)))
            elif name == "To" and self._subject:
                yield value, self._subject
                self._subject = ""

    def _new_lines(self) -> list[str]:
        if not self._log.exists():
            return []
        size = self._log.stat().st_size
        if size < self._read_to:  # the log was begun anew
            self._read_to, self._rest = 0, b""
        with self._log.open("rb") as stream:
            stream.seek(self._read_to)
            added = stream.read()
        self._read_to += len(added)
        *lines, self._rest = (self._rest + added).split(b"\n")
        return [line.decode("utf-8", "replace").rstrip("\r") for line in lines]
