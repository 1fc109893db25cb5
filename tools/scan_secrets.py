"""Looks for secrets in every file of the repository, or in the files named; exit code 3 if there are any.

The detectors are those of detect-secrets with a distinct shape, its entropy detectors (lock files and drawings aside)
and, for keys of the providers, patterns of our own. Test keys (`sk_test_…`) are no secrets. A false find is marked
where it stands, with its reason: `# pragma: allowlist secret`.
"""

import subprocess
import sys
from pathlib import Path

from detect_secrets.core.secrets_collection import SecretsCollection
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).resolve().parent.parent
SHAPES = (
    "ArtifactoryDetector", "AWSKeyDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector",
    "GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector",
    "OpenAIDetector", "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector",
    "SquareOAuthDetector", "StripeDetector", "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip
TEST_KEY = r"^(?:(?:sk|rk|pk)_test_|whsec_test)"
PLACEHOLDER = r"^(?:password|secret|hidden|…)$"  # as in `postgresql://role:password@host`
SETTINGS = {
    "plugins_used": [
        *({"name": name} for name in SHAPES),
        {"name": "Base64HighEntropyString", "limit": 4.5},
        {"name": "HexHighEntropyString", "limit": 3.0},
        {"name": "ProviderKeyDetector", "path": (ROOT / "tools" / "provider_keys.py").as_uri()},
    ],
    "filters_used": [
        {"path": "detect_secrets.filters.allowlist.is_line_allowlisted"},
        {"path": "detect_secrets.filters.heuristic.is_sequential_string"},
        {"path": "detect_secrets.filters.heuristic.is_potential_uuid"},
        {"path": "detect_secrets.filters.heuristic.is_templated_secret"},
        {"path": "detect_secrets.filters.regex.should_exclude_secret", "pattern": [TEST_KEY, PLACEHOLDER]},
    ],
}
NOT_READ = {"requirements.txt", "requirements-dev.txt"}  # hashes throughout; compiled by `make lock`
BINARY = {".png", ".jpg", ".ico", ".woff2", ".mo", ".gz", ".xlsx"}


def scan(files: list[Path]) -> list[str]:
    """Return one line a find: file, line, kind; never the secret."""
    found = SecretsCollection()
    with transient_settings(SETTINGS):
        for file in files:
            found.scan_file(str(file))
    return [f"{file}:{secret.line_number}: {secret.type}" for file, secret in found]


def repository_files() -> list[Path]:
    """Return what git tracks or would add; the lock files and pictures aside."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    paths = [ROOT / name for name in listing.stdout.split("\0") if name and name not in NOT_READ]
    return [path for path in paths if path.suffix not in BINARY and path.is_file()]


def main(arguments: list[str]) -> int:
    """Scan the files named, or else the repository."""
    finds = scan([Path(name) for name in arguments] or repository_files())
    for find in finds:
        print(find, file=sys.stderr)
    if finds:
        print(f"{len(finds)} secrets: take them out, and change them at their issuer.", file=sys.stderr)
    return 3 if finds else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
