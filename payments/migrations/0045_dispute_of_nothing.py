"""A provider may lower a dispute to 0: it is followed as before."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0005_search_indexes'),
        ('payments', '0044_bank_line_corrected'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='dispute',
            name='dispute_amount_positive',
        ),
        migrations.AddConstraint(
            model_name='dispute',
            constraint=models.CheckConstraint(condition=models.Q(('amount_minor__gte', 0)), name='dispute_amount_not_negative'),
        ),
    ]
