"""Bank statements as CAMT.053 (ISO 20022, bank to customer statement), any version: the few elements we need.

No library is used: those on the index that read it are young or drag much along, and what is needed is one element a
line, read with the parser of Python itself.

Threats: entity bombs and outside entities (a document type is refused before anything is expanded; a statement has
none), a huge file (capped before it is read), another kind of document (refused by its name).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from xml.etree.ElementTree import Element, TreeBuilder  # nosec B405 - the tree only; the parser below refuses DTDs
from xml.parsers import expat  # nosec B407 - document types and entities are refused below

from payments.bank.statements import BadLine, BadLines, BadStatement, BadValue, StatementLine, minor_units

LINE = "line"
_SIGN = {"CRDT": 1, "DBIT": -1}
_NAMES = ("Dbtr/Nm", "Dbtr/Pty/Nm", "Cdtr/Nm", "Cdtr/Pty/Nm")


def looks_like_it(content: bytes) -> bool:
    """Say whether a file is XML, as CAMT is."""
    return content.lstrip(b"\xef\xbb\xbf \t\r\n")[:5] in (b"<?xml", b"<Docu")


def read(content: bytes, *, account: str = "") -> list[StatementLine]:
    """Return the booked lines of all statements in a file, those of amount 0 left out.

    `account`: what to call our bank account; empty: as the statement says (its IBAN). Raises BadStatement, BadLines.
    """
    root = _tree(content)
    statements = root.findall("BkToCstmrStmt/Stmt")
    if root.tag != "Document" or not statements:
        raise BadStatement("The file is no CAMT.053 statement: it has no BkToCstmrStmt/Stmt.")
    lines: list[StatementLine] = []
    bad: list[BadLine] = []
    for statement in statements:
        name = account or _first(statement, "Acct/Id/IBAN", "Acct/Id/Othr/Id")
        if not name:
            raise BadStatement("The statement names no account; name it with --account.")
        for entry in statement.findall("Ntry"):
            if _first(entry, "Sts/Cd", "Sts") not in ("", "BOOK"):
                continue  # pending: it comes again once it is booked
            number = int(entry.get(LINE, "0"))
            try:
                lines.append(_line(entry, number=number, account=name))
            except BadValue as why:
                bad.append(BadLine(number=number, why=str(why)))
    if bad:
        raise BadLines(bad)
    return [line for line in lines if line.amount_minor]


def _line(entry: Element, *, number: int, account: str) -> StatementLine:
    amount = entry.find("Amt")
    if amount is None or not amount.text:
        raise BadValue("it has no amount (Amt)")
    sign = _SIGN.get(_first(entry, "CdtDbtInd"))
    if sign is None:
        raise BadValue("CdtDbtInd must be CRDT or DBIT")
    currency = amount.get("Ccy", "")
    minor = minor_units(amount.text, currency, decimal=".")
    if minor < 0:
        raise BadValue("the amount is negative; CdtDbtInd says which way it went")
    texts = [*_all(entry, "NtryDtls/TxDtls/RmtInf/Ustrd"), *_all(entry, "NtryDtls/TxDtls/Refs/EndToEndId")]
    texts += [*_all(entry, "AcctSvcrRef"), *_all(entry, "AddtlNtryInf")]
    parties = entry.find("NtryDtls/TxDtls/RltdPties")
    return StatementLine(
        number=number,
        account=account,
        booked_on=_date(_first(entry, "BookgDt/Dt", "BookgDt/DtTm", "ValDt/Dt", "ValDt/DtTm")),
        amount_minor=sign * minor,
        currency=currency,
        reference=" ".join(dict.fromkeys(texts)),
        counterparty=_first(parties, *_NAMES) if parties is not None else "",
    )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text[:10])
    except ValueError:
        raise BadValue("it has no readable booking date (BookgDt)") from None


def _first(element: Element, *paths: str) -> str:
    for path in paths:
        if text := " ".join((element.findtext(path) or "").split()):
            return text
    return ""


def _all(element: Element, path: str) -> list[str]:
    return [text for each in element.findall(path) if (text := " ".join((each.text or "").split()))]


class _Forbidden(Exception):
    """A document type."""


def _tree(content: bytes) -> Element:
    """Return the document, names without their namespace, each Ntry with its line. Raises BadStatement."""
    builder = TreeBuilder()
    parser = expat.ParserCreate(namespace_separator="}")

    def start(name: str, attributes: Mapping[str, str]) -> None:
        local = name.rpartition("}")[2]
        kept = dict(attributes)
        if local == "Ntry":
            kept[LINE] = str(parser.CurrentLineNumber)
        builder.start(local, kept)

    def refuse(*_: object) -> None:
        raise _Forbidden

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda name: builder.end(name.rpartition("}")[2])
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise BadStatement(f"The file is no XML: line {error.lineno} cannot be read.") from error
    except _Forbidden:
        raise BadStatement("The file has a document type; a statement has none, and this one is not read.") from None
    return builder.close()
