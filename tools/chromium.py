"""Finds the Chromium that the browser tests drive. Run as a program, it says what to install if there is none."""

import shutil
import sys

HEADLESS = "chromium-headless-shell"
"""Debian's Chromium without windows: the same engine for a third less of the processor's time."""
NAMES = (HEADLESS, "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MACOS = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"


def find() -> str | None:
    """Return the path of a Chromium, or None."""
    for name in (*NAMES, MACOS):
        path = shutil.which(name)
        if path:
            return path
    return None


def main() -> int:
    """Exit code 0 if there is one, 1 if not."""
    if find():
        return 0
    print(
        "\nThe browser tests were SKIPPED: there is no Chromium here. To run them too, on Debian, as root:\n"
        f"    apt install {HEADLESS}\n"
        "or, where there is no such package: apt install chromium\n",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
