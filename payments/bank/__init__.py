"""Bank statements: read, brought in, matched with payouts."""
