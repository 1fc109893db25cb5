"""How near a dispute's deadline was when staff were last told of it."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('payments', '0035_refund_guards'),
    ]

    operations = [
        migrations.AddField(
            model_name='dispute',
            name='deadline_told_days',
            field=models.SmallIntegerField(blank=True, editable=False, help_text='How near its deadline was when staff were last told.', null=True),
        ),
    ]
