"""What nobody should send: texts, bodies and headers, listed, and a generator of more from a seed (FAULTS.md, Bad
input)."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

TEXTS: dict[str, bytes] = {
    "empty": b"",
    "blank": b" ",
    "blanks": b"\t \x0b\x0c",
    "NUL": b"\x00",
    "NUL inside": b"MU\x00G",
    "no UTF-8": b"\xff\xfe",
    "lone surrogate": b"\xed\xa0\x80",
    "overlong slash": b"\xc0\xaf",
    "half a character": b"\xe2\x82",
    "accents": "é".encode() * 20,
    "emoji": "😀".encode(),
    "right to left": "\u202egnp.exe".encode(),
    "one wide character": "﷽".encode(),
    "combining": b"Z" + "\u0351".encode() * 60,
    "homoglyph": "МUG".encode(),
    "full width": "ＭＵＧ".encode(),
    "byte order mark": b"\xef\xbb\xbfMUG",
    "zero width": "MU\u200bG".encode(),
    "line break": b"MUG\nMUG",
    "CR LF": b"x\r\nSet-Cookie: a=b",
    "CR": b"x\ry",
    "line separator": "a\u2028b".encode(),
    "escape sequence": b"\x1b[31mred\x1b[0m",
    "bell": b"\x07",
    "delete": b"\x7f",
    "SQL": b"' OR 1=1 --",
    "SQL 2": b'"; DROP TABLE orders_order; --',
    "SQL 3": b"1) UNION SELECT NULL--",
    "script": b"<script>alert(1)</script>",
    "image": b'"><img src=x onerror=alert(1)>',
    "closing": b"</textarea></title>",
    "template": b"{{7*7}}{% load x %}",
    "format": b"%s%n%x{0.__class__}",
    "lookup": b"${jndi:ldap://127.0.0.1/x}",
    "path": b"../../../../etc/passwd",
    "path 2": b"..%2f..%2fetc%2fpasswd",
    "path 3": b"....//",
    "slash": b"/",
    "dot": b".",
    "percent NUL": b"%00",
    "backslash": b"\\\\evil.example\\x",
    "address": b"https://evil.example/",
    "no scheme": b"//evil.example",
    "three slashes": b"///evil.example",
    "javascript": b"javascript:alert(1)",
    "data": b"data:text/html,<b>",
    "file": b"file:///etc/passwd",
    "metadata": b"http://169.254.169.254/",
    "user at": b"http://shop@evil.example/",
    "formula": b"=cmd|' /C calc'!A0",
    "formula 2": b"@SUM(1)",
    "minus one": b"-1",
    "zero": b"0",
    "minus zero": b"-0",
    "fraction": b"1.5",
    "comma": b"1,5",
    "exponent": b"1e3",
    "1e999": b"1e999",
    "NaN": b"NaN",
    "Infinity": b"-Infinity",
    "hexadecimal": b"0x10",
    "octal": b"010",
    "underscore": b"1_000",
    "plus": b"+1",
    "full-width one": "１".encode(),
    "Arabic three": "٣".encode(),
    "superscript": "²".encode(),
    "roman": "Ⅷ".encode(),
    "10^18": b"1" + b"0" * 18,
    "2^31": b"2147483648",
    "2^63": b"9223372036854775808",
    "20 digits": b"9" * 20,
    "5,000 digits": b"9" * 5000,
    "true": b"true",
    "null": b"null",
    "None": b"None",
    "list": b"[]",
    "object": b"{}",
    "nested": b"[" * 500,
    "300 letters": b"a" * 300,
    "10,000 letters": b"a" * 10_000,
    "70,000 letters": b"a" * 70_000,
    "two addresses": b"a@example.com,b@example.com",
    "two at": b"a@b@example.com",
    "literal": b"a@[127.0.0.1]",
    "header in address": b"a@example.com\nBcc: b@example.com",
    "quoted": b'"a b"@example.com',
    "long address": b"a" * 300 + b"@example.com",
    "other currency": b"XYZ",
    "small letters": b"eur",
    "currency number": b"978",
    "unknown product": b"MUG-99",
    "ampersand": b"a&quantity=1",
    "semicolon": b"a;b",
    "brackets": b"a[b]=c",
    "star": b"*",
    "question": b"?",
    "hash": b"#",
}
"""Raw bytes: each door encodes them in its own way."""


def latin(text: bytes) -> str:
    """Return bytes of a header as a WSGI server hands them over: one character a byte, lines joined."""
    return text.replace(b"\r", b" ").replace(b"\n", b" ").decode("latin-1")


def quoted(text: bytes) -> str:
    """Return bytes as the text of a path or query, every one of them as %XX."""
    return "".join(f"%{byte:02X}" for byte in text)


class Dice:
    """Draws hostile things from a seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._texts = list(TEXTS.values())

    def text(self) -> bytes:
        """A listed text, one changed, two together, or bytes from nowhere."""
        draw = self.random
        kind = draw.randrange(4)
        if kind == 0:
            return draw.choice(self._texts)[:2000]
        if kind == 1:
            return self.mutated(draw.choice(self._texts)[:2000])
        if kind == 2:
            return draw.choice(self._texts)[:500] + draw.choice(self._texts)[:500]
        return draw.randbytes(draw.randrange(60))

    def mutated(self, body: bytes, *, most: int = 4) -> bytes:
        """`body` with up to `most` places changed, cut out or doubled; it always differs."""
        draw, changed = self.random, body
        while changed == body:
            for _ in range(draw.randint(1, most)):
                at, length = draw.randrange(len(changed) + 1), draw.randrange(1, 9)
                put = draw.choice((b"", draw.randbytes(draw.randrange(4)), changed[at : at + length] * 2))
                changed = changed[:at] + put + changed[at + draw.randrange(length) :]
        return changed

    def value(self, depth: int = 3) -> Any:
        """Any JSON value, NaN and the like among them."""
        draw = self.random
        kind = draw.randrange(9 if depth else 6)
        simple: list[Callable[[], Any]] = [
            lambda: draw.choice((None, True, False)),
            lambda: draw.choice((0, -1, 1, 2**31, 2**63, 10**30, draw.randrange(-(10**6), 10**6))),
            lambda: draw.choice((0.1, -1.5, 1e308, float("nan"), float("inf"), draw.random())),
            lambda: self.text().decode("utf-8", "surrogateescape"),
            lambda: self.text().decode("latin-1"),
            lambda: "",
        ]
        if kind < len(simple):
            return simple[kind]()
        if kind == 6:
            return [self.value(depth - 1) for _ in range(draw.randrange(4))]
        keys = (
            "id",
            "object",
            "lines",
            "sku",
            "quantity",
            "currency",
            "email",
            "provider",
            "state",
            "amount_minor",
            "",
            "x",
        )
        return {draw.choice([*keys, ""]): self.value(depth - 1) for _ in range(draw.randrange(4))}

    def json(self, good: dict[str, Any]) -> bytes:
        """A body that is nearly `good`: some members replaced, left out or added, or its text changed."""
        draw = self.random
        if draw.random() < 0.3:
            return self.mutated(json.dumps(good).encode())
        if draw.random() < 0.2:
            return json.dumps(self.value()).encode("utf-8", "surrogatepass")
        changed = dict(good)
        for _ in range(draw.randint(1, 3)):
            name = draw.choice([*good, "state", "token", "amount_minor", "x"])
            if draw.random() < 0.25:
                changed.pop(name, None)
            else:
                changed[name] = self.value()
        return json.dumps(changed).encode("utf-8", "surrogatepass")
