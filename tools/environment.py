"""Makes `.venv/` and installs the pinned requirements into it; called by the Makefile with the system's Python.

    python3 tools/environment.py runtime|development

Standard library only, and written so that an old Python can at least read the refusal. Runs that start together wait
for each other. pip runs only when the requirements or the Python have changed since the last time.
"""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "installed.json")
FILES = {"runtime": "requirements.txt", "development": "requirements-dev.txt"}
OLDEST = (3, 11)


def main(wanted):
    """Bring `.venv/` up to date for `wanted`; return 0 if ready, 1 if pip failed, 2 if the machine lacks something."""
    if sys.version_info < OLDEST:
        return refuse(
            "This project needs Python {}.{} or newer; {} is {}.{}.".format(
                *OLDEST, sys.executable, sys.version_info[0], sys.version_info[1]
            )
        )
    lock = os.open(ROOT, os.O_RDONLY)  # the checkout itself: .venv may be made anew, the lock must not go with it
    fcntl.flock(lock, fcntl.LOCK_EX)
    if not works():
        problem = make()
        if problem:
            return refuse(problem)
    return install(wanted)


def works():
    """Say whether `.venv` has a Python new enough, with pip. It breaks when the system's Python is upgraded."""
    probe = "import sys, pip; sys.exit(sys.version_info < {!r})".format(OLDEST)
    try:
        return subprocess.call([PYTHON, "-c", probe], stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def make():
    """Make `.venv`; return what to tell the person if that cannot be done here."""
    try:
        import ensurepip  # noqa: F401
        import venv

        say("Making .venv with Python {}".format(sys.version.split()[0]))
        if os.path.isdir(VENV):
            shutil.rmtree(VENV)
        venv.EnvBuilder(with_pip=True, symlinks=True).create(VENV)
    except (ImportError, subprocess.CalledProcessError):
        return (
            "{} cannot make virtual environments. On Debian and Ubuntu, as root: apt install python3-venv\n"
            "(for a Python that is not the system's own: apt install python{}.{}-venv)".format(
                sys.executable, *sys.version_info[:2]
            )
        )
    return None


def install(wanted):
    """Install the requirements of `wanted`, unless the stamp says that just these are in."""
    pinned = {name: digest(file) for name, file in FILES.items()}
    installed = read_stamp()
    if installed.get(wanted) == pinned[wanted]:
        return 0
    say("Installing {} into .venv (the first time takes a minute or two)".format(FILES[wanted]))
    if os.path.exists(STAMP):
        os.unlink(STAMP)
    # --no-deps: the files hold every dependency. An older pip would resolve one asked for with an extra anew, and stop
    # at the first release that is newer than the pinned one.
    command = [PYTHON, "-m", "pip", "install", "--require-hashes", "--no-deps", "--no-input"]
    command.append("--disable-pip-version-check")
    code = subprocess.call([*command, "--quiet", "--requirement", os.path.join(ROOT, FILES[wanted])])
    if code:
        say("pip could not install {}: see above. It needs the package index, nothing else.".format(FILES[wanted]))
        return 1
    if wanted == "development":
        installed = pinned  # requirements-dev.txt contains the runtime ones, at the same versions
    elif installed.get("development") == pinned["development"]:
        installed["runtime"] = pinned["runtime"]
    else:
        installed = {"runtime": pinned["runtime"]}
    with open(STAMP + ".new", "w") as stream:
        json.dump(installed, stream)
    os.replace(STAMP + ".new", STAMP)
    return 0


def digest(file):
    """Return the SHA-256 of a requirements file, together with what else decides about the right wheels."""
    with open(os.path.join(ROOT, file), "rb") as stream:
        return hashlib.sha256(stream.read() + sysconfig.get_platform().encode()).hexdigest()


def read_stamp():
    """Return what is installed: digests by kind; nothing if that is not known."""
    try:
        with open(STAMP) as stream:
            return json.load(stream)
    except (OSError, ValueError):
        return {}


def say(sentence):
    """Speak on stderr: stdout belongs to the command that follows."""
    print(sentence, file=sys.stderr)


def refuse(sentence):
    """Say what is missing; return the exit code for that."""
    say(sentence)
    return 2


if __name__ == "__main__":
    if sys.argv[1:] not in (["runtime"], ["development"]):
        sys.exit(refuse(__doc__))
    sys.exit(main(sys.argv[1]))
