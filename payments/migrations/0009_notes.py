"""Notes of people, trouble with signatures, and the correlation id of what the timeline shows."""

import django.db.models.deletion
import integrations.correlation
import uuid
from django.conf import settings
from django.db import migrations, models

APPEND_ONLY = """
CREATE TRIGGER note_append_only BEFORE UPDATE OR DELETE ON payments_note
  FOR EACH ROW EXECUTE FUNCTION shop_refuse_change();
CREATE TRIGGER note_no_truncate BEFORE TRUNCATE ON payments_note
  FOR EACH STATEMENT EXECUTE FUNCTION shop_refuse_change();
"""
UNDO = """
DROP TRIGGER note_append_only ON payments_note;
DROP TRIGGER note_no_truncate ON payments_note;
"""


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0004_transition_correlation'),
        ('payments', '0008_openings_append_only'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='Note',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('uid', models.UUIDField(default=uuid.uuid4, editable=False, unique=True)),
                ('order', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='notes', to='orders.order')),
                ('author', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='+', to=settings.AUTH_USER_MODEL)),
                ('text', models.TextField(max_length=2000)),
                ('at', models.DateTimeField()),
                ('correlation_id', models.CharField(blank=True, db_default='', default=integrations.correlation.current, editable=False, max_length=64)),
            ],
            options={
                'ordering': ['-pk'],
                'default_permissions': (),
                'constraints': [models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='note_has_text')],
            },
        ),
        migrations.CreateModel(
            name='SignatureTrouble',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(max_length=20, unique=True)),
                ('since', models.DateTimeField(help_text='The first refused one after the last that was verified.')),
                ('last_at', models.DateTimeField()),
                ('times', models.PositiveIntegerField(default=1, help_text='Notes taken; there may be more refusals than that.')),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.AddField(
            model_name='capture',
            name='correlation_id',
            field=models.CharField(blank=True, db_default='', default=integrations.correlation.current, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='case',
            name='correlation_id',
            field=models.CharField(blank=True, db_default='', default=integrations.correlation.current, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='look',
            name='correlation_id',
            field=models.CharField(blank=True, db_default='', default=integrations.correlation.current, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='paymentattempt',
            name='correlation_id',
            field=models.CharField(blank=True, db_default='', default=integrations.correlation.current, editable=False, max_length=64),
        ),
        migrations.AddField(
            model_name='paymentattempt',
            name='in_review',
            field=models.BooleanField(db_default=False, default=False, help_text='The provider holds the payment back until somebody there decides.'),
        ),
        migrations.AddField(
            model_name='providercall',
            name='correlation_id',
            field=models.CharField(blank=True, db_default='', default=integrations.correlation.current, editable=False, max_length=64),
        ),
        migrations.RunSQL(APPEND_ONLY, UNDO),
    ]
