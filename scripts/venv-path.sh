#!/bin/bash
# Prints where this checkout's virtual environment belongs: .venv, unless a directory above it is
# closed to other users. The lab's users run the product from it, so it must be reachable for them.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd -P)
if [[ -n ${CLUSTER_DOCTOR_VENV-} ]]; then
  printf '%s\n' "$CLUSTER_DOCTOR_VENV"
  exit 0
fi
directory=$root
while :; do
  mode=$(stat -c %a "$directory")
  if ((!(8#$mode & 8#001))); then
    printf '/var/tmp/cluster-doctor-venv-%s-%s\n' "$(id -u)" "$(printf %s "$root" | cksum | cut -d' ' -f1)"
    exit 0
  fi
  [[ $directory == / ]] && break
  directory=$(dirname "$directory")
done
printf '%s/.venv\n' "$root"
