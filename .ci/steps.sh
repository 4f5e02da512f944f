# Sourced by .ci/run: steps, how long each took, and work that goes on beside them. .ci/test_steps.sh tries it.
#
#   step NAME                 the step before it ends here; its seconds are printed and kept
#   beside NAME COMMAND...    starts COMMAND in the background, its output kept back
#   joined NAME               waits for it; fails, with its output, if it failed
#   steps_end                 all seconds, beside those of the last time that they were recorded; fails if something was not joined
#   steps_stop                ends what goes on beside, with all that it started: for the trap at the end
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
  [ -z "${beside_pid[$name]:-}" ] || die "$name goes on already"
  # A process group of its own, so that all that it starts can be ended.
  set -m
  (
    begin=$SECONDS
    # Not with ||, or a function would go on after a failure in its middle.
    "$@"
    echo $((SECONDS - begin)) >"$work/beside-$name.seconds"
  ) >"$work/beside-$name.log" 2>&1 </dev/null &
  beside_pid[$name]=$!
  set +m
}

joined() {
  local pid=${beside_pid[$1]:-} status=0
  [ -n "$pid" ] || die "nothing goes on that is called $1"
  wait "$pid" || status=$?
  unset "beside_pid[$1]"
  # What it has left behind.
  kill -KILL -- "-$pid" 2>/dev/null || true
  if [ "$status" -ne 0 ]; then
    tail -n 60 "$work/beside-$1.log"
    die "$1 failed with $status"
  fi
  tail -n 4 "$work/beside-$1.log"
  printf '%d\t%s\n' "$(cat "$work/beside-$1.seconds")" "beside others: $1" >>"$times"
}

steps_stop() {
  local pid
  for pid in "${beside_pid[@]}"; do kill -TERM -- "-$pid" 2>/dev/null || true; done
  # A second for traps. What is stopped or does not listen is killed.
  for pid in "${beside_pid[@]}"; do
    for _ in {1..20}; do kill -0 -- "-$pid" 2>/dev/null && sleep 0.05 || break; done
    kill -KILL -- "-$pid" 2>/dev/null || true
  done
}

steps_end() {
  [ ${#beside_pid[@]} -eq 0 ] || die "never joined: $(printf '%s; ' "${!beside_pid[@]}")"
  steps_close
  printf '%d\t%s\n' "$SECONDS" "all" >>"$times"
  printf '\n%8s %10s   step\n' 'seconds' 'recorded'
  awk -F '\t' '
    NR == FNR { before[$2] = $1; next }
    { printf "%8d %10s   %s\n", $1, ($2 in before ? before[$2] : "-"), $2 }' "$recorded" "$times"
}
