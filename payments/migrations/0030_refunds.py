"""Refunds: a row each, bound to one capture; the call that asks for one names it."""

import django.db.models.deletion
import django_fsm
import integrations.correlation
import payments.models.refund
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0005_search_indexes'),
        ('payments', '0029_payout_guards'),
    ]

    operations = [
        migrations.AddField(
            model_name='capture',
            name='intent_id',
            field=models.CharField(blank=True, db_default='', default='', help_text="The provider's payment it belongs to, where it told it: not always its attempt's.", max_length=255),
        ),
        migrations.AddField(
            model_name='providercall',
            name='last_sent_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name='case',
            name='kind',
            field=models.CharField(choices=[('amount_mismatch', 'Amount differs'), ('currency_mismatch', 'Currency differs'), ('reference_mismatch', "The provider's object names another payment"), ('wrong_account', 'Another account'), ('wrong_mode', 'Test among live, or live among test'), ('late_money', 'Paid after it had ended'), ('double_payment', 'Paid more than once'), ('provider_refund', 'Refunded at the provider'), ('refund_failed', 'A refund failed'), ('refund_excess', 'More was refunded than was taken'), ('provider_dispute', 'Disputed at the provider'), ('parked_event', 'An event matches nothing here'), ('dead_event', 'An event could not be processed'), ('dead_delivery', 'A fact could not be delivered'), ('away', 'A provider or receiver is away'), ('unknown_object', 'The provider does not know this payment'), ('call_refused', 'The provider refused our request'), ('provider_configuration', 'The provider refuses our keys'), ('stale_events', 'Events wait too long'), ('stale_deliveries', 'Deliveries wait too long'), ('stale_calls', 'Calls to a provider have no known outcome'), ('late_looks', 'Looks at payments are overdue'), ('worker_silent', 'A process gives no sign of life'), ('provider_silent', 'A provider sends no webhooks'), ('bad_signatures', "A provider's webhooks fail our signature check"), ('failed_tries', 'Many declined tries'), ('many_cards', 'Many cards'), ('small_amounts', 'Many small payments'), ('refund_spike', 'More refunds than usual'), ('credential_expiry', 'An integration key expires'), ('encryption_key', 'An encryption key is old, or was changed'), ('payout_remainder', 'A payout is not explained to the cent'), ('forbidden_transition', 'The provider says what our states do not allow')], max_length=30),
        ),
        migrations.CreateModel(
            name='Refund',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reference', models.CharField(default=payments.models.refund.new_refund_reference, editable=False, max_length=64, unique=True)),
                ('provider', models.CharField(max_length=20)),
                ('account', models.CharField(max_length=64)),
                ('refund_id', models.CharField(blank=True, help_text="The provider's id, once it has told it.", max_length=255)),
                ('amount_minor', models.BigIntegerField()),
                ('currency', models.CharField(max_length=3)),
                ('state', django_fsm.FSMField(choices=[('requested', 'Requested: written down here; the provider has not confirmed it yet.'), ('pending', 'Pending: the provider has it in hand; the money is not on its way yet.'), ('succeeded', 'Succeeded: the money has left our account at the provider.'), ('failed', 'Failed: the customer did not get it; what had left has come back.')], default='requested', editable=False, max_length=50, protected=True)),
                ('made_by', models.CharField(choices=[('ours', 'Ours: asked for here'), ('theirs', 'Theirs: made at the provider')], max_length=6)),
                ('reason', models.CharField(blank=True, choices=[('requested_by_customer', 'requested_by_customer'), ('duplicate', 'duplicate'), ('fraudulent', 'fraudulent')], max_length=30)),
                ('requested_at', models.DateTimeField(help_text='Of theirs: when the provider says it was made.')),
                ('succeeded_at', models.DateTimeField(blank=True, help_text='When we learned that the money is on its way.', null=True)),
                ('failed_at', models.DateTimeField(blank=True, null=True)),
                ('failure_reason', models.CharField(blank=True, max_length=300)),
                ('correlation_id', models.CharField(blank=True, db_default='', default=integrations.correlation.current, editable=False, max_length=64)),
                ('action', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='payments.staffaction')),
                ('attempt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='payments.paymentattempt')),
                ('capture', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='payments.capture')),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='refunds', to='orders.order')),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='providercall',
            name='refund',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='calls', to='payments.refund'),
        ),
        migrations.AddConstraint(
            model_name='providercall',
            constraint=models.UniqueConstraint(condition=models.Q(('refund__isnull', False)), fields=('refund',), name='call_one_a_refund'),
        ),
        migrations.AddConstraint(
            model_name='providercall',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('operation', 'refund'), ('refund__isnull', False)), models.Q(models.Q(('operation', 'refund'), _negated=True), ('refund__isnull', True)), _connector='OR'), name='call_of_a_refund_names_it'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(fields=['refund_id'], name='refund_by_id'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(condition=models.Q(('state__in', ['requested', 'pending'])), fields=['attempt'], name='refund_undecided'),
        ),
        migrations.AddIndex(
            model_name='refund',
            index=models.Index(fields=['requested_at'], name='refund_requested'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.UniqueConstraint(condition=models.Q(('refund_id', ''), _negated=True), fields=('provider', 'account', 'refund_id'), name='refund_once'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='refund_amount_positive'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['requested', 'pending', 'succeeded', 'failed'])), name='refund_state_known'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('made_by__in', ['ours', 'theirs'])), name='refund_maker_known'),
        ),
        migrations.AddConstraint(
            model_name='refund',
            constraint=models.CheckConstraint(condition=models.Q(('made_by', 'ours'), models.Q(('refund_id', ''), _negated=True), _connector='OR'), name='refund_of_theirs_has_id'),
        ),
    ]
