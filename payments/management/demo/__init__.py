"""The demo: every process of the service on this machine, with stand-ins for the provider and a receiver. Not for production."""
