"""The edge as data: facts, receivers, deliveries, breakers, heartbeats: one family a file."""

from integrations.failure import Failure
from integrations.key_models import DecryptionRecord, EncryptionKey
from integrations.models.breaker import Breaker, BreakerState, breaker_of
from integrations.models.delivery import (
    AttemptOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryReplay,
    DeliverySkip,
    DeliveryState,
    new_delivery_key,
)
from integrations.models.destination import Destination, DestinationKind
from integrations.models.event import OutboxEvent
from integrations.models.heartbeat import Heartbeat

__all__ = [
    "AttemptOutcome",
    "Breaker",
    "BreakerState",
    "DecryptionRecord",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryReplay",
    "DeliverySkip",
    "DeliveryState",
    "Destination",
    "DestinationKind",
    "EncryptionKey",
    "Failure",
    "Heartbeat",
    "OutboxEvent",
    "breaker_of",
    "new_delivery_key",
]
