"""The Markdown of our own pages as HTML: headings, paragraphs, lists, code, bold, links. Everything is escaped first.

Only a subset, and only links that lead inside the back office; a link to another page of docs/ becomes its text. No
HTML passes through, so that a page edited by mistake can break its own looks and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from django.utils.html import escape, format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

_HEADING = re.compile(r"(#{1,3}) (.+)")
_ITEM = re.compile(r"(?:- |[0-9]{1,2}\. )(.*)")
_INLINE = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\(([^)\s]+)\)")

LinkTo = Callable[[str], str]
"""Returns the address for a link's target; empty where it is to be text only."""


def html_of(text: str, *, link_to: LinkTo) -> SafeString:
    """Return the page's HTML; its first heading (`# …`), which is the page's title, is left out."""
    blocks = [block for block in re.split(r"\n\s*\n", text.strip()) if not block.startswith("# ")]
    return format_html_join("\n", "{}", ((each,) for each in _blocks(blocks, link_to)))


def title_of(text: str) -> str:
    """Return the page's first heading."""
    return text.partition("\n")[0].removeprefix("# ").strip()


def _blocks(blocks: list[str], link_to: LinkTo) -> Iterator[SafeString]:
    for block in blocks:
        lines = block.splitlines()
        heading = _HEADING.fullmatch(lines[0])
        if heading is not None:
            yield _heading(len(heading[1]), heading[2], link_to)
            lines = lines[1:]
        if lines and _ITEM.match(lines[0]):
            yield _list(lines, link_to)
        elif lines:
            yield format_html("<p>{}</p>", _inline(" ".join(lines), link_to))


def _heading(level: int, text: str, link_to: LinkTo) -> SafeString:
    if level == 3:
        return format_html("<h3>{}</h3>", _inline(text, link_to))
    return format_html("<h2>{}</h2>", _inline(text, link_to))


def _list(lines: list[str], link_to: LinkTo) -> SafeString:
    items: list[str] = []
    for line in lines:
        item = _ITEM.match(line)
        if item is not None:
            items.append(item[1])
        else:
            items[-1] += f" {line.strip()}"
    body = format_html_join("", "<li>{}</li>", ((_inline(item, link_to),) for item in items))
    return format_html("<ol>{}</ol>" if lines[0][0].isdigit() else "<ul>{}</ul>", body)


def _inline(text: str, link_to: LinkTo) -> SafeString:
    parts: list[str] = []
    end = 0
    for found in _INLINE.finditer(text):
        parts += [escape(text[end : found.start()]), _mark(found, link_to)]
        end = found.end()
    parts.append(escape(text[end:]))
    return mark_safe("".join(parts))  # nosec B308 B703: every part was escaped or made by format_html


def _mark(found: re.Match[str], link_to: LinkTo) -> SafeString:
    code, strong, emphasis, label, target = found.groups()
    if code is not None:
        return format_html("<code>{}</code>", code)
    if strong is not None:
        return format_html("<strong>{}</strong>", _inline(strong, link_to))
    if emphasis is not None:
        return format_html("<em>{}</em>", emphasis)
    address = link_to(target)
    if not address:
        return _inline(label, link_to)
    return format_html('<a href="{}">{}</a>', address, _inline(label, link_to))
