#!/usr/bin/env bash
# Tries .ci/steps.sh in a folder of its own, with work that is made of echo and sleep: within two seconds.
set -euo pipefail
steps=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/steps.sh
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
mkdir .ci
printf '3\tfirst\n' >.ci/times.tsv

# try NAME STATUS PATTERN: a run of the script on stdin must end so, and print such a line.
try() {
  local status=0
  { cat <<'START'
set -euo pipefail
die() { echo "error: $*" >&2; exit 1; }
work=$PWD
. "$1"
trap steps_stop EXIT
START
    cat
  } >script
  timeout 20 bash script "$steps" >out 2>&1 </dev/null || status=$?
  [ "$status" -eq "$2" ] && grep -q -e "$3" out || { cat out; echo "error: $1: $status instead of $2, or no line like $3"; exit 1; } >&2
}

# gone FILE: the processes whose ids it has are no more, or dead and only not asked for yet.
gone() {
  local pid
  [ -s "$1" ] || { echo "error: $1 has no process" >&2; exit 1; }
  while read -r pid; do
    for _ in {1..20}; do grep -qs '^State:.[^Z]' "/proc/$pid/status" && sleep 0.05 || continue 2; done
    echo "error: process $pid of $1 goes on alone" >&2
    exit 1
  done <"$1"
}

try "all is well" 0 ' 3   first$' <<'RUN'
step first
beside "a b: c" echo done
joined "a b: c"
steps_end
RUN
try "a failure in the middle of a function" 1 '^error: work failed with 7' <<'RUN'
work() { echo before; (exit 7); echo after; }
step first
beside work work
joined work
RUN
! grep -q after out || { cat out; echo "error: work went on after its failure"; exit 1; } >&2
try "never joined" 1 '^error: never joined: idle; ' <<'RUN'
beside idle true
steps_end
RUN
try "joined twice" 1 '^error: nothing goes on that is called idle' <<'RUN'
beside idle true
joined idle
joined idle
RUN
try "a failure while others go on" 1 '^error: enough' <<'RUN'
others() {
  sleep 60 &
  echo $! >>pids
  bash -c 'echo $$ >>pids; kill -STOP $$; sleep 60' &
  (trap : TERM HUP; echo $BASHPID >>pids; touch ready; while :; do sleep 60 || :; done)
}
beside others others
until [ -e ready ]; do sleep 0.01; done
die enough
RUN
gone pids
rm ready pids
try "ended from outside" 143 '^ended' <<'RUN'
beside others bash -c 'sleep 60 & echo $! >pids; touch ready; wait'
until [ -e ready ]; do sleep 0.01; done
echo ended
kill $$
wait
RUN
gone pids
echo "steps: failures are seen, and nothing goes on alone"
