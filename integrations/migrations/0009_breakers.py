"""Breakers as rows, with the pauses that were fields of their destination; order, fingerprints and skips of deliveries.

`paused` and `pause_reason` are dropped at once: no released version has read them. (A later change of this kind first
stops reading, and drops in the release after.)
"""

import django.db.models.deletion
from django.db import migrations, models
from django.utils import timezone


def pauses_become_breakers(apps, schema_editor):
    using = schema_editor.connection.alias
    Destination = apps.get_model("integrations", "Destination")
    Breaker = apps.get_model("integrations", "Breaker")
    for row in Destination.objects.using(using).filter(paused=True):
        Breaker.objects.using(using).create(
            destination=row, state="paused", since=timezone.now(), actor="migration", reason=row.pause_reason
        )


def breakers_become_pauses(apps, schema_editor):
    using = schema_editor.connection.alias
    Destination = apps.get_model("integrations", "Destination")
    Breaker = apps.get_model("integrations", "Breaker")
    for row in Breaker.objects.using(using).filter(state="paused", destination__isnull=False):
        Destination.objects.using(using).filter(pk=row.destination_id).update(paused=True, pause_reason=row.reason)


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0008_masked_openings'),
    ]

    operations = [
        migrations.CreateModel(
            name='Breaker',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('provider', models.CharField(blank=True, max_length=40)),
                ('state', models.CharField(choices=[('closed', 'Works'), ('open', 'Away: nothing is sent until it is tried again'), ('half_open', 'One try is on its way to find out'), ('paused', 'Paused by a person')], default='closed', max_length=10)),
                ('since', models.DateTimeField(help_text='When it went away, was paused, or came back. A try in between counts not.')),
                ('failures', models.PositiveIntegerField(default=0, help_text='In a row, that say it is away.')),
                ('openings', models.PositiveIntegerField(default=0, help_text='Since it last worked; each doubles the cool-down.')),
                ('next_probe_at', models.DateTimeField(blank=True, null=True)),
                ('last_failure', models.CharField(blank=True, choices=[('exceeded', 'Tried for as long as we try'), ('permanent', 'The receiver refuses this message'), ('configuration', 'Address, secret or access is wrong'), ('internal', 'A defect of ours'), ('timeout', 'No whole answer in time'), ('unavailable', 'The receiver is away or overloaded')], max_length=20)),
                ('last_detail', models.CharField(blank=True, max_length=300)),
                ('actor', models.CharField(blank=True, help_text='Who last paused or resumed it: `user:7`.', max_length=80)),
                ('reason', models.CharField(blank=True, max_length=300)),
                ('case_opened_at', models.DateTimeField(blank=True, help_text='When payments/ opened a Case for it.', null=True)),
            ],
            options={
                'ordering': ['pk'],
            },
        ),
        migrations.CreateModel(
            name='DeliverySkip',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('at', models.DateTimeField()),
                ('actor', models.CharField(help_text="`user:7`, or `command:` and the operating system's user.", max_length=80)),
                ('reason', models.CharField(max_length=300)),
            ],
            options={
                'verbose_name_plural': 'delivery skips',
                'ordering': ['-pk'],
            },
        ),
        migrations.AddField(
            model_name='delivery',
            name='error_fingerprint',
            field=models.CharField(blank=True, db_default='', default='', help_text='Equal for equal errors; empty without one.', max_length=16),
        ),
        migrations.AddField(
            model_name='delivery',
            name='ordering_key',
            field=models.CharField(blank=True, db_default='', default='', help_text="Its event's.", max_length=40),
        ),
        migrations.AddField(
            model_name='delivery',
            name='skipped_at',
            field=models.DateTimeField(blank=True, help_text='When a person let later ones pass this dead one (DeliverySkip).', null=True),
        ),
        migrations.AddField(
            model_name='destination',
            name='disabled_at',
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name='destination',
            name='disabled_reason',
            field=models.CharField(blank=True, db_default='', default='', max_length=300),
        ),
        migrations.AddField(
            model_name='destination',
            name='ordered',
            field=models.BooleanField(db_default=False, default=False, help_text='A later fact about the same order waits until the receiver has confirmed the earlier one.'),
        ),
        migrations.AddField(
            model_name='outboxevent',
            name='ordering_key',
            field=models.CharField(blank=True, db_default='', default='', help_text='Facts of one key are in order: `order:1042`.', max_length=40),
        ),
        migrations.AddConstraint(
            model_name='delivery',
            constraint=models.CheckConstraint(condition=models.Q(('state', 'dead'), ('skipped_at__isnull', True), _connector='OR'), name='delivery_skipped_is_dead'),
        ),
        migrations.AddField(
            model_name='breaker',
            name='destination',
            field=models.OneToOneField(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='breaker', to='integrations.destination'),
        ),
        migrations.AddField(
            model_name='deliveryskip',
            name='delivery',
            field=models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='skips', to='integrations.delivery'),
        ),
        migrations.AddConstraint(
            model_name='breaker',
            constraint=models.CheckConstraint(condition=models.Q(('state__in', ['closed', 'open', 'half_open', 'paused'])), name='breaker_state_known'),
        ),
        migrations.AddConstraint(
            model_name='breaker',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('destination__isnull', False), ('provider', '')), models.Q(('destination__isnull', True), models.Q(('provider', ''), _negated=True)), _connector='OR'), name='breaker_of_one'),
        ),
        migrations.AddConstraint(
            model_name='breaker',
            constraint=models.UniqueConstraint(condition=models.Q(('provider', ''), _negated=True), fields=('provider',), name='breaker_once_a_provider'),
        ),
        migrations.AddConstraint(
            model_name='breaker',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('next_probe_at__isnull', False), ('state__in', ['open', 'half_open'])), models.Q(('next_probe_at__isnull', True), ('state__in', ['closed', 'paused'])), _connector='OR'), name='breaker_next_probe_at'),
        ),
        migrations.AddConstraint(
            model_name='breaker',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('state', 'paused'), _negated=True), models.Q(models.Q(('actor', ''), _negated=True), models.Q(('reason', ''), _negated=True)), _connector='OR'), name='breaker_paused_by'),
        ),
        migrations.RunPython(pauses_become_breakers, breakers_become_pauses),
        migrations.RemoveConstraint(
            model_name='destination',
            name='destination_pause_reason',
        ),
        migrations.RemoveField(
            model_name='destination',
            name='pause_reason',
        ),
        migrations.RemoveField(
            model_name='destination',
            name='paused',
        ),
    ]
