"""One index on an event's reference in the place of two: db_index makes a second one for LIKE, which nobody asks."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("payments", "0041_payout_unexplained_entries")]

    operations = [
        migrations.AlterField(
            model_name="providerevent",
            name="reference",
            field=models.CharField(blank=True, max_length=255),
        ),
        migrations.AddIndex(
            model_name="providerevent",
            index=models.Index(fields=["reference"], name="event_reference"),
        ),
    ]
