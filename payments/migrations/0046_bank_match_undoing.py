"""What was said of a bank line can be undone, by a row of its own; then it can be said anew.

A match's turns must be what was undone before it: with the unique constraints over them, one stands at a time.
"""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

TURNS = """
CREATE FUNCTION payments_bank_match_turns() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  of_line bigint;
  of_payout bigint;
BEGIN
  SELECT count(*) FILTER (WHERE m.line_id = NEW.line_id AND (m.payout_id IS NULL) = (NEW.payout_id IS NULL)),
         count(*) FILTER (WHERE m.payout_id = NEW.payout_id AND m.is_return = NEW.is_return)
    INTO of_line, of_payout
    FROM payments_bankmatchundoing u JOIN payments_bankmatch m ON m.id = u.match_id
    WHERE m.line_id = NEW.line_id OR m.payout_id = NEW.payout_id;
  IF (NEW.line_turn, NEW.payout_turn) IS DISTINCT FROM (of_line, of_payout) THEN
    RAISE EXCEPTION 'bank line %: its turns must be % and %, which is what was undone before', NEW.line_id, of_line,
      of_payout USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER bankmatch_turns BEFORE INSERT ON payments_bankmatch
  FOR EACH ROW EXECUTE FUNCTION payments_bank_match_turns();
"""
APPEND_ONLY = """
CREATE TRIGGER bankmatchundoing_append_only BEFORE UPDATE OR DELETE ON payments_bankmatchundoing
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER bankmatchundoing_no_truncate BEFORE TRUNCATE ON payments_bankmatchundoing
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""
UNDO = """
DROP TRIGGER bankmatchundoing_no_truncate ON payments_bankmatchundoing;
DROP TRIGGER bankmatchundoing_append_only ON payments_bankmatchundoing;
DROP TRIGGER bankmatch_turns ON payments_bankmatch;
DROP FUNCTION payments_bank_match_turns();
"""


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0045_dispute_of_nothing'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='BankMatchUndoing',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('note', models.CharField(blank=True, max_length=1000)),
                ('at', models.DateTimeField()),
            ],
            options={
                'ordering': ['-pk'],
                'default_permissions': (),
            },
        ),
        migrations.RemoveConstraint(
            model_name='bankmatch',
            name='bank_match_once',
        ),
        migrations.RemoveConstraint(
            model_name='bankmatch',
            name='bank_line_one_payout',
        ),
        migrations.RemoveConstraint(
            model_name='bankmatch',
            name='bank_line_set_aside_once',
        ),
        migrations.AddField(
            model_name='bankmatch',
            name='line_turn',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text="How many of the line's matches (or set-asides) were undone before."),
        ),
        migrations.AddField(
            model_name='bankmatch',
            name='payout_turn',
            field=models.PositiveSmallIntegerField(db_default=0, default=0, help_text="How many of the payout's arrivals (or returns) were undone before."),
        ),
        migrations.AddConstraint(
            model_name='bankmatch',
            constraint=models.UniqueConstraint(fields=('payout', 'is_return', 'payout_turn'), name='bank_match_one_stands'),
        ),
        migrations.AddConstraint(
            model_name='bankmatch',
            constraint=models.UniqueConstraint(condition=models.Q(('payout__isnull', False)), fields=('line', 'line_turn'), name='bank_line_one_payout_stands'),
        ),
        migrations.AddConstraint(
            model_name='bankmatch',
            constraint=models.UniqueConstraint(condition=models.Q(('payout__isnull', True)), fields=('line', 'line_turn'), name='bank_line_one_set_aside_stands'),
        ),
        migrations.AddField(
            model_name='bankmatchundoing',
            name='match',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='undoing', to='payments.bankmatch'),
        ),
        migrations.AddField(
            model_name='bankmatchundoing',
            name='undone_by',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.RunSQL(TURNS + APPEND_ONLY, UNDO),
    ]
