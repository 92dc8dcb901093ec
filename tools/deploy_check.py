"""Runs Django's deployment check with the settings of a server behind TLS."""

import os
import subprocess
import sys
import tempfile

COMMAND = (
    sys.executable,
    "manage.py",
    "check",
    "--deploy",
    "--fail-level=WARNING",
)


def main() -> int:
    with tempfile.TemporaryDirectory() as data:
        production = {
            "JOBSUI_DATA_DIR": data,
            "ALLOWED_HOSTS": "jobs.example.com",
            "CSRF_TRUSTED_ORIGINS": "https://jobs.example.com",
            "DEBUG": "off",
        }
        environment = os.environ | production
        return subprocess.run(COMMAND, check=False, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
