"""Alerts and suspicious patterns are kinds of cases; an alert notes since when it is over."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0024_audit_log_reading'),
    ]

    operations = [
        migrations.AddField(
            model_name='case',
            name='recovered_at',
            field=models.DateTimeField(blank=True, help_text='Of an alert: since when what it tells of has been over. A person closes it.', null=True),
        ),
        migrations.AlterField(
            model_name='case',
            name='kind',
            field=models.CharField(choices=[('amount_mismatch', 'Amount differs'), ('currency_mismatch', 'Currency differs'), ('reference_mismatch', "The provider's object names another payment"), ('wrong_account', 'Another account'), ('wrong_mode', 'Test among live, or live among test'), ('late_money', 'Paid after it had ended'), ('double_payment', 'Paid more than once'), ('provider_refund', 'Refunded at the provider'), ('provider_dispute', 'Disputed at the provider'), ('parked_event', 'An event matches nothing here'), ('dead_event', 'An event could not be processed'), ('dead_delivery', 'A fact could not be delivered'), ('away', 'A provider or receiver is away'), ('unknown_object', 'The provider does not know this payment'), ('call_refused', 'The provider refused our request'), ('provider_configuration', 'The provider refuses our keys'), ('stale_events', 'Events wait too long'), ('stale_deliveries', 'Deliveries wait too long'), ('stale_calls', 'Calls to a provider have no known outcome'), ('late_looks', 'Looks at payments are overdue'), ('worker_silent', 'A process gives no sign of life'), ('provider_silent', 'A provider sends no webhooks'), ('bad_signatures', "A provider's webhooks fail our signature check"), ('failed_tries', 'Many declined tries'), ('many_cards', 'Many cards'), ('small_amounts', 'Many small payments'), ('refund_spike', 'More refunds than usual'), ('credential_expiry', 'An integration key expires'), ('encryption_key', 'An encryption key is old, or was changed'), ('forbidden_transition', 'The provider says what our states do not allow')], max_length=30),
        ),
    ]
