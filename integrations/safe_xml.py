"""XML from outside, read into a tree. A document type is refused before anything is expanded: no entity bombs, no
entities from elsewhere. The caller caps the size.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree.ElementTree import Element, TreeBuilder  # nosec B405 - the tree only; the parser below refuses DTDs
from xml.parsers import expat  # nosec B407 - document types and entities are refused below


class NotReadable(ValueError):
    """The bytes are no XML, or XML with a document type, which nobody we talk to needs."""


def parse(content: bytes) -> Element:
    """Return the document's root. Raises NotReadable."""
    builder = TreeBuilder()
    parser = expat.ParserCreate()

    def start(name: str, attributes: Mapping[str, str]) -> None:
        builder.start(name, dict(attributes))

    def refuse(*_: object) -> None:
        raise NotReadable("it has a document type")

    parser.StartElementHandler = start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        raise NotReadable(f"it is no XML: line {error.lineno}") from error
    return builder.close()
