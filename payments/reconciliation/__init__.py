"""Reconciliation: a provider's lists against our rows, in both directions. A list is a hint; a look confirms it.

`plan.py` begins or takes up a run, `walking.py` reads both sides a page at a time, `comparing.py` judges,
`confirming.py` looks, `telling.py` tells a person, `schedule.py` does it in slices by the workers.
"""
