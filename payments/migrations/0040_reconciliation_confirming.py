"""What a run is asking about is kept, so that a kill in between loses no finding."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0039_event_readings'),
    ]

    operations = [
        migrations.AddField(
            model_name='reconciliationrun',
            name='confirming',
            field=models.JSONField(blank=True, help_text='What is being asked about: told by whoever goes on, if this process dies.', null=True),
        ),
    ]
