#!/bin/sh
# faulty FAULTS -- COMMAND...: runs COMMAND, unless the file FAULTS/<node>/<check> names a fault:
# then it acts that out instead. The node and the check come from the runner's environment.
faults=$1
shift 2
fault=
read -r fault 2>/dev/null <"$faults/$CLUSTER_DOCTOR_NODE/$CLUSTER_DOCTOR_CHECK"

case $fault in
'') exec "$@" ;;
fail) exit 194 ;;
warn) exit 193 ;;
skip) exit 195 ;;
exit:*) exit "${fault#exit:}" ;;
hang) exec sleep infinity ;;
deaf-hang)
  trap '' TERM INT HUP
  setsid sleep infinity &
  while :; do sleep 1; done
  ;;
crash) kill -SEGV $$ ;;
flood) exec head --bytes=50000000 /dev/zero ;;
esac
