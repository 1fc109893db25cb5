"""The edge as data: facts, receivers, deliveries, breakers, heartbeats, keys: one family a file."""

from integrations.failure import Failure
from integrations.models.breaker import Breaker, BreakerState, breaker_of
from integrations.models.delivery import (
    AttemptOutcome,
    Delivery,
    DeliveryAttempt,
    DeliveryRepeat,
    DeliveryReplay,
    DeliverySkip,
    DeliveryState,
    new_delivery_key,
)
from integrations.models.destination import Destination, DestinationKind
from integrations.models.event import OutboxEvent
from integrations.models.heartbeat import Heartbeat
from integrations.models.keys import Credential, DecryptionRecord, EncryptionKey

__all__ = [
    "AttemptOutcome",
    "Breaker",
    "BreakerState",
    "Credential",
    "DecryptionRecord",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryRepeat",
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
