"""A process that uses the embedded server of the checkout argv[1], as the account argv[2], until its stdin closes.

It prints one line of JSON: its view of the server, or the error. With `fork` as argv[3] it forks a child that ends
at once through sys.exit(), as a gunicorn worker does, before it prints; with `orphan`, it ends and the child waits.
"""

import json
import os
import pwd
import sys
from pathlib import Path

from config import postgres


def main() -> None:
    base_dir, account, manner = Path(sys.argv[1]), sys.argv[2], (sys.argv[3:] or ["plain"])[0]
    if account != pwd.getpwuid(os.geteuid()).pw_name:
        entry = pwd.getpwnam(account)  # after the imports: this Python may lie where the account cannot go
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    try:
        address = postgres.ensure_running(base_dir)
    except postgres.EmbeddedPostgresError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    if manner == "fork" and _fork_and_wait() == 0:
        sys.exit()
    if manner == "orphan" and os.fork() > 0:
        sys.exit()
    report = {"pid": postgres.postmaster_pid(base_dir), "app": address.app, "owner": address.owner}
    print(json.dumps({**report, "me": os.getpid()}), flush=True)
    sys.stdin.read()


def _fork_and_wait() -> int:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
    return child


if __name__ == "__main__":
    main()
