"""Disputes and their movements of money, and what the database itself holds of them (DESIGN.md, invariant 5)."""

import django.db.models.deletion
import django_fsm
import integrations.correlation
from django.db import migrations, models

# A new dispute is an inquiry or open: the guard, which knows one beginning, is not asked about the other.
EDGES = (
    "inquiry>open inquiry>under_review inquiry>closed open>under_review open>won open>lost"
    " under_review>won under_review>lost"
)
GUARDS = f"""
CREATE TRIGGER dispute_state_on_insert BEFORE INSERT ON payments_dispute
  FOR EACH ROW WHEN (NEW.state <> 'open')
  EXECUTE FUNCTION shop_guard_state('dispute', 'inquiry', '{EDGES}');
CREATE TRIGGER dispute_state_on_update BEFORE UPDATE ON payments_dispute
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state)
  EXECUTE FUNCTION shop_guard_state('dispute', 'inquiry', '{EDGES}');
CREATE TRIGGER dispute_never_deleted BEFORE DELETE ON payments_dispute
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER disputemovement_append_only BEFORE UPDATE OR DELETE ON payments_disputemovement
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER disputemovement_no_truncate BEFORE TRUNCATE ON payments_disputemovement
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
CREATE FUNCTION payments_dispute_movement_is_posted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.amount_minor <> 0 AND NOT EXISTS (SELECT 1 FROM payments_ledgertransaction
        WHERE cause_kind = 'dispute_movement' AND cause_id = NEW.id AND currency = NEW.currency))
     OR (NEW.fee_minor <> 0 AND NOT EXISTS (SELECT 1 FROM payments_ledgertransaction
        WHERE cause_kind = 'dispute_fee' AND cause_id = NEW.id AND currency = NEW.currency)) THEN
    RAISE EXCEPTION 'dispute movement % has no ledger posting', NEW.id USING ERRCODE = 'check_violation';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER disputemovement_is_posted AFTER INSERT ON payments_disputemovement
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION payments_dispute_movement_is_posted();
"""
UNDO = """
DROP TRIGGER disputemovement_is_posted ON payments_disputemovement;
DROP FUNCTION payments_dispute_movement_is_posted();
DROP TRIGGER disputemovement_no_truncate ON payments_disputemovement;
DROP TRIGGER disputemovement_append_only ON payments_disputemovement;
DROP TRIGGER dispute_never_deleted ON payments_dispute;
DROP TRIGGER dispute_state_on_update ON payments_dispute;
DROP TRIGGER dispute_state_on_insert ON payments_dispute;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0005_search_indexes'),
        ('payments', '0026_event_of_provider'),
    ]

    operations = [
        migrations.AlterField(
            model_name='providercall',
            name='kind',
            field=models.CharField(choices=[('moves_money', 'Never abandoned, never a new key'), ('opens_page', 'May be abandoned while no shopper has its URL'), ('closes_page', 'May be abandoned: doing it twice does nothing, and a look tells what happened'), ('once', 'Under one key only; abandoned when the provider forgets it, and then a look tells what happened')], max_length=12),
        ),
        migrations.AlterField(
            model_name='providercall',
            name='operation',
            field=models.CharField(choices=[('start', "Open the provider's page"), ('close', "Close the provider's page"), ('release', 'Release an authorization'), ('capture', 'Capture an authorization'), ('refund', 'Refund a capture'), ('stage', 'Stage the evidence of a dispute'), ('evidence', 'Submit the evidence of a dispute'), ('accept', 'Accept a dispute')], max_length=10),
        ),
        migrations.CreateModel(
            name='Dispute',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=20)),
                ('account', models.CharField(max_length=64)),
                ('dispute_id', models.CharField(help_text="The provider's id.", max_length=255)),
                ('state', django_fsm.FSMField(choices=[('inquiry', 'Inquiry: the bank asks; no money has moved.'), ('open', 'Open: the bank has taken the money back; it can be answered until its deadline.'), ('under_review', 'Under review: the bank has our evidence and decides.'), ('won', 'Won: the bank decided for us.'), ('lost', 'Lost: the bank decided against us, or nobody answered; the money is gone.'), ('closed', 'Closed: the inquiry ended, and no money moved.')], default='open', editable=False, max_length=50, protected=True)),
                ('amount_minor', models.BigIntegerField(help_text='What the cardholder claims, as the provider last told it.')),
                ('currency', models.CharField(max_length=3)),
                ('reason', models.CharField(blank=True, help_text="The provider's word.", max_length=60)),
                ('respond_by', models.DateTimeField(blank=True, help_text='Until when the bank takes evidence.', null=True)),
                ('opened_at', models.DateTimeField(help_text="The provider's time.")),
                ('seen_at', models.DateTimeField(help_text='When a look first told us of it.')),
                ('closed_at', models.DateTimeField(blank=True, help_text='When a look told us of its end.', null=True)),
                ('evidence_submitted_at', models.DateTimeField(blank=True, help_text='When a look first told us that the bank has our evidence.', null=True)),
                ('correlation_id', models.CharField(blank=True, db_default='', default=integrations.correlation.current, editable=False, max_length=64)),
                ('attempt', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='disputes', to='payments.paymentattempt')),
                ('capture', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='disputes', to='payments.capture')),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='disputes', to='orders.order')),
            ],
            options={
                'ordering': ['-pk'],
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='DisputeMovement',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=20)),
                ('account', models.CharField(max_length=64)),
                ('entry_id', models.CharField(help_text="The provider's id (Stripe: the balance transaction's).", max_length=255)),
                ('kind', models.CharField(choices=[('withdrawn', 'Withdrawn'), ('reinstated', 'Reinstated')], max_length=10)),
                ('amount_minor', models.BigIntegerField(help_text='Taken or given back; never negative.')),
                ('fee_minor', models.BigIntegerField(default=0, help_text="The provider's fee; negative where it gave one back.")),
                ('currency', models.CharField(help_text="Of the provider's balance.", max_length=3)),
                ('at', models.DateTimeField(help_text="The provider's time.")),
                ('seen_at', models.DateTimeField(help_text='When a look first told us of it.')),
                ('dispute', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='movements', to='payments.dispute')),
            ],
            options={
                'ordering': ['pk'],
                'default_permissions': (),
            },
        ),
        migrations.AddIndex(
            model_name='dispute',
            index=models.Index(fields=['dispute_id'], name='dispute_by_id'),
        ),
        migrations.AddIndex(
            model_name='dispute',
            index=models.Index(condition=models.Q(('state__in', ('inquiry', 'open', 'under_review'))), fields=['respond_by'], name='dispute_undecided'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.UniqueConstraint(fields=('provider', 'account', 'dispute_id'), name='dispute_once'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['inquiry', 'open', 'under_review', 'won', 'lost', 'closed'])), name='dispute_state_known'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gt', 0)), name='dispute_amount_positive'),
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ('inquiry', 'open', 'under_review')), ('closed_at__isnull', False), _connector='OR'), name='dispute_closed_at'),
        ),
        migrations.AddConstraint(
            model_name='disputemovement',
            constraint=models.UniqueConstraint(fields=('provider', 'account', 'entry_id'), name='dispute_movement_once'),
        ),
        migrations.AddConstraint(
            model_name='disputemovement',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gte', 0)), name='dispute_movement_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='disputemovement',
            constraint=models.CheckConstraint(condition=models.Q(('kind__in', ['withdrawn', 'reinstated'])), name='dispute_movement_kind_known'),
        ),
        migrations.RunSQL(GUARDS, UNDO),
    ]
