"""The connectors, by the kind of receiver they speak to."""

from integrations.connectors.contract import Connector
from integrations.connectors.fiskaly import FiskalyConnector
from integrations.connectors.hubspot import HubSpotConnector
from integrations.connectors.mail import MailConnector
from integrations.connectors.tryton import TrytonConnector
from integrations.connectors.webhook import WebhookConnector

_ALL = (WebhookConnector(), MailConnector(), HubSpotConnector(), TrytonConnector(), FiskalyConnector())

CONNECTORS: dict[str, Connector] = {connector.kind: connector for connector in _ALL}


def reads_related(kind: str) -> bool:
    """Return whether messages to receivers of this kind are to carry the object's other facts."""
    return kind in CONNECTORS and CONNECTORS[kind].reads_related
