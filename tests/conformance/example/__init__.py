"""Acme Pay, a provider that does not exist: a whole adapter of somebody else's, its stand-in, and its stand."""
