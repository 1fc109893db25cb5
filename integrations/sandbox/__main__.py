"""`python -m integrations.sandbox --provider stripe --state-dir DIR …`: starts one provider's stand-in on loopback.

Prints one JSON line with the address when it is ready. Exit codes: 0 stopped, 2 usage or refused in production, 5 the
state directory is in use.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from integrations.sandbox.process import PROVIDERS, Options, Sandbox
from integrations.sandbox.store import StateInUse
from integrations.sandbox.webhooks import NotLoopback

EXIT_USAGE = 2
EXIT_REFUSED = 5


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m integrations.sandbox", description=__doc__)
    parser.add_argument("--provider", choices=tuple(PROVIDERS), required=True)
    parser.add_argument("--host", default="127.0.0.1", help="only 127.0.0.1 is accepted")
    parser.add_argument("--port", type=int, default=0, choices=range(65536), metavar="PORT", help="0 picks a free one")
    parser.add_argument("--state-dir", type=Path, required=True)
    parser.add_argument("--webhook-url")
    parser.add_argument("--webhook-secret", action="append", default=[], help="repeat it to sign with several")
    parser.add_argument("--webhook-retry-seconds", help="comma list of pauses between attempts, e.g. 1,5,30")
    parser.add_argument("--webhook-workers", type=int, default=4)
    parser.add_argument("--account")
    parser.add_argument("--clock-offset", type=int, help="seconds added to real time")
    parser.add_argument("--exit-with-stdin", action="store_true", help="stop when standard input closes (parent gone)")
    return parser


def _options(arguments: argparse.Namespace) -> Options:
    pauses = arguments.webhook_retry_seconds
    return Options(
        provider=arguments.provider,
        port=arguments.port,
        state_dir=arguments.state_dir,
        webhook_url=arguments.webhook_url,
        webhook_secrets=arguments.webhook_secret,
        account=arguments.account,
        clock_offset_seconds=arguments.clock_offset,
        webhook_retry_seconds=None if pauses is None else [float(pause) for pause in pauses.split(",") if pause],
        webhook_workers=arguments.webhook_workers,
    )


def _complain(sentence: str) -> None:
    sys.stderr.write(f"{sentence}\n")


def main(argv: list[str] | None = None) -> int:
    """Runs until SIGTERM or SIGINT."""
    arguments = _parser().parse_args(argv)
    if os.environ.get("ENVIRONMENT", "").strip().lower() == "production":
        _complain("The sandbox refuses to start: ENVIRONMENT is production. It stands in for a payment provider.")
        return EXIT_USAGE
    if arguments.host != "127.0.0.1":
        _complain("The sandbox refuses to start: it listens on 127.0.0.1 only.")
        return EXIT_USAGE
    try:
        sandbox = Sandbox(_options(arguments))
    except StateInUse as error:
        _complain(f"The sandbox refuses to start: another process uses its state ({error}).")
        return EXIT_REFUSED
    except (NotLoopback, ValueError, OSError) as error:
        _complain(f"The sandbox cannot start: {error}")
        return EXIT_USAGE
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sandbox.stop())
    if arguments.exit_with_stdin:
        threading.Thread(target=_stop_with_stdin, args=(sandbox,), daemon=True).start()
    sys.stdout.write(json.dumps({"provider": arguments.provider, "url": sandbox.url}) + "\n")
    sys.stdout.flush()
    sandbox.serve()
    return 0


def _stop_with_stdin(sandbox: Sandbox) -> None:
    while sys.stdin.buffer.read(4096):
        pass
    sandbox.stop()


if __name__ == "__main__":
    sys.exit(main())
