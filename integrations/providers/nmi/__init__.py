"""NMI over its classic payment API and its query API, with Collect.js on a page of ours."""

from integrations.providers.nmi.adapter import NmiProvider

__all__ = ["NmiProvider"]
