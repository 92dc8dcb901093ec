"""Django's deployment check with the settings of a server behind TLS."""

import os
import subprocess
import sys
import tempfile

with tempfile.TemporaryDirectory() as data:
    production = {
        "JOBSUI_DATA_DIR": data,
        "ALLOWED_HOSTS": "jobs.example.com",
        "CSRF_TRUSTED_ORIGINS": "https://jobs.example.com",
        "DEBUG": "off",
    }
    command = [
        sys.executable,
        "manage.py",
        "check",
        "--deploy",
        "--fail-level",
        "WARNING",
    ]
    sys.exit(
        subprocess.run(command, check=False, env=os.environ | production).returncode
    )
