"""The wire types and errors that cross the edge: what an adapter takes, answers and raises.

Frozen, and free of Django: an adapter written by somebody else needs this package only. Amounts are integers in the
minor unit of ISO 4217 (`amount_minor`), currencies upper-case ISO codes; each adapter converts to its provider's units.
"""

from integrations.contract.disputes import (
    DisputeMovement,
    DisputeSnapshot,
    EvidenceText,
    EvidenceTexts,
    MovementKind,
)
from integrations.contract.errors import (
    ConfigurationError,
    Declined,
    IdempotencyConflict,
    InvalidRequest,
    NotOffered,
    NotTried,
    ProviderError,
    ProviderMisconfigured,
    RateLimited,
    SettingProblem,
    Unavailable,
    UnknownObject,
    WrongMode,
)
from integrations.contract.forms import CaptureRequest, NextStep, PayForm, PayRequest, Presentation
from integrations.contract.ids import ProviderIds
from integrations.contract.listing import ListedCapture, ListedEvent, ListedRefund, ListedStatus
from integrations.contract.notifications import Notification, NotificationRejected, NotificationUnverified
from integrations.contract.paging import Page
from integrations.contract.payments import (
    CaptureSnapshot,
    Decline,
    DeclineReason,
    Mode,
    PageLine,
    PaymentSnapshot,
    PaymentStatus,
    Started,
    StartRequest,
    TrySnapshot,
)
from integrations.contract.payouts import BalanceEntry, EntryKind, PayoutSnapshot, PayoutStatus
from integrations.contract.provider import Capabilities, Provider
from integrations.contract.refunds import RefundReason, RefundRequest, RefundSnapshot

__all__ = [
    "BalanceEntry",
    "Capabilities",
    "CaptureRequest",
    "CaptureSnapshot",
    "ConfigurationError",
    "Decline",
    "DeclineReason",
    "Declined",
    "DisputeMovement",
    "DisputeSnapshot",
    "EntryKind",
    "EvidenceText",
    "EvidenceTexts",
    "IdempotencyConflict",
    "InvalidRequest",
    "ListedCapture",
    "ListedEvent",
    "ListedRefund",
    "ListedStatus",
    "Mode",
    "MovementKind",
    "NextStep",
    "NotOffered",
    "NotTried",
    "Notification",
    "NotificationRejected",
    "NotificationUnverified",
    "Page",
    "PageLine",
    "PayForm",
    "PayRequest",
    "PaymentSnapshot",
    "PaymentStatus",
    "PayoutSnapshot",
    "PayoutStatus",
    "Presentation",
    "Provider",
    "ProviderError",
    "ProviderIds",
    "ProviderMisconfigured",
    "RateLimited",
    "RefundReason",
    "RefundRequest",
    "RefundSnapshot",
    "SettingProblem",
    "StartRequest",
    "Started",
    "TrySnapshot",
    "Unavailable",
    "UnknownObject",
    "WrongMode",
]
