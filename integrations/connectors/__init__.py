"""The connectors, by the kind of receiver they speak to."""

from integrations.connectors.contract import Connector
from integrations.connectors.mail import MailConnector
from integrations.connectors.webhook import WebhookConnector

CONNECTORS: dict[str, Connector] = {connector.kind: connector for connector in (WebhookConnector(), MailConnector())}


def reads_related(kind: str) -> bool:
    """Return whether messages to receivers of this kind are to carry the object's other facts."""
    return kind in CONNECTORS and CONNECTORS[kind].reads_related
