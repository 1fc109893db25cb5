"""A try: one time the shopper gave a means of payment on the provider's page."""

from __future__ import annotations

from django.db import models


class PaymentTry(models.Model):
    """What the provider told of one try, for statistics and suspicious patterns; it moves nothing. Append-only.

    No card data: `method_key` is a keyed hash of the provider's own fingerprint, which says that two tries were made
    with the same card, and nothing else.
    """

    attempt = models.ForeignKey("payments.PaymentAttempt", on_delete=models.PROTECT, related_name="tries")
    provider = models.CharField(max_length=20)
    account = models.CharField(max_length=64)
    try_id = models.CharField(max_length=255, help_text="The provider's id (Stripe: the charge's).")
    at = models.DateTimeField(help_text="The provider's time.")
    seen_at = models.DateTimeField(help_text="When a look first told us of it.")
    succeeded = models.BooleanField()
    decline_reason = models.CharField(max_length=40, blank=True)
    decline_code = models.CharField(max_length=100, blank=True)
    method = models.CharField(max_length=40, blank=True)
    method_key = models.CharField(max_length=32, blank=True)

    class Meta:
        ordering = ["pk"]
        default_permissions = ()
        verbose_name_plural = "payment tries"
        constraints = [models.UniqueConstraint(fields=["provider", "account", "try_id"], name="try_once")]
        indexes = [models.Index(fields=["seen_at"], name="try_seen")]

    def __str__(self) -> str:
        return f"Try {self.try_id} of attempt {self.attempt_id}"
