"""How NMI says no: `response=3` with a sentence and a REFID, all with HTTP 200."""

from __future__ import annotations

import secrets

REQUEST_REJECTED = 300


class Refused(Exception):
    """The request was not executed. `code` is NMI's response code."""

    def __init__(self, text: str, *, code: int = REQUEST_REJECTED) -> None:
        super().__init__(text)
        self.code = code
        self.text = f"{text} REFID:{secrets.randbelow(10**10):010d}"
        # What the control API shows of it.
        self.status = 400
