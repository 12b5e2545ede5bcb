#!/bin/bash
# Makes or refreshes the virtual environment that scripts/venv-path.sh names; does nothing when it is
# up to date. Usage: make-venv.sh
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)
venv=$("$root/scripts/venv-path.sh")
stamp=$(cksum <"$root/pyproject.toml")
if [[ -x $venv/bin/python && $(cat "$venv/.made-from" 2>/dev/null) == "$root $stamp" ]]; then
  exit 0
fi

# Debian's own interpreter: one under somebody's home cannot be run by the lab's users.
for python in /usr/bin/python3 python3; do
  if "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    break
  fi
  python=
done
if [[ -z $python ]]; then
  echo 'make-venv.sh: Python 3.11 or newer with its venv module is missing; apt-get install python3-venv' >&2
  exit 1
fi

echo "Installing Python packages into $venv (about 1.3 GB: chDB, Polars, the tools for the tests)"
umask 022
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --editable "${root}[dev]"
printf '%s\n' "$root $stamp" >"$venv/.made-from"
