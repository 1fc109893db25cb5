"""The ledger by time, and by account newest first: its pages and trial balance read what they show, and no more."""

from django.contrib.postgres.operations import AddIndexConcurrently, RemoveIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False  # indexes are built beside the service, which goes on posting

    dependencies = [
        ('payments', '0037_accounting_periods'),
    ]

    operations = [
        AddIndexConcurrently(
            model_name='ledgertransaction',
            index=models.Index(fields=['at'], name='ledger_transaction_at'),
        ),
        AddIndexConcurrently(
            model_name='ledgerentry',
            index=models.Index(fields=['account', 'transaction'], name='ledger_entry_of_account'),
        ),
        RemoveIndexConcurrently(
            model_name='ledgerentry',
            name='ledger_entry_account',
        ),
    ]
