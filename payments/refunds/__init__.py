"""Refunds: asked for by people, found at the provider, followed to their end, posted and told."""
