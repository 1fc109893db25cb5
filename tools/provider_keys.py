"""A detector for detect-secrets: live keys of the payment providers, which its own ones miss or cut short."""

import re

from detect_secrets.plugins.base import RegexBasedDetector


class ProviderKeyDetector(RegexBasedDetector):
    """Stripe's live keys of any length (secret, restricted, organisation) and Square's production tokens."""

    secret_type = "Payment provider key"  # nosec B105
    denylist = (
        re.compile(r"\b(?:sk|rk|sk_org)_live_[0-9A-Za-z]{16,}"),
        re.compile(r"\bwhsec_(?!test)(?=[0-9A-Za-z+/]*[0-9])(?=[0-9A-Za-z+/]*[A-Z])[0-9A-Za-z+/]{32,}"),
        re.compile(r"\b(?:EAAA[0-9A-Za-z_-]{56,}|sq0csp-[0-9A-Za-z_-]{40,})"),
    )
