"""What hours and days came to (payments/monitoring/period_figures.py), and the rounds of the keeper."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0015_case_notes'),
    ]

    operations = [
        migrations.CreateModel(
            name='KeeperRound',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=40, unique=True)),
                ('first_at', models.DateTimeField()),
                ('begun_at', models.DateTimeField()),
            ],
            options={
                'default_permissions': (),
            },
        ),
        migrations.CreateModel(
            name='PeriodFigures',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('length', models.CharField(choices=[('hour', 'Hour'), ('day', 'Day')], max_length=4)),
                ('starts_at', models.DateTimeField()),
                ('computed_at', models.DateTimeField()),
                ('figures', models.JSONField()),
            ],
            options={
                'verbose_name_plural': 'period figures',
                'ordering': ['length', 'starts_at'],
                'default_permissions': (),
            },
        ),
        migrations.AddConstraint(
            model_name='periodfigures',
            constraint=models.UniqueConstraint(fields=('length', 'starts_at'), name='period_once'),
        ),
    ]
