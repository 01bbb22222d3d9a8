# What is done where a supervisor was lost: whoever waited for its shell leaves word of the end and keeps the output, and the
# supervisor that takes its place finds what is unfinished.
#
# Holds to: an outcome is told with all of its output, or with the word that some of it may be missing. Whether it may is known from the
# record (t: the lost one had begun to take it out of the pipe), from the pump's own file, and from who has had the pipe open.

# tl_testify STATUS SIGNALLED: the supervisor is lost and its shell ended: what the execution in it came to is left in its record. This
# process, which is in the session's directory, alone may have its pipe open: what lies in there is moved on first.
tl_testify() {
  if ! tl_whose "$tl_gen"; then return 0; fi
  if [ -p "$tl_o_pipe" ] && ! tl_pump_of "$tl_o_pipe" "$tl_spool"; then
    tl_start_pump "./$tl_o_pipe" "$tl_spool" 'e -' a
    tl_within 100 tl_pump_of "$tl_o_pipe" "$tl_spool"
  fi
  if [ -n "$tl_raw" ]; then return 0; fi
  # One that never took its command was told of no end by it.
  if [ -e "$tl_d/idle.$tl_gen" ]; then tl_v='never 0'; else tl_outcome_of_death "$tl_h" "$1" "$2"; fi
  tl_append "$TL_ROOT/x/$tl_h" "d $tl_gen $tl_v - ? ."
}

# tl_stand_by STATUS SIGNALLED: a shell's end was told; until its supervisor has heard that, it can be told again from here alone. A
# supervisor that is being ended lets go of its FIFOs a moment before it is dead: a shell that waited leaves in that moment.
tl_stand_by() {
  if [ ! -p "$tl_d/c.$tl_gen" ]; then return 0; fi
  while tl_alive "$tl_pid" "$tl_birth_of_me"; do
    if [ -n "$TL_FAST" ]; then
      # What else lies in there is a command that the shell did not take. The first byte alone with a time limit: one that is over in
      # the middle of a word would leave the rest of it before the next.
      # shellcheck disable=SC3045 # bash alone comes here
      IFS='' read -r -t 1 -N 1 -u 5 tl_line
      # shellcheck disable=SC3045
      if [ -n "$tl_line" ] && IFS='' read -r -N 255 -u 5 tl_rest; then case $tl_line$tl_rest in 'q '*) return 0 ;; esac fi
    else
      tl_nap
      if [ ! -p "$tl_d/c.$tl_gen" ]; then return 0; fi
    fi
  done
  tl_testify "$1" "$2"
  tl_say "$tl_in" "z $tl_gen $1 $2"
}

# tl_let_go GENERATION: whoever stands by may go. Where a read has no time limit, they look whether the FIFO is still there.
tl_let_go() {
  if [ -n "$TL_FAST" ]; then tl_say "$tl_d/c.$1" 'q q q'; else rm -f "$tl_d/c.$1"; fi
}

# tl_adopt: the supervisor before this one was lost. A command that still runs in its shell goes on as if it had been handed
# over; its output is moved on if nobody does, and somebody looks whether its shell lives. One that ended without anybody who
# told is told now; a shell that only waits is told to leave.
tl_adopt() {
  for tl_f in "$tl_d"/u.*; do
    if [ ! -e "$tl_f" ]; then continue; fi
    tl_g=${tl_f##*.}
    if ! tl_whose "$tl_g"; then
      if tl_alive "$tl_o_pid" "$tl_o_start"; then tl_watch "$tl_o_pid" "$tl_o_start"; else rm -f "$tl_d/u.$tl_g" "$tl_d/idle.$tl_g"; fi
      continue
    fi
    # Whoever waited for a shell that is gone is about to say how it ended.
    if [ -z "$tl_raw" ] && ! tl_alive "$tl_o_pid" "$tl_o_start"; then tl_await_word "$tl_h"; fi
    if [ "$tl_state" != running ]; then continue; fi
    tl_adopt_one
    if [ -n "$tl_raw" ]; then tl_on_late "$tl_g" "$tl_raw"; fi
    tl_watch "$tl_o_pid" "$tl_o_start"
  done
}
tl_adopt_one() {
  tl_l_apart=- tl_unsure='' tl_o_held='' tl_o_pump2=0
  if tl_waited_for "$tl_d/u.$tl_g" && [ "$tl_w_pipe" = "$tl_o_pipe" ]; then tl_o_held=1; fi
  tl_adopt_pump "$tl_o_pipe" "$tl_spool"
  tl_l_pump=$tl_o_pump
  case $tl_c_flags in *e*) tl_adopt_pump "$tl_o_pipe.e" "${tl_spool}e" && tl_l_apart=1 tl_o_pump2=$tl_o_pump ;; esac
  if [ -n "$tl_raw" ]; then tl_v=-; else tl_v=h; fi
  if [ -n "$tl_unsure" ]; then tl_v=m${tl_v#-}; fi
  rm -f "$tl_d/late.$tl_g"
  printf '%s %s %s %s %s %s %s %s .\n' "$tl_h" "$tl_spool" "$tl_o_pipe" "$tl_l_pump" "$tl_began" "$tl_l_apart" "$tl_o_pump2" "$tl_v" >"$tl_d/away.$tl_g"
  tl_away="$tl_away $tl_g"
}

# tl_adopt_pump PIPE SPOOL: sets tl_o_pump to the pump of this pipe, a new one if need be, and tl_unsure if not all of what was printed
# may come to the spool. A pipe that is gone was seen to its end.
tl_adopt_pump() {
  tl_o_pump=0
  if [ ! -p "$tl_d/$1" ]; then return 0; fi
  if tl_pump_of "$tl_d/$1" "$2"; then
    if tl_pump_lives; then tl_o_pump=$tl_p_pid tl_p_end=end; fi
    if [ "$tl_p_end" = end ]; then
      # A supervisor's own one goes on where that left off; others do not know where that was.
      case $tl_p_by$tl_taken in s* | a) ;; *) tl_unsure=1 ;; esac
      return 0
    fi
    tl_unsure=1
  elif [ -n "$tl_taken" ] || [ -z "$tl_o_held" ]; then
    tl_unsure=1
  fi
  if [ -n "$tl_unsure" ]; then tl_v=u; else tl_v=a; fi
  tl_start_pump "$tl_d/$1" "$2" 'e -' "$tl_v"
  tl_o_pump=$tl_v
}

# tl_watch SHELL START: of generation tl_g. Whoever waits for it tells its end; if nobody does, nobody can. It is told to leave: it may
# wait for its next command, or for the one that was begun and not given to it, or only be about to.
tl_watch() {
  (
    tl_shut
    if [ -p "$tl_d/c.$tl_g" ]; then exec 5<>"$tl_d/c.$tl_g" && tl_say "$tl_d/c.$tl_g" 'q q q'; fi
    tl_w_h=$tl_h
    while tl_alive "$1" "$2"; do sleep 1; done
    if [ -n "$tl_w_h" ] && tl_read_record "$tl_w_h" && [ "$tl_state" = running ] && [ -z "$tl_raw" ]; then tl_await_word "$tl_w_h"; fi
    # Told twice is heard once.
    tl_say "$tl_in" "w $tl_g"
  ) &
}

# w GEN: the shell of a command is gone, and nobody waited for it who could tell how it ended.
tl_on_w() {
  if tl_lives "$tl_1"; then return 0; fi
  if [ "$tl_1" = "$tl_gen" ]; then
    if [ -n "$tl_current" ] && [ -z "$tl_ended" ]; then tl_2=lost && tl_on_z; fi
    return 0
  fi
  if [ ! -s "$tl_d/away.$tl_1" ]; then return 0; fi
  IFS=' ' read -r tl_h tl_rest <"$tl_d/away.$tl_1"
  tl_read_record "$tl_h"
  tl_on_late "$tl_1" "${tl_raw:-lost supervisor}"
}
