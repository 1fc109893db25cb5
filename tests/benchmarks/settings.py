"""The service's own settings, with the null views among its addresses."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "tests.benchmarks.urls"
