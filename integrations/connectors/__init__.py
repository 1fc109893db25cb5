"""The connectors, by the kind of receiver they speak to."""

from integrations.connectors.contract import Connector
from integrations.connectors.mail import MailConnector
from integrations.connectors.webhook import WebhookConnector

CONNECTORS: dict[str, Connector] = {connector.kind: connector for connector in (WebhookConnector(), MailConnector())}
