"""Refunds: a row each, bound to one capture; the call that asks for one names it."""

import django.db.models.deletion
import django_fsm
import integrations.correlation
import payments.models.refund
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0005_search_indexes'),
        ('payments', '0033_ledger_checks'),
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
