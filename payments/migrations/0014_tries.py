"""Tries of the shopper on the provider's page, append-only; and whose network address asked for an attempt, hashed."""

import django.db.models.deletion
from django.db import migrations, models

TABLE = "payments_paymenttry"
APPEND_ONLY = f"""
CREATE TRIGGER {TABLE}_append_only BEFORE UPDATE OR DELETE ON {TABLE}
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER {TABLE}_no_truncate BEFORE TRUNCATE ON {TABLE}
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""
UNDO = f"DROP TRIGGER {TABLE}_append_only ON {TABLE}; DROP TRIGGER {TABLE}_no_truncate ON {TABLE};"


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0013_action_retries'),
        ('orders', '0002_guards'),
    ]

    operations = [
        migrations.AddField(
            model_name='paymentattempt',
            name='client_key',
            field=models.CharField(blank=True, db_default='', default='', editable=False, help_text='Keyed hash of the network address that asked for it (payments/keyed_hashes.py).', max_length=32),
        ),
        migrations.CreateModel(
            name='PaymentTry',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=20)),
                ('account', models.CharField(max_length=64)),
                ('try_id', models.CharField(help_text="The provider's id (Stripe: the charge's).", max_length=255)),
                ('at', models.DateTimeField(help_text="The provider's time.")),
                ('seen_at', models.DateTimeField(help_text='When a look first told us of it.')),
                ('succeeded', models.BooleanField()),
                ('decline_reason', models.CharField(blank=True, max_length=40)),
                ('decline_code', models.CharField(blank=True, max_length=100)),
                ('method', models.CharField(blank=True, max_length=40)),
                ('method_key', models.CharField(blank=True, max_length=32)),
                ('attempt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='tries', to='payments.paymentattempt')),
            ],
            options={
                'verbose_name_plural': 'payment tries',
                'ordering': ['pk'],
                'default_permissions': (),
                'indexes': [models.Index(fields=['seen_at'], name='try_seen')],
                'constraints': [models.UniqueConstraint(fields=('provider', 'account', 'try_id'), name='try_once')],
            },
        ),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
