"""The plain settings of a destination's kind, read from its `options`: known names, strings of a known form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from integrations.connectors.contract import Misconfigured, Receiver

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One setting. `form`: what its whole value looks like; `default`: None where it must be given."""

    says: str
    form: str = r".{1,200}"
    default: str | None = None


PREFIX = Option(
    says="Before our order numbers, so that two shops may share one receiver",
    form="[A-Za-z0-9_-]{1,20}",
    default="shop-",
)


def read_options(receiver: Receiver, known: Mapping[str, Option]) -> dict[str, str]:
    """Return the value of each known option. Raises Misconfigured for one unknown, missing, or of the wrong form."""
    if unknown := sorted(set(receiver.options) - set(known)):
        raise Misconfigured(f"No such option: {', '.join(unknown)}. There are: {', '.join(sorted(known)) or 'none'}.")
    found = {}
    for name, option in known.items():
        value = receiver.options.get(name, option.default)
        if value is None:
            raise Misconfigured(f"The option {name} is missing: {option.says}.")
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise Misconfigured(f"The option {name} is no text: {option.says}.")
        if str(value) != option.default and not re.fullmatch(option.form, str(value)):
            raise Misconfigured(f"The option {name} is not of the form {option.form}: {option.says}.")
        found[name] = str(value)
    return found
