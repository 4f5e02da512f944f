# Sourced by .ci/run: steps, how long each took, and work that goes on beside them.
#
#   step NAME                 the step before it ends here; its seconds are printed and kept
#   beside NAME COMMAND...    starts COMMAND in the background, its output kept back
#   joined NAME               waits for it; fails, with its output, if it failed
#   steps_end                 all seconds, beside those of the last time that they were recorded
#
# The seconds are kept in $times, a line each: seconds, a tab, name.

times=.build/ci-times.tsv
recorded=.ci/times.tsv
mkdir -p .build
: >"$times"
step_name='' step_begin=0
declare -A beside_pid=() beside_begin=()

steps_close() {
  [ -n "$step_name" ] || return 0
  local seconds=$((SECONDS - step_begin))
  printf '   (%d s)\n' "$seconds"
  printf '%d\t%s\n' "$seconds" "$step_name" >>"$times"
  step_name=''
}

step() {
  steps_close
  step_name=$1 step_begin=$SECONDS
  printf '\n== %s (at %d s)\n' "$1" "$SECONDS"
}

beside() {
  local name=$1
  shift
  beside_begin[$name]=$SECONDS
  (
    begin=$SECONDS status=0
    "$@" || status=$?
    echo $((SECONDS - begin)) >"$work/beside-$name.seconds"
    exit "$status"
  ) >"$work/beside-$name.log" 2>&1 </dev/null &
  beside_pid[$name]=$!
}

joined() {
  local status=0
  wait "${beside_pid[$1]}" || status=$?
  unset "beside_pid[$1]"
  if [ "$status" -ne 0 ]; then
    tail -n 60 "$work/beside-$1.log"
    die "$1 failed with $status"
  fi
  tail -n 4 "$work/beside-$1.log"
  printf '%d\t%s\n' "$(cat "$work/beside-$1.seconds")" "beside others: $1" >>"$times"
}

# For the trap at the end: nothing goes on alone.
steps_stop() {
  local pid
  for pid in "${beside_pid[@]}"; do kill "$pid" 2>/dev/null || true; done
}

steps_end() {
  steps_close
  printf '%d\t%s\n' "$SECONDS" "all" >>"$times"
  printf '\n%8s %10s   step\n' 'seconds' 'recorded'
  awk -F '\t' '
    NR == FNR { before[$2] = $1; next }
    { printf "%8d %10s   %s\n", $1, ($2 in before ? before[$2] : "-"), $2 }' "$recorded" "$times"
}
