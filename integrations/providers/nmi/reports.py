"""What query.php tells: transactions with their actions, read from XML into plain rows. https://docs.nmi.com/reference/query-1"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.etree.ElementTree import Element  # nosec B405 - the tree only; safe_xml parses

from integrations import safe_xml
from integrations.contract import Unavailable
from integrations.providers.nmi.errors import refuse_report
from integrations.providers.nmi.money import from_nmi

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_STAMP = "%Y%m%d%H%M%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One thing that happened to a transaction."""

    kind: str
    amount_minor: int
    at: datetime
    succeeded: bool
    code: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One transaction. `actions` are the oldest first."""

    transaction_id: str
    kind: str
    condition: str
    order_id: str
    original_id: str
    currency: str
    description: str
    card_hash: str
    actions: tuple[Action, ...]

    def last(self, *kinds: str, succeeded: bool = True) -> Action | None:
        """Return the last action of one of these kinds that succeeded, or that did not."""
        found = [each for each in self.actions if each.kind in kinds and each.succeeded is succeeded]
        return found[-1] if found else None

    @property
    def changed_at(self) -> datetime:
        """When something last happened to it."""
        return max(each.at for each in self.actions)


def read(body: bytes) -> tuple[Transaction, ...]:
    """Return the transactions of a report. Raises Unavailable where it is none, and what `error_response` says."""
    root = _root(body)
    return tuple(_transaction(each) for each in root.findall("transaction"))


def read_test_mode(body: bytes) -> bool:
    """Return whether the account is in test mode. Raises Unavailable where the report does not say."""
    root = _root(body)
    for name in ("test_mode_enabled", "test_mode_status", "test_mode"):
        told = (root.findtext(name) or "").strip().lower()
        if told in ("true", "1", "yes", "enabled", "on"):
            return True
        if told in ("false", "0", "no", "disabled", "off"):
            return False
    raise Unavailable("NMI does not say whether the account is in test mode", code="test_mode")


def stamp(moment: datetime) -> str:
    """Return a moment as query.php takes it: YYYYMMDDhhmmss in UTC."""
    return moment.astimezone(UTC).strftime(_STAMP)


def moment(text: str) -> datetime:
    """Return the moment of a stamp. Raises Unavailable where it is none."""
    try:
        return datetime.strptime(text.strip(), _STAMP).replace(tzinfo=UTC)
    except ValueError:
        raise Unavailable("NMI told a time that cannot be read", code="shape") from None


def _root(body: bytes) -> Element:
    try:
        root = safe_xml.parse(body)
    except safe_xml.NotReadable as error:
        raise Unavailable(f"NMI's report cannot be read: {error}", code="shape") from None
    if root.tag != "nm_response":
        raise Unavailable("NMI's report is none", code="shape")
    if refusal := root.findtext("error_response"):
        refuse_report(refusal)
    return root


def _transaction(element: Element) -> Transaction:
    def text(name: str) -> str:
        return (element.findtext(name) or "").strip()

    transaction_id, condition = text("transaction_id"), text("condition")
    actions = sorted((_action(each) for each in element.findall("action")), key=lambda each: each.at)
    if not _ID.fullmatch(transaction_id) or not condition or not actions:
        raise Unavailable("NMI told a transaction without its id, condition or actions", code="shape")
    return Transaction(
        transaction_id=transaction_id,
        kind=text("transaction_type") or "cc",
        condition=condition,
        order_id=text("order_id"),
        original_id=text("original_transaction_id"),
        currency=text("currency").upper(),
        description=text("order_description"),
        card_hash=text("cc_hash"),
        actions=tuple(actions),
    )


def _action(element: Element) -> Action:
    def text(name: str) -> str:
        return (element.findtext(name) or "").strip()

    return Action(
        kind=text("action_type"),
        amount_minor=from_nmi(text("amount")),
        at=moment(text("date")),
        succeeded=text("success") == "1",
        code=text("response_code"),
        text=text("response_text"),
    )


def newest(transactions: Sequence[Transaction]) -> Transaction:
    """Return the transaction that began last."""
    return max(transactions, key=lambda each: each.actions[0].at)
