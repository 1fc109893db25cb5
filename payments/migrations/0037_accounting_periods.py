"""Months that are closed: append-only, in their order, and nothing is posted into one any more."""

import django.db.models.deletion
import integrations.correlation
from django.db import migrations, models

APPEND_ONLY = "".join(
    f"""
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON payments_{table}
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON payments_{table}
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""
    for table in ("accountingperiod", "accountbalance")
)

# The lock's number stands in payments/ledger/periods.py, too; a test compares both.
REFUSE_CLOSED_MONTH = """
CREATE FUNCTION payments_refuse_closed_month() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  closed_until timestamptz;
BEGIN
  -- Closing takes this lock alone: it waits for the postings under way, and later ones see what it wrote.
  PERFORM pg_advisory_xact_lock_shared(20260401);
  SELECT max(ends_at) INTO closed_until FROM payments_accountingperiod;
  IF NEW.at < closed_until THEN
    RAISE EXCEPTION 'the ledger is closed until %; a posting of % belongs into an open month', closed_until, NEW.at
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER ledgertransaction_not_into_closed_month BEFORE INSERT ON payments_ledgertransaction
  FOR EACH ROW EXECUTE FUNCTION payments_refuse_closed_month();
"""

MONTHS_IN_ORDER = """
CREATE FUNCTION payments_months_in_order() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  last_end timestamptz;
BEGIN
  IF NEW.month <> date_trunc('month', NEW.month)::date
     OR NEW.ends_at <> (NEW.month + interval '1 month') AT TIME ZONE 'UTC' THEN
    RAISE EXCEPTION 'a closed month is a whole month of UTC, not % to %', NEW.month, NEW.ends_at
      USING ERRCODE = 'check_violation';
  END IF;
  SELECT max(ends_at) INTO last_end FROM payments_accountingperiod;
  IF last_end IS NOT NULL AND NEW.month::timestamp AT TIME ZONE 'UTC' <> last_end THEN
    RAISE EXCEPTION 'months are closed in their order: after % comes no %', last_end, NEW.month
      USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER accountingperiod_in_order BEFORE INSERT ON payments_accountingperiod
  FOR EACH ROW EXECUTE FUNCTION payments_months_in_order();
"""

UNDO = """
DROP TRIGGER ledgertransaction_not_into_closed_month ON payments_ledgertransaction;
DROP FUNCTION payments_refuse_closed_month();
DROP TRIGGER accountingperiod_in_order ON payments_accountingperiod;
DROP FUNCTION payments_months_in_order();
DROP TRIGGER accountingperiod_append_only ON payments_accountingperiod;
DROP TRIGGER accountingperiod_no_truncate ON payments_accountingperiod;
DROP TRIGGER accountbalance_append_only ON payments_accountbalance;
DROP TRIGGER accountbalance_no_truncate ON payments_accountbalance;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0036_dispute_deadlines'),
    ]

    operations = [
        migrations.CreateModel(
            name='AccountingPeriod',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('month', models.DateField(help_text='Its first day. Months are those of UTC.', unique=True)),
                ('ends_at', models.DateTimeField(help_text='The first moment after it.', unique=True)),
                ('closed_at', models.DateTimeField()),
                ('actor', models.CharField(max_length=100)),
                ('correlation_id', models.CharField(blank=True, default=integrations.correlation.current, editable=False, max_length=64)),
            ],
            options={
                'ordering': ['-month'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='AccountBalance',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account', models.CharField(max_length=60)),
                ('currency', models.CharField(max_length=3)),
                ('debit_minor', models.BigIntegerField()),
                ('credit_minor', models.BigIntegerField()),
                ('balance_minor', models.BigIntegerField()),
                ('period', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='balances', to='payments.accountingperiod')),
            ],
            options={
                'ordering': ['period', 'currency', 'account'],
                'default_permissions': (),
                'constraints': [
                    models.UniqueConstraint(fields=('period', 'account', 'currency'), name='account_balance_once'),
                    models.CheckConstraint(condition=models.Q(('credit_minor__gte', 0), ('debit_minor__gte', 0)), name='account_balance_sides'),
                ],
            },
        ),
        migrations.RunSQL(APPEND_ONLY + REFUSE_CLOSED_MONTH + MONTHS_IN_ORDER, UNDO),
    ]
