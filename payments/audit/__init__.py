"""The audit log: written, read, sealed and verified."""
