# The supervisor of one session: takes executions from its FIFO one at a time, hands each to the session's shell, and
# publishes the outcome. It alone decides what runs; everything it is told comes as one line in one FIFO.
#
# At most once: an execution begins when the supervisor creates its .b file exclusively; a line that comes again finds
# the file and does nothing. An outcome is the .s file; the word that goes to waiting lanes only wakes them.
#
# Lines: x HANDLE (execute) - d GEN STATUS (the shell is done) - i GEN FILE (the shell has saved its state and waits) -
# u GEN PID (the shell is up) - z GEN STATUS SIGNALLED (the shell's process ended) - e SLOT, f SLOT (the pipe of stdout,
# of stderr has no writer any more) - m SLOT (what was written is all in the spools) - t SLOT (a moment has passed) -
# y GEN (the login files had their time) - l HANDLE (its limit is reached: end it) - h HANDLE (let it go on without the session) - q (end).

# tl_supervise DIR BASE ONCE: DIR is this session's directory, BASE the one whose saved state to begin with (or -),
# ONCE the handle of the only execution (or -).
tl_supervise() {
  tl_d=$1 tl_base=$2 tl_once=$3
  TL_USER_LC_ALL=${LC_ALL-}
  LC_ALL=C
  umask 077
  cd / || exit 1
  trap '' HUP INT PIPE
  tl_claim_session || exit 0
  tl_gen=0 tl_slot=0 tl_current='' tl_queue='' tl_idle='' tl_ended='' tl_drained='' tl_state='' tl_flags=''
  tl_pipe='' tl_leaving='' tl_ready='' tl_timer='' tl_login=-l tl_login_timer=''
  if [ "$tl_base" != - ]; then tl_last_state "$tl_base"; else tl_last_state "$tl_d"; fi
  if [ "$tl_once" != - ]; then tl_queue=" $tl_once"; fi
  mkfifo "$tl_in" || exit 1
  exec 3<>"$tl_in" </dev/null
  tl_start_shell "$tl_state"
  tl_prepare_slot
  tl_own_pid
  tl_pid=$tl_v
  tl_birth "$tl_pid"
  printf '%s %s %s\n' "$tl_number" "$tl_pid" "$tl_v" >"$tl_d/cur"
  while tl_next_line; do
    tl_take
    tl_step
  done
}

# Only one supervisor can have a number; lanes that start two at once get one.
tl_claim_session() {
  if [ "$tl_once" != - ]; then
    tl_number=1
  else
    tl_number=$TL_NUMBER
  fi
  tl_in=$tl_d/in.$tl_number
  tl_own_pid
  tl_pid=$tl_v
  tl_birth "$tl_pid"
  set -C
  { printf '%s %s\n' "$tl_pid" "$tl_v" >"$tl_d/g.$tl_number"; } 2>/dev/null
  tl_rc=$?
  set +C
  return "$tl_rc"
}

# tl_next_line: reads one line; while an outcome waits for its last output, not longer than a moment.
tl_next_line() {
  tl_word='' tl_1='' tl_2='' tl_3=''
  if [ -n "$tl_ended" ] && [ -n "${BASH_VERSION-}" ] && [ -z "$tl_marked" ]; then
    # shellcheck disable=SC3045 # bash alone comes here
    IFS=' ' read -r -t 0.05 tl_word tl_1 tl_2 tl_3 <&3
    if [ -z "$tl_word" ]; then tl_word=t tl_1=$tl_slot; fi
    return 0
  fi
  IFS=' ' read -r tl_word tl_1 tl_2 tl_3 <&3
}

tl_take() {
  case $tl_word in
    x) tl_queue="$tl_queue $tl_1" ;;
    d)
      if [ "$tl_2" = cwd ]; then tl_v='cwd 0'; else tl_v="exit $tl_2"; fi
      if [ "$tl_1" = "$tl_gen" ]; then tl_on_done "$tl_v" ''; else tl_on_late "$tl_1" "$tl_v"; fi
      ;;
    i)
      if [ "$tl_1" = "$tl_gen" ]; then
        tl_idle=1 tl_state=$tl_d/st.$tl_2
        if [ -z "$tl_ready" ]; then tl_on_ready; fi
      fi
      ;;
    l) (exec 3>&- 4>&- 5>&- 6>&- && tl_stop "$tl_1" TERM >/dev/null) & ;;
    y) if [ "$tl_1" = "$tl_gen" ] && [ -z "$tl_ready" ]; then tl_on_slow_login; fi ;;
    u) if [ "$tl_1" = "$tl_gen" ]; then tl_shell_pid=$tl_2; fi ;;
    z) tl_on_death ;;
    e) if [ "$tl_1" = "$tl_slot" ]; then tl_drained=1; fi ;;
    f) if [ "$tl_1" = "$tl_slot" ]; then tl_drained2=1; fi ;;
    m) if [ "$tl_1" = "$tl_slot" ]; then tl_drained=1 tl_drained2=1; fi ;;
    t) if [ "$tl_1" = "$tl_slot" ] && [ -n "$tl_ended" ] && [ -z "$tl_marked" ]; then tl_hold; fi ;;
    h) if [ "$tl_1" = "$tl_current" ] && [ -z "$tl_ended" ]; then tl_hand_over; fi ;;
    q) tl_leaving=1 ;;
    *) ;;
  esac
}

tl_on_ready() {
  tl_ready=1
  tl_call_off "$tl_login_timer"
  if [ ! -e "$tl_d/cwd" ]; then printf '%s\n' "${HOME:-/}" >"$tl_d/cwd"; fi
  : >"$tl_d/ready"
}

# tl_step: whatever can be done now.
tl_step() {
  if [ -n "$tl_ended" ] && [ -n "$tl_drained" ] && [ -n "$tl_drained2" ]; then
    tl_call_off "$tl_timer"
    tl_publish "$tl_current" "$tl_ended" "$tl_began" "$tl_flags"
    if [ "$tl_once" != - ]; then tl_finish; fi
    tl_current='' tl_ended='' tl_flags='' tl_timer=''
    tl_prepare_slot
  fi
  if [ -n "$tl_leaving" ] && [ -z "$tl_current" ]; then tl_finish; fi
  if [ -n "$tl_idle" ] && [ -z "$tl_current" ]; then tl_begin_next; fi
}

# The session's end: its shell is told to leave, its FIFOs go; what executions left stays until it expires.
tl_finish() {
  exec 4>&-
  tl_call_off "$tl_timer"
  tl_call_off "$tl_login_timer"
  tl_say "$tl_d/c.$tl_gen" 'q q q'
  rm -rf "$tl_d"
  exit 0
}

# --- beginning ---------------------------------------------------------------------------------------------------

tl_begin_next() {
  while [ -n "$tl_queue" ]; do
    tl_queue=${tl_queue# }
    tl_h=${tl_queue%% *}
    case $tl_queue in *' '*) tl_queue=" ${tl_queue#* }" ;; *) tl_queue='' ;; esac
    if tl_begin "$tl_h"; then return 0; fi
  done
}

tl_begin() {
  tl_x=$TL_ROOT/x/$1
  tl_now
  tl_began=$tl_v
  tl_birth "$tl_shell_pid"
  set -C
  { printf '%s\n' "${tl_d##*/} ${tl_spool##*/} $tl_shell_pid ${tl_v:-0} $tl_began $TL_BOOT" >"$tl_x.b"; } 2>/dev/null
  tl_rc=$?
  set +C
  if [ "$tl_rc" -ne 0 ]; then return 1; fi
  tl_c_flags='' tl_limit=0
  { IFS=' ' read -r tl_rest tl_rest tl_rest tl_c_flags tl_limit tl_rest <"$tl_x.c"; } 2>/dev/null
  tl_current=$1 tl_idle=''
  case $tl_c_flags in *e*) tl_prepare_error ;; esac
  if [ "${tl_limit:-0}" -gt 0 ]; then tl_after "$tl_limit" "l $1" && tl_timer=$tl_v; fi
  tl_say "$tl_d/c.$tl_gen" "$1 $tl_pipe $tl_c_flags"
}

# tl_prepare_slot: the next execution's pipe and pump, made before it comes. fd 4 keeps the pipe open so that neither
# the pump nor the shell waits for the other; it is closed when the command is done, and the pump then sees the end.
tl_prepare_slot() {
  exec 4>&-
  tl_slot=$((tl_slot + 1)) tl_drained='' tl_drained2=1 tl_marked='' tl_apart='' tl_pump2_pid=''
  if [ -z "$tl_pipe" ]; then
    tl_pipe=p.$tl_slot
    mkfifo "$tl_d/$tl_pipe" || tl_pipe=''
  fi
  if [ -p "$tl_d/$tl_pipe" ]; then exec 4<>"$tl_d/$tl_pipe"; fi
  tl_spool=$TL_ROOT/o/${tl_d##*/}.$tl_number.$tl_slot
  : >"$tl_spool"
  (
    exec 3>&- 4>&-
    tl_pump "$tl_d/$tl_pipe" "$tl_spool" "$tl_in" "e $tl_slot"
  ) &
  tl_pump_pid=$!
}

# A second pipe and pump, for an execution that keeps standard error apart.
tl_prepare_error() {
  tl_apart=1 tl_drained2=''
  mkfifo "$tl_d/$tl_pipe.e" 2>/dev/null
  exec 5<>"$tl_d/$tl_pipe.e"
  : >"${tl_spool}e"
  (
    exec 3>&- 4>&- 5>&-
    tl_pump "$tl_d/$tl_pipe.e" "${tl_spool}e" "$tl_in" "f $tl_slot"
  ) &
  tl_pump2_pid=$!
}

# tl_after SECONDS WORDS: says WORDS to the supervisor after that time; sets tl_v to a pid that TERM ends without a word.
tl_after() {
  (
    exec 3>&- 4>&- 5>&- 6>&-
    sleep "$1" &
    tl_sleep=$!
    trap 'kill -s TERM "$tl_sleep"; exit 0' TERM
    wait "$tl_sleep"
    tl_say "$tl_in" "$2"
  ) &
  tl_v=$!
}
tl_call_off() {
  if [ -n "$1" ]; then kill -s TERM "$1" 2>/dev/null; fi
}

# --- ending ------------------------------------------------------------------------------------------------------

# tl_on_done OUTCOME FLAGS: the command is over; its last bytes may still be in the pipe. Closing fd 4 lets the pump see
# the end, unless a background job of the command holds the pipe.
tl_on_done() {
  if [ -z "$tl_current" ] || [ -n "$tl_ended" ]; then return 0; fi
  tl_ended=$1 tl_flags=$2
  exec 4>&- 5>&-
  if [ -z "${BASH_VERSION-}" ]; then
    (
      exec 3>&-
      tl_nap
      tl_say "$tl_in" "t $tl_slot"
    ) &
  fi
}

# tl_hold: somebody still holds the pipe. The session leaves this pipe to them, and a process of its own finds out when
# the command's own output is through.
tl_hold() {
  tl_marked=1
  (
    exec 3>&-
    tl_settle "$tl_current" "$tl_d/$tl_pipe" "$tl_spool" "$tl_pump_pid"
    if [ -n "$tl_apart" ]; then tl_settle "$tl_current" "$tl_d/$tl_pipe.e" "${tl_spool}e" "$tl_pump2_pid"; fi
    tl_say "$tl_in" "m $tl_slot"
  ) &
  tl_pipe=''
}

# tl_settle HANDLE FIFO SPOOL PUMP: returns when all that was written into FIFO before this call is in SPOOL: a mark that
# nobody can foresee is put behind it, and is seen to arrive, or the pump has seen the end.
tl_settle() {
  IFS=' ' read -r tl_id tl_rest <"$TL_ROOT/x/$1.c"
  if [ -p "$2" ] && tl_alive_child "$4"; then printf '\036%s\036' "$tl_id" 1<>"$2"; fi
  tl_tries=0
  while tl_alive_child "$4" && [ "$tl_tries" -lt 100 ]; do
    tl_newest=$3
    for tl_f in $(tl_pieces "$3"); do tl_newest=$3.$tl_f; done
    if tail -c 200000 "$tl_newest" | grep -F -q -e "$tl_id"; then break; fi
    tl_tries=$((tl_tries + 1))
    tl_nap
  done
  rm -f "$2"
}
tl_alive_child() {
  tl_birth "$1"
  [ -n "$tl_v" ]
}

# tl_publish HANDLE OUTCOME BEGAN FLAGS: writes the outcome, then wakes whoever waits. A file without its last line, a
# single dot, is not yet there.
tl_publish() {
  tl_now
  tl_cwd='?'
  if [ -r "$tl_d/cwd" ]; then tl_read_cwd "$tl_d/cwd"; fi
  printf '%s %s %s\n%s\n.\n' "$2" "$((tl_v - $3))" "${4:--}" "$tl_cwd" 1<>"$TL_ROOT/x/$1.s"
  tl_wake "$1"
}

# The shell's process ended. If a command was in work, that is its outcome; in any case a new shell takes over from
# the last saved state.
tl_on_death() {
  if [ "$tl_1" != "$tl_gen" ]; then
    tl_outcome_of_death "$(cat "$tl_d/away.$tl_1" 2>/dev/null)"
    tl_on_late "$tl_1" "$tl_v"
    return 0
  fi
  if [ -n "$tl_current" ] && [ -z "$tl_ended" ]; then
    tl_outcome_of_death "$tl_current"
    tl_on_done "$tl_v" r
  elif [ -z "$tl_current" ]; then
    tl_flags=r
  fi
  tl_idle=''
  if [ "$tl_once" = - ]; then tl_start_shell "$tl_state"; fi
}

# tl_outcome_of_death HANDLE...: sets tl_v to the outcome that the shell's death (status tl_2, by a signal if tl_3) is.
tl_outcome_of_death() {
  tl_v="exit $((tl_2 % 256))"
  if [ -n "$tl_3" ]; then tl_v="kill $((tl_2 % 128))"; fi
  if [ -r "$TL_ROOT/x/${1%% *}.k" ]; then
    IFS='' read -r tl_line <"$TL_ROOT/x/${1%% *}.k"
    tl_v="kill $tl_line"
  fi
}

# --- handing over ------------------------------------------------------------------------------------------------

# The command goes on in the shell that runs it; the session goes on in a new one, with its state before the command.
tl_hand_over() {
  printf '%s %s %s %s %s %s %s\n' "$tl_current" "$tl_spool" "$tl_pipe" "$tl_pump_pid" "$tl_began" "${tl_apart:--}" "${tl_pump2_pid:--}" >"$tl_d/away.$tl_gen"
  exec 4>&- 5>&-
  tl_current='' tl_ended='' tl_pipe=''
  tl_start_shell "$tl_state"
  tl_prepare_slot
}

# tl_on_late GENERATION OUTCOME: a command that had been handed over is done.
tl_on_late() {
  if [ ! -r "$tl_d/away.$1" ]; then return 0; fi
  IFS=' ' read -r tl_l_h tl_l_spool tl_l_pipe tl_l_pump tl_l_began tl_l_apart tl_l_pump2 <"$tl_d/away.$1"
  if [ -e "$TL_ROOT/x/$tl_l_h.s" ] || [ -e "$tl_d/late.$1" ]; then return 0; fi
  : >"$tl_d/late.$1"
  (
    exec 3>&- 4>&-
    tl_nap
    tl_settle "$tl_l_h" "$tl_d/$tl_l_pipe" "$tl_l_spool" "$tl_l_pump"
    if [ "$tl_l_apart" != - ]; then tl_settle "$tl_l_h" "$tl_d/$tl_l_pipe.e" "${tl_l_spool}e" "$tl_l_pump2"; fi
    tl_publish "$tl_l_h" "$2" "$tl_l_began" h
    rm -f "$tl_d/away.$1" "$tl_d/late.$1"
  ) &
}

# --- the shell ---------------------------------------------------------------------------------------------------

# tl_last_state DIR: sets tl_state to the newest whole saved state of that session, or to nothing.
tl_last_state() {
  tl_state=''
  for tl_f in "$1"/st.0 "$1"/st.1; do
    if [ -r "$tl_f" ] && [ "$(tail -n 1 "$tl_f")" = '# whole' ]; then
      if [ -z "$tl_state" ] || [ -n "$(find "$tl_f" -newer "$tl_state")" ]; then tl_state=$tl_f; fi
    fi
  done
}

# tl_start_shell STATE: a new shell and the process that waits for it. The shell leads a process session of its own,
# so that `kill 0` in a command ends neither the supervisor nor another session. Its words on stderr, printed by the
# waiting shell, tell a death by a signal from an exit with the same number.
tl_start_shell() {
  tl_gen=$((tl_gen + 1)) tl_shell_pid=''
  mkfifo "$tl_d/c.$tl_gen"
  exec 6<>"$tl_d/c.$tl_gen"
  (
    exec 3>&- 4>&- 5>&- 6>&-
    trap - HUP INT PIPE
    { (tl_become_shell "$1"); } 2>"$tl_d/z.$tl_gen"
    tl_rc=$? tl_signalled=''
    if [ -s "$tl_d/z.$tl_gen" ]; then tl_signalled=s; fi
    rm -f "$tl_d/c.$tl_gen" "$tl_d/z.$tl_gen"
    tl_say "$tl_in" "z $tl_gen $tl_rc $tl_signalled"
  ) &
  if [ -z "$1" ] && [ -n "$tl_login" ]; then tl_after 10 "y $tl_gen" && tl_login_timer=$tl_v; fi
}

# The login files did not come to an end: the shell is started again without them.
tl_on_slow_login() {
  if [ -n "$tl_shell_pid" ]; then kill -s KILL "$tl_shell_pid" 2>/dev/null; fi
  tl_login=''
  tl_flags=l
}

# tl_become_shell STATE: the user's shell with its login environment, or with a saved state and nothing else.
# The program that it runs is the second half of this file's text, read by the shell itself.
tl_become_shell() {
  umask "$TL_UMASK"
  if [ -n "$TL_USER_LC_ALL" ]; then LC_ALL=$TL_USER_LC_ALL; else unset LC_ALL; fi
  tl_own_pid
  tl_say "$tl_in" "u $tl_gen $tl_v"
  # shellcheck disable=SC2016 # expanded by the session's shell
  tl_loader='eval "$(cat -- "$1")"'
  cd "${HOME:-/}" 2>/dev/null || cd /
  tl_name=${TL_USER_SHELL##* }
  set -- "${tl_name##*/}" "$TL_PROGRAM.shell" "$tl_d" "$tl_in" "$tl_gen" "$1" "$tl_once" "$TL_ROOT"
  # shellcheck disable=SC2086 # the shell may be several words
  if [ -n "$6" ]; then set -- env -i $TL_USER_SHELL -c "$tl_loader" "$@"; else set -- $TL_USER_SHELL $tl_login -c "$tl_loader" "$@"; fi
  tl_apart "$@" </dev/null >/dev/null 2>&1
}
