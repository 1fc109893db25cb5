"""What moves money, one family a file."""

from payments.models.accounting import AccountBalance, AccountingPeriod, LedgerCheck
from payments.models.action import Approval, StaffAction
from payments.models.attempt import Look, PaymentAttempt
from payments.models.audit import AuditRecord, AuditSeal, SealedRows
from payments.models.bank import BankLine, BankMatch, BankMatchUndoing
from payments.models.call import ProviderCall
from payments.models.capture import Capture
from payments.models.case import Case, CaseNote
from payments.models.dispute import Dispute, DisputeMovement
from payments.models.idempotency import IdempotencyRecord
from payments.models.inbox import ProviderEvent
from payments.models.ledger import LedgerEntry, LedgerTransaction
from payments.models.note import Note
from payments.models.payout import BalanceEntry, Payout, PayoutLine, PayoutMirror
from payments.models.period import KeeperRound, PeriodFigures
from payments.models.reconciliation import EventWatermark, ReconciliationFinding, ReconciliationRun
from payments.models.refund import Refund
from payments.models.signature_trouble import SignatureTrouble
from payments.models.staff import BackupCode, BackupCodes, Invitation, StaffAccount, StaffToken, TotpDevice
from payments.models.tries import PaymentTry

__all__ = [
    "AccountBalance",
    "AccountingPeriod",
    "Approval",
    "AuditRecord",
    "AuditSeal",
    "BackupCode",
    "BackupCodes",
    "BalanceEntry",
    "BankLine",
    "BankMatch",
    "BankMatchUndoing",
    "Capture",
    "Case",
    "CaseNote",
    "Dispute",
    "DisputeMovement",
    "EventWatermark",
    "IdempotencyRecord",
    "Invitation",
    "KeeperRound",
    "LedgerCheck",
    "LedgerEntry",
    "LedgerTransaction",
    "Look",
    "Note",
    "PaymentAttempt",
    "PaymentTry",
    "Payout",
    "PayoutLine",
    "PayoutMirror",
    "PeriodFigures",
    "ProviderCall",
    "ProviderEvent",
    "ReconciliationFinding",
    "ReconciliationRun",
    "Refund",
    "SealedRows",
    "SignatureTrouble",
    "StaffAccount",
    "StaffAction",
    "StaffToken",
    "TotpDevice",
]
