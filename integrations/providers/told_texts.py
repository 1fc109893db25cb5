"""Which texts of a provider's answer no adapter lets through, whatever the provider."""

from __future__ import annotations

import re

WEB_ADDRESS = re.compile(r"(?:https://|http://(?:127\.0\.0\.1|localhost|\[::1\])[:/])[\x21-\x7e]+")
"""An https:// address, or http:// of a stand-in on this machine: a shopper's browser is sent there."""

UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What PostgreSQL stores in no text: one field that holds it would undo the whole settlement, at every look."""
