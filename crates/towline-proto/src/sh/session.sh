# A session's shells: how one is started and restored, what its death means, a command that leaves it, a copy beside it.

# tl_last_state DIR: sets tl_state_file to the newest whole saved state of that session, or to nothing.
tl_last_state() {
  tl_state_file='' tl_highest=-1
  for tl_f in "$1"/st.0 "$1"/st.1; do
    if [ ! -r "$tl_f" ]; then continue; fi
    IFS='' read -r tl_line <"$tl_f"
    tl_line=${tl_line#_tl_seq=}
    case $tl_line in '' | *[!0-9]*) continue ;; esac
    if [ "$tl_line" -gt "$tl_highest" ] && grep -q -x -e "return 0 # whole $tl_line" "$tl_f"; then tl_highest=$tl_line tl_state_file=$tl_f; fi
  done
}

# tl_start_shell STATE: a new shell and the process that waits for it. The shell leads a process session of its own,
# so that `kill 0` in a command ends neither the supervisor nor another session. Its words on stderr, printed by the
# waiting shell, tell a death by a signal from an exit with the same number. The waiting process keeps the pipe's reading
# end, so that a command whose supervisor is lost can go on printing.
tl_start_shell() {
  tl_gen=$((tl_gen + 1)) tl_shell_pid=0 tl_shell_start=0
  if [ ! -p "$tl_d/c.$tl_gen" ]; then mkfifo "$tl_d/c.$tl_gen"; fi
  exec 6<>"$tl_d/c.$tl_gen"
  (
    exec 3>&- 5>&- 6>&- 7>&-
    # From here on it stays in this directory: another session may come up in its place.
    cd "$tl_d" || { kill -s TERM "$tl_pid" && exit 0; }
    trap - HUP INT QUIT PIPE
    exec 2>"$tl_d/z.$tl_gen"
    case ${KSH_VERSION-} in
      *93*)
        # Its subshells are no processes, unless they run beside.
        (tl_become_shell "$1") &
        wait "$!"
        ;;
      *) (tl_become_shell "$1") ;;
    esac
    tl_rc=$? tl_by='' tl_address=$tl_d tl_d=. tl_in=in
    if [ -s "z.$tl_gen" ]; then tl_by=signal; fi
    # Open before anything is said, so that what is answered is not lost.
    if [ -n "$TL_FAST" ] && [ -p "c.$tl_gen" ]; then exec 5<>"c.$tl_gen"; fi
    if ! tl_alive "$tl_pid" "$tl_birth_of_me"; then tl_testify "$tl_rc" "$tl_by"; fi
    # Where the whole state was removed, the supervisor waits for words that nobody can send any more.
    if ! tl_say "$tl_in" "z $tl_gen $tl_rc $tl_by" && [ ! -d "$tl_address" ] && tl_alive "$tl_pid" "$tl_birth_of_me"; then kill -s TERM "$tl_pid"; fi
    tl_stand_by "$tl_rc" "$tl_by"
    # All that a copy had goes with it.
    if [ "$tl_once" = - ]; then rm -f "c.$tl_gen" "z.$tl_gen"; fi
  ) &
  if [ -z "$1" ] && [ -n "$tl_login" ]; then tl_after 10 "y $tl_gen.$tl_pid" && tl_login_timer=$tl_v; fi
}

# tl_become_shell STATE: the user's shell with its login environment, or with a saved state and nothing else.
# The program that it runs is the text in shell.sh, read by the shell itself.
tl_become_shell() {
  exec 4>&-
  # Whoever comes in the place of a supervisor that is lost looks for its shells: none comes up after that.
  tl_alive "$tl_pid" "$tl_birth_of_me" || exit 0
  umask "$TL_UMASK"
  tl_own_birth
  tl_own=$tl_me tl_own_start=$tl_v tl_w_pid=$tl_parent
  tl_birth "$tl_w_pid"
  printf '%s %s %s %s %s .\n' "$tl_own" "$tl_own_start" "${tl_w_pid:--}" "${tl_v:--}" "${tl_pipe:--}" >"$tl_d/u.$tl_gen"
  tl_say "$tl_in" "u $tl_gen $tl_own $tl_own_start"
  if [ -n "$TL_USER_LC_ALL" ]; then LC_ALL=$TL_USER_LC_ALL; else unset LC_ALL; fi
  # shellcheck disable=SC2016 # expanded by the session's shell
  case ${TL_USER_SHELL##*/} in bash) tl_loader="IFS='' read -r -d '' _tl_l <\"\$1\"; eval \"\$_tl_l\"" ;; *) tl_loader='eval "$(cat -- "$1")"' ;; esac
  cd "${HOME:-/}" 2>/dev/null || cd /
  tl_name=${TL_USER_SHELL##* }
  set -- "${tl_name##*/}" "$TL_PROGRAM.shell" "$tl_d" "$tl_in" "$tl_gen" "$1" "$tl_once" "$TL_ROOT"
  # shellcheck disable=SC2086 # the shell may be several words
  if [ -n "$6" ] && [ -n "$TL_FAST" ] && command -v setsid >/dev/null 2>&1; then
    # shellcheck disable=SC2086,SC3038 # as below; bash alone has -c
    exec -c setsid $TL_USER_SHELL -c "$tl_loader" "$@" </dev/null >/dev/null 2>&1
  fi
  # shellcheck disable=SC2086 # the shell may be several words
  if [ -n "$6" ]; then set -- env -i $TL_USER_SHELL -c "$tl_loader" "$@"; else set -- $TL_USER_SHELL $tl_login -c "$tl_loader" "$@"; fi
  # What most shells start beside themselves ignores two signals, and no shell can undo that for what it becomes.
  if [ -z "${BASH_VERSION-}" ]; then
    if env --default-signal=HUP,INT,QUIT,PIPE true 2>/dev/null; then
      set -- env --default-signal=HUP,INT,QUIT,PIPE "$@"
    elif perl -e 1 2>/dev/null; then
      # shellcheck disable=SC2016 # perl's own variables
      set -- perl -e '$SIG{$_} = "DEFAULT" for qw(HUP INT QUIT PIPE); exec @ARGV' "$@"
    fi
  fi
  tl_apart "$@" </dev/null >/dev/null 2>&1
}

# u GEN PID START: the shell is up.
tl_on_u() {
  if [ "$tl_1" = "$tl_gen" ]; then tl_shell_pid=$tl_2 tl_shell_start=$tl_3; fi
}

# i GEN SLOT: the shell has saved its state in this slot and waits.
tl_on_i() {
  if [ "$tl_1" != "$tl_gen" ]; then return 0; fi
  tl_idle=1 tl_saving='' tl_state_file=$tl_d/st.$tl_2
  if [ -z "$tl_ready" ]; then tl_on_ready; fi
  if [ -n "$tl_copies" ]; then tl_begin_copies; fi
  if [ -n "$tl_queue" ] && [ -z "$tl_current" ]; then tl_begin_next; fi
}
tl_on_ready() {
  tl_ready=1
  tl_call_off "$tl_login_timer"
  tl_read_cwd "$tl_d/cwd" && tl_s_cwd=$tl_cwd
  : >"$tl_d/ready"
}

# y GEN.PID: the login files had their time: the shell is started again without them. A session that was in this place before had another
# supervisor.
tl_on_y() {
  if [ "$tl_1" = "$tl_gen.$tl_pid" ] && [ -z "$tl_ready" ] && [ "$tl_shell_pid" -gt 1 ]; then kill -s KILL "$tl_shell_pid"; fi
}

# z GEN STATUS SIGNALLED: the shell's process ended (STATUS lost: nobody knows how). If a command was in work, that is its outcome; in any case a new shell takes
# over from the last saved state.
tl_on_z() {
  if tl_lives "$tl_1"; then return 0; fi
  tl_g=$tl_1
  if [ "$tl_g" != "$tl_gen" ]; then
    if [ -r "$tl_d/away.$tl_g" ]; then
      IFS=' ' read -r tl_h tl_rest <"$tl_d/away.$tl_g"
      tl_outcome_of_death "$tl_h" "$tl_2" "$tl_3"
      tl_on_late "$tl_g" "$tl_v"
    fi
    tl_let_go "$tl_g"
    return 0
  fi
  if [ -n "$tl_current" ] && [ -z "$tl_ended" ]; then
    if [ "$tl_2" = lost ]; then tl_v='lost supervisor'; else tl_outcome_of_death "$tl_current" "$tl_2" "$tl_3"; fi
    # Nobody else could tell this, were this supervisor lost now.
    if [ -z "$tl_raw" ]; then tl_append "$tl_x" "d $tl_gen $tl_v - ? ."; fi
    tl_flags=r$tl_flags tl_moved='' tl_idle=''
    tl_on_done "$tl_v"
  else
    tl_flags=r$tl_flags
  fi
  tl_let_go "$tl_g"
  tl_idle='' tl_saving=''
  if [ -z "$tl_ready" ]; then tl_on_still_birth; fi
  if [ "$tl_once" = - ] || [ -z "$tl_current" ]; then tl_start_shell "$tl_state_file"; fi
  if [ -n "$tl_copies" ] && [ -n "$tl_ready" ]; then tl_begin_copies; fi
}

# tl_lives GEN: the shell of this generation lives: what is said of its end was meant for a session that was in this place before.
tl_lives() {
  tl_o_pid=''
  IFS=' ' read -r tl_o_pid tl_o_start tl_rest <"$tl_d/u.$1"
  tl_alive "$tl_o_pid" "${tl_o_start-}"
}

# A shell that ended before it was ready: its login files may end it, or its saved state; without both it must come up.
tl_on_still_birth() {
  tl_deaths=$((tl_deaths + 1)) tl_login='' tl_flags=l
  tl_call_off "$tl_login_timer"
  if [ "$tl_deaths" -gt 1 ]; then tl_state_file=''; fi
  if [ "$tl_deaths" -gt 3 ]; then
    for tl_h in $tl_queue $tl_copies; do tl_refuse "$tl_h"; done
    tl_finish
  fi
}

# tl_outcome_of_death HANDLE STATUS SIGNALLED: sets tl_v to the outcome that the shell's death is: by a signal that towline sent,
# by another, or an exit; what the shell said before counts.
tl_outcome_of_death() {
  tl_read_record "$1"
  if [ -n "$tl_signal" ]; then
    tl_v="kill $tl_signal"
  elif [ -n "$tl_raw" ]; then
    tl_v=$tl_raw
  elif [ -n "$3" ]; then
    tl_v="kill $(($2 % 128))"
  else
    tl_v="exit $(($2 % 256))"
  fi
}

# tl_whose GENERATION: sets tl_h to the handle of the execution without an outcome that the shell of this generation began, and tl_o_pipe to
# where it prints.
tl_whose() {
  tl_h='' tl_o_pid=0 tl_o_start=0
  IFS=' ' read -r tl_o_pid tl_o_start tl_rest <"$tl_d/u.$1" || return 1
  # shellcheck disable=SC2013 # the names are our own, without white space
  for tl_f in $(grep -l -e "^b $tl_called [^ ]* $tl_o_pid $tl_o_start " "$TL_ROOT"/x/* 2>/dev/null); do
    if tl_read_record "${tl_f##*/}" && [ "$tl_state" = running ] && [ "$tl_start" = "$tl_o_start" ] && [ "$tl_boot" = "$TL_BOOT" ]; then tl_h=${tl_f##*/}; fi
  done
  [ -n "$tl_h" ] && tl_read_record "$tl_h" && tl_o_pipe=${tl_b_rest#* * * } && tl_o_pipe=${tl_o_pipe%% *}
}

# --- handing over, copying ----------------------------------------------------------------------------------------

# The command goes on in the shell that runs it; the session goes on in a new one, with its state before the command.
tl_hand_over() {
  tl_pump_it
  printf '%s %s %s %s %s %s %s .\n' "$tl_current" "$tl_my_spool" "$tl_pipe" "$tl_pump_pid" "$tl_began" "${tl_apart:--}" "${tl_pump2_pid:--} h" >"$tl_d/away.$tl_gen"
  tl_current='' tl_ended='' tl_output='' tl_pipe='' tl_idle='' tl_timer='' tl_flags='' tl_saving='' tl_away="$tl_away $tl_gen"
  tl_prepare
  tl_start_shell "$tl_state_file"
}

# tl_on_late GENERATION OUTCOME: a command that had been handed over, or taken over, is done.
tl_on_late() {
  if [ ! -s "$tl_d/away.$1" ]; then return 0; fi
  IFS=' ' read -r tl_l_h tl_l_spool tl_l_pipe tl_l_pump tl_l_began tl_l_apart tl_l_pump2 tl_l_flags tl_rest <"$tl_d/away.$1"
  if ! tl_create "$tl_d/late.$1" .; then return 0; fi
  (
    tl_shut
    tl_nap
    tl_unsure=''
    tl_settle "$tl_l_h" "$tl_d/$tl_l_pipe" "$tl_l_spool" "$tl_l_pump"
    if [ "$tl_l_apart" != - ]; then tl_settle "$tl_l_h" "$tl_d/$tl_l_pipe.e" "${tl_l_spool}e" "$tl_l_pump2"; fi
    tl_read_record "$tl_l_h"
    if [ "$tl_state" = running ]; then
      tl_now
      tl_clock=$tl_v
      # Of one that was found when it was over nobody knows how long it took.
      case $tl_l_flags in *h*) tl_took=$((tl_clock - tl_l_began)) ;; *) tl_took=- ;; esac
      case $tl_unsure$tl_l_flags in 1m*) ;; 1*) tl_l_flags=m${tl_l_flags#-} ;; esac
      tl_publish "$tl_l_h" "$2" "$tl_took" "$tl_l_flags" "${tl_nl}s $2 $tl_took $tl_l_flags ${tl_raw_cwd:-?} ."
    fi
    tl_forget_arguments "$tl_l_h"
    rm -f "$tl_d/away.$1" "$tl_d/late.$1" "$tl_d/u.$1" "$tl_d/idle.$1"
    tl_say "$tl_in" "v $1"
  ) &
}

# v GEN: a command that had been handed over is told.
tl_on_v() {
  tl_v=''
  for tl_g in $tl_away; do
    if [ "$tl_g" != "$tl_1" ]; then tl_v="$tl_v $tl_g"; fi
  done
  tl_away=$tl_v
  if [ "$tl_once" != - ]; then tl_leaving=1; fi
  if [ -n "$tl_leaving" ]; then tl_leave; fi
}

# tl_begin_copies: executions beside the session, each in a copy of its state as it is now, under a supervisor of its own.
tl_begin_copies() {
  tl_text=''
  if [ -n "$TL_FAST" ]; then
    # shellcheck disable=SC3045 # bash alone comes here
    IFS='' read -r -d '' tl_text <"$tl_state_file"
  fi
  while [ -n "$tl_copies" ]; do
    tl_h=${tl_copies# }
    tl_copies=${tl_h#"${tl_h%% *}"} tl_h=${tl_h%% *}
    # The state's file is read before the shell may write it again.
    if [ -z "$TL_FAST" ]; then tl_text=$(cat "$tl_state_file"); fi
    (
      exec 3>&- 4>&- 5>&- 6>&- 7>&-
      tl_copy=$TL_ROOT/s/@$tl_h
      # A copy that is there was made before, perhaps in this moment, unless its supervisor is lost and never began.
      if ! mkdir "$tl_copy"; then
        tl_tries=0
        while [ -d "$tl_copy" ] && [ ! -s "$tl_copy/g.1" ] && [ "$tl_tries" -lt 100 ]; do
          tl_tries=$((tl_tries + 1))
          tl_nap
        done
        if tl_claimed "$tl_copy/g.1" || ! tl_read_record "$tl_h" || [ "$tl_state" != queued ]; then exit 0; fi
        # Its shell may wait for a word in a pipe that nobody could find any more.
        for tl_f in "$tl_copy"/u.*; do
          if [ -s "$tl_f" ] && IFS=' ' read -r tl_o_pid tl_o_start tl_rest <"$tl_f" && tl_alive "$tl_o_pid" "$tl_o_start"; then kill -s KILL "$tl_o_pid"; fi
        done
        rm -rf "$tl_copy"
        mkdir "$tl_copy" || exit 0
      fi
      printf '%s\n' "$tl_s_cwd" >"$tl_copy/cwd"
      printf '%s\n' "$tl_text" >"$tl_copy/st.0"
      if [ -r "$tl_state_file.a" ]; then cat "$tl_state_file.a" >"$tl_copy/st.0.a"; fi
      tl_supervise "$tl_copy" "$tl_copy/st.0" "$tl_h" 1
    ) &
  done
}
