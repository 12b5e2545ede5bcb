#!/bin/bash
# install-debian.sh [PACKAGE...]: installs what is missing of PACKAGE..., or of all that the lab
# and the demo need. Says what it will install first; says nothing when nothing is missing.
# Needs root and Debian 12 or newer, and only then when something is missing.
set -euo pipefail

wanted=("$@")
if ((${#wanted[@]} == 0)); then
  wanted=(
    python3 python3-venv                                    # the product and its environment
    slurmctld slurmd slurmdbd slurm-client                  # the cluster
    munge mariadb-server                                    # its authentication and accounting
    util-linux procps iproute2 mount passwd hostname        # what the lab and its tests call
    shellcheck                                              # what the lint calls
  )
fi

policy=/usr/sbin/policy-rc.d
kept=$policy.before-install-debian

fail() {
  echo "${0##*/}: $1" >&2
  exit 1
}

find_missing() {
  local package
  for package in "${wanted[@]}"; do
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      echo "$package"
  done
}

# "debian 12" and so on; without a number on testing and unstable, which are newer.
distribution() {
  # shellcheck source=/dev/null
  (. /etc/os-release 2>/dev/null && echo "${ID-unknown} ${VERSION_ID-}") || echo unknown
}

# Packages' scripts ask policy-rc.d before they start a daemon; 101 means no (invoke-rc.d(8)).
forbid_daemons() {
  [[ -e $kept || ! -e $policy ]] || mv "$policy" "$kept"
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

restore_policy() {
  rm -f "$policy"
  [[ ! -e $kept ]] || mv "$kept" "$policy"
}

command -v dpkg-query >/dev/null ||
  fail "this is not Debian; install by other means: ${wanted[*]}"
mapfile -t missing < <(find_missing)
((${#missing[@]})) || exit 0

read -r id version < <(distribution)
version=${version:-99}
[[ $id == debian && ${version%%.*} -ge 12 ]] ||
  fail "this is ${id} ${version}, not Debian 12 or newer; missing: ${missing[*]}"
((EUID == 0)) || fail "not root, so nothing was installed; missing: ${missing[*]}"

echo "Installing with apt-get: ${missing[*]} (their daemons are not started)"
trap 'exit 130' INT
trap 'exit 143' TERM HUP
trap restore_policy EXIT
forbid_daemons
export DEBIAN_FRONTEND=noninteractive
apt=(apt-get --quiet=2 --option DPkg::Lock::Timeout=120)
"${apt[@]}" update
"${apt[@]}" install --yes --no-install-recommends "${missing[@]}" >/dev/null # errors go to stderr
