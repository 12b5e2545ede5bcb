#!/bin/bash
# Stands before one of Slurm's commands in the lab: writes down that it was called, and waits
# where the file `stop` beside it says: a line like "before pin" or "after sbatch".
here=${0%/*} name=${0##*/}
case $name:$# in
  scontrol:0) step=pin ;; # its updates come from standard input
  scontrol:*) step=$1 ;;
  squeue:*) step=squeue$(($(grep -c ^squeue "$here/calls") + 1)) ;;
  *) step=$name ;;
esac
echo "$name $*" >>"$here/calls"

wait_here() {
  [[ -e $here/stop && $(<"$here/stop") == "$1 $step" ]] || return
  mv "$here/stop" "$here/reached"
  while [[ -e $here/reached ]]; do sleep 0.02; done
}

wait_here before
[[ -e $here/stop && $(<"$here/stop") == "after $step" ]] || exec "/usr/bin/$name" "$@"
"/usr/bin/$name" "$@"
status=$?
wait_here after
exit "$status"
