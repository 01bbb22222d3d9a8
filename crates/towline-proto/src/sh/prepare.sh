# What a supervisor has ready before an execution comes, and what it adds for one that needs more: pipes, spools, pumps, timers.

# tl_prepare: what the next execution needs, made before it comes. A pipe that nobody holds any more is used again; a spool
# never, since a record names it.
tl_prepare() {
  if [ -n "$tl_pump_pid" ]; then exec 5>&- 7>&- 8>&-; fi
  tl_slot=$((tl_slot + 1)) tl_drained='' tl_drained2=1 tl_marked='' tl_apart='' tl_pump_pid='' tl_pump2_pid='' tl_hurry=''
  if [ -z "$tl_pipe" ]; then tl_make_pipe; fi
  tl_my_spool=$tl_spools.$tl_slot
  if [ -z "$TL_FAST" ]; then tl_pump_it; fi
}
tl_make_pipe() {
  tl_pipe=p.$tl_number.$tl_slot
  if [ -p "$tl_d/$tl_pipe" ] || mkfifo "$tl_d/$tl_pipe"; then
    # shellcheck disable=SC2094 # opened for both first, so that opening it for reading waits for nobody
    exec 5<>"$tl_d/$tl_pipe" 4<"$tl_d/$tl_pipe" 5>&-
  else
    tl_pipe=''
  fi
}

# A pump for the pipe, the only one: two would mix what they read. fd 5 keeps the pipe open until the command is done.
tl_pump_it() {
  tl_hurry=''
  if [ -z "$tl_pipe" ] || [ -n "$tl_pump_pid" ]; then return 0; fi
  exec 5<>"$tl_d/$tl_pipe"
  tl_start_pump "$tl_d/$tl_pipe" "$tl_my_spool" "e $tl_slot"
  tl_pump_pid=$tl_v
  if [ -n "$tl_ended" ]; then exec 5>&-; fi
}

# A second pipe and pump, for an execution that keeps standard error apart.
tl_prepare_error() {
  tl_apart=1 tl_drained2=''
  if [ ! -p "$tl_d/$tl_pipe.e" ]; then mkfifo "$tl_d/$tl_pipe.e"; fi
  # shellcheck disable=SC2094 # as above
  exec 7<>"$tl_d/$tl_pipe.e" 8<"$tl_d/$tl_pipe.e"
  tl_start_pump "$tl_d/$tl_pipe.e" "${tl_my_spool}e" "f $tl_slot"
  tl_pump2_pid=$tl_v
  tl_pump_it
}

# tl_after SECONDS WORDS: says WORDS to the supervisor after that time; sets tl_v to a pid that TERM ends without a word.
tl_after() {
  (
    tl_shut
    sleep "$1" &
    tl_sleep=$!
    trap 'kill -s TERM "$tl_sleep"; exit 0' TERM
    wait "$tl_sleep"
    tl_say "$tl_in" "$2"
  ) &
  tl_v=$!
}
tl_call_off() {
  if [ -n "$1" ]; then kill -s TERM "$1"; fi
}
