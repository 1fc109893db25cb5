"""The type of a clock. Only views, tasks and commands read the time; whatever takes long is handed a clock."""

from collections.abc import Callable
from datetime import datetime

Clock = Callable[[], datetime]
