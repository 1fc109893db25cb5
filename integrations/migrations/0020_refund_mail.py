"""There is a mail for a refund that succeeded."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('integrations', '0019_two_indexes_less'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='destination',
            name='destination_mail_has_templates',
        ),
        migrations.AddConstraint(
            model_name='destination',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind', 'mail'), _negated=True), ('facts__contained_by', ['attempt.failed', 'order.cancelled', 'order.expired', 'order.paid', 'order.placed', 'refund.succeeded']), _connector='OR'), name='destination_mail_has_templates', violation_error_message='There are mails for attempt.failed, order.cancelled, order.expired, order.paid, order.placed, refund.succeeded only.'),
        ),
    ]
