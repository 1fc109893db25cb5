"""Local stand-ins of the payment providers' HTTP APIs and hosted pay pages.

One process per provider on loopback, started by `python -m integrations.sandbox`. It knows nothing of Django, orders or
payments, and nothing in the shop imports it except the control client (`control.py`), which tests, the demo and the
`trigger` command use. It refuses to start in production.
"""
