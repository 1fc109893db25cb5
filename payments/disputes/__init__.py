"""Disputes: followed after the provider, answered with evidence, posted and told."""
