"""The project's own settings under ENVIRONMENT=test, whatever environment the tests are started from.

The variable is set here because pytest-django loads the settings before any conftest. Processes that a test starts
inherit it.
"""

import os

os.environ["ENVIRONMENT"] = "test"

from config.settings import *  # noqa: F403

WHITENOISE_AUTOREFRESH = True  # finds a file when it is asked for, not all of them whenever a test makes a client
