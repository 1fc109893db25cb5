"""The demo: every process of the service on this machine, with a sandbox provider and a receiver."""
