#!/bin/sh
# Creates a virtual environment at $1 and replaces what is there. Uses the first Python from 3.12 on that runs, else uv.
set -eu

new_enough='import sys; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 15))'
incomplete=
for python in python3.13 python3.12 python3.14 python3; do
  if command -v "$python" >/dev/null 2>&1 && "$python" -c "$new_enough" >/dev/null 2>&1; then
    if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then
      exec "$python" -m venv --clear "$1"
    fi
    incomplete=${incomplete:-$python}
  fi
done
if command -v uv >/dev/null 2>&1; then
  rm -rf "$1"
  exec uv venv --quiet --seed --python 3.12 "$1"
fi
if [ "$incomplete" ]; then
  echo "$incomplete lacks its venv module. On Debian and Ubuntu: apt install $incomplete-venv" >&2
  exit 1
fi
found=$(python3 --version 2>/dev/null || echo "no Python")
echo "Jobs UI needs Python 3.12, 3.13 or 3.14, and this machine has $found. Install one, or uv, and try again." >&2
exit 1
