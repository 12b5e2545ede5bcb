#!/bin/bash
# Runs every test: those of the lab, which wait for Slurm most of their time, and beside them the
# others, whose output comes last. Usage: test.sh [PYTEST-OPTION...]
set -euo pipefail
cd "$(dirname "$0")/.."
python=$(scripts/venv-path.sh)/bin/python
log=$(mktemp)
others=

# shellcheck disable=SC2317 # the trap calls it
clean_up() {
  if [[ -n $others ]]; then
    kill "$others" 2>/dev/null || true
    wait "$others" || true
  fi
  rm -f "$log"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

nice -n 5 "$python" -m pytest -m 'not lab' "$@" >"$log" 2>&1 &
others=$!
status=0
"$python" -m pytest -m lab "$@" || status=$?
wait "$others" || status=$?
others=
printf '\nThe tests that need no lab:\n'
cat "$log"
exit "$status"
