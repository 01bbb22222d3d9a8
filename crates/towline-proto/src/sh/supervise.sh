# The supervisor of one session: takes executions from its FIFO one at a time, hands each to the session's shell, and
# publishes the outcome. It alone decides what runs in the session; everything it is told comes as one line in one FIFO.
#
# Each line is a letter, which names the function tl_on_<letter> that takes it, and at most three words.
# fd 3: its FIFO. fd 4: reading end of the command's pipe. fd 5: a writing end of it, held while a pump reads and the
# command runs, so that the pump does not see the end too early. fd 6: the shell's FIFO. fd 7, 8: as 5 and 4, for stderr.
#
# The functions on the way of a call are short on purpose: bash copies a function with each call of it.

# tl_supervise DIR BASE ONCE NUMBER: DIR is this session's directory, BASE the saved state to begin with (or -), ONCE the handle
# of the only execution (or -), NUMBER says how many supervisors the session had, this one included.
tl_supervise() {
  tl_d=$1 tl_called=${1##*/} tl_once=$3 tl_number=$4 tl_in=$1/in
  LC_ALL=C
  umask 077
  cd / || exit 1
  trap '' HUP INT QUIT PIPE
  trap - EXIT TERM
  exec </dev/null >/dev/null 2>&1
  tl_own_birth
  tl_pid=$tl_me tl_birth_of_me=$tl_v
  tl_create "$tl_d/g.$tl_number" "$tl_pid $tl_birth_of_me" || exit 0
  if [ -e "$tl_d/ready" ]; then rm -f "$tl_d/ready"; fi
  tl_name_spools
  tl_gen=$((tl_number * 1000)) tl_slot=0 tl_attempt=0 tl_current='' tl_queue='' tl_copies='' tl_idle='' tl_ended='' tl_hurry='' tl_glances=9 tl_saving='' tl_looker=''
  tl_drained='' tl_drained2='' tl_output='' tl_flags='' tl_pipe='' tl_my_spool='' tl_pump_pid='' tl_marked='' tl_leaving='' tl_ready='' tl_timer=''
  tl_login=-l tl_login_timer='' tl_full='' tl_s_cwd='?' tl_away='' tl_unsure='' tl_deaths=0 tl_state_file=$2
  if [ "$2" = - ]; then
    tl_last_state "$tl_d"
    if [ -n "$tl_state_file" ]; then tl_flags=s; fi
  fi
  if [ "$tl_once" != - ]; then tl_queue=" $tl_once"; fi
  if [ ! -p "$tl_in" ]; then
    mkfifo "$tl_in" "$tl_d/p.$tl_number.1" "$tl_d/c.$((tl_gen + 1))" || exit 1
  fi
  exec 3<>"$tl_in"
  if [ "$tl_number" -gt 1 ]; then tl_adopt; fi
  if [ -z "$TL_FAST" ] && [ "$tl_once" = - ]; then tl_look_in; fi
  tl_prepare
  tl_start_shell "$tl_state_file"
  printf '%s %s %s %s %s .\n' "$tl_number" "$tl_pid" "$tl_birth_of_me" "$TL_BOOT" "${TL_PROGRAM##*/}" >"$tl_d/cur"
  while tl_hear; do
    case $tl_word in [a-z]) "tl_on_$tl_word" ;; esac
  done
}

# tl_name_spools: a session that ended leaves outcomes, and one that comes up in its place counts from one again: no name of a spool
# comes twice, in this boot or another.
tl_name_spools() {
  tl_v=$tl_birth_of_me
  if [ "$tl_v" = '?' ]; then tl_now; fi
  tl_spools=${TL_BOOT%%-*}
  tl_spools=$TL_ROOT/o/$tl_called.${tl_spools#????}.$tl_pid.$tl_v
}

# Somebody may remove all that is kept while a session waits for its next command: nobody could ever tell it anything again. So it looks
# now and then, and leaves; its shell, and whoever waits for that, go with it.
TL_LOOK=20
tl_is_kept() {
  tl_line=''
  IFS='' read -r tl_line <"$tl_d/g.$tl_number"
  # A home that cannot be reached in this moment is none that was emptied.
  [ "$tl_line" = "$tl_pid $tl_birth_of_me" ] || [ ! -d "${HOME:-/}" ]
}
# tl_look_in: where a read has no time limit, a process beside looks.
tl_look_in() {
  (
    tl_shut
    trap 'kill -s TERM "$tl_sleep"; exit 0' TERM
    while tl_alive "$tl_pid" "$tl_birth_of_me"; do
      if ! tl_is_kept; then kill -s TERM "$tl_pid" && exit 0; fi
      sleep "$((TL_LOOK / 2))" &
      tl_sleep=$!
      wait "$tl_sleep"
    done
  ) &
  tl_looker=$!
}

# tl_hear: reads one line into tl_word, tl_1, tl_2, tl_3; if tl_hurry is set, it waits only so long and then says t itself.
tl_hear() {
  case $TL_FAST in '') IFS=' ' read -r tl_word tl_1 tl_2 tl_3 <&3; return ;; esac
  # The first byte alone with a time limit: a bash that has one asks the system about it for each byte.
  # shellcheck disable=SC3045 # bash alone comes here
  case $tl_hurry in
    '')
      # A byte that came in the moment in which the time was over is there.
      until IFS='' read -r -t "$TL_LOOK" -N 1 -u 3 tl_word || [ $? -le 128 ] || [ -n "$tl_word" ]; do
        if [ -z "$tl_current$tl_away" ] && ! tl_is_kept; then return 1; fi
      done
      ;;
    *)
      IFS='' read -r -t "$tl_hurry" -N 1 -u 3 tl_word
      if [ $? -gt 128 ] && [ -z "$tl_word" ]; then tl_word=t tl_1=$tl_slot && return 0; fi
      ;;
  esac
  # shellcheck disable=SC3045
  IFS='' read -r -N "$((256 - ${#tl_word}))" -u 3 tl_line || return 1
  # shellcheck disable=SC2086 # splitting is the purpose
  set -- $tl_word$tl_line
  tl_word=$1 tl_1=${2-} tl_2=${3-} tl_3=${4-}
}

# --- what may be asked for -----------------------------------------------------------------------------------------

# x HANDLE: execute it in the session.
tl_on_x() {
  # Whoever uses a session again that only waits for what it handed over wants it to stay.
  if [ -n "$tl_leaving" ] && [ -z "$tl_current" ]; then tl_leaving='' && rm -f "$tl_d/busy"; fi
  case $tl_idle$tl_current$tl_queue in
    1) tl_begin "$tl_1" || tl_begin_next ;;
    *)
      case "$tl_queue " in *" $tl_1 "*) ;; *) tl_queue="$tl_queue $tl_1" ;; esac
      if [ -n "$tl_idle" ] && [ -z "$tl_current" ]; then tl_begin_next; fi
      ;;
  esac
}

# n HANDLE: execute it beside the session, in a copy of its last state; one that is just being saved is awaited.
tl_on_n() {
  tl_copies="$tl_copies $tl_1"
  if [ -n "$tl_ready" ] && [ -z "$tl_saving" ]; then tl_begin_copies; fi
}

# h HANDLE: let it go on without the session.
tl_on_h() {
  if [ "$tl_1" = "$tl_current" ] && [ -z "$tl_ended" ]; then tl_hand_over; fi
}

# l HANDLE: its limit is reached: end it.
tl_on_l() {
  (tl_shut && tl_stop "$tl_1" TERM) &
}

# q: the session is to end, once it is idle and what it handed over is over: that tells its end here, and would tell it to another
# session in this place.
tl_on_q() {
  tl_leaving=1
  tl_leave
  # What a lost supervisor left is seen to in a moment.
  if [ -n "$tl_current" ]; then tl_on_b; else tl_after 2 b; fi
}
# b: it does not end in a moment: whoever waits for that may go.
tl_on_b() {
  if [ -n "$tl_leaving" ]; then : >"$tl_d/busy"; fi
}
tl_leave() {
  if [ -z "$tl_current$tl_away" ]; then tl_finish; fi
}

# The session's end: its shell is told to leave, its FIFOs go; what executions left stays until it expires. What was asked
# for in the meantime is begun by whoever waits for it, in a new session.
tl_finish() {
  # Whoever waited for the shell ends a supervisor whose directory is gone; this one removes it by itself.
  trap '' TERM
  tl_call_off "$tl_timer"
  tl_call_off "$tl_login_timer"
  tl_call_off "$tl_looker"
  tl_say "$tl_d/c.$tl_gen" 'q q q'
  if [ "$tl_once" = - ]; then
    rm -f "$tl_d/cur"
    tl_within 40 tl_gone "$tl_shell_pid" "$tl_shell_start" || kill -s KILL "$tl_shell_pid"
  fi
  tl_remove "$tl_d" "$tl_pid.$tl_birth_of_me"
  exit 0
}

# tl_remove DIR NAME: a session's directory leaves its place in one step: whoever wants the session finds all of it or nothing, and no
# supervisor comes up in one that is half removed, where nobody could tell it anything any more. NAME: PID.START of whoever removes it.
tl_remove() {
  tl_v=$TL_ROOT/s/.$2
  if ! mv "$1" "$tl_v"; then tl_v=$1; fi
  # Somebody may be about to write a last file.
  tl_within 40 rm -rf "$tl_v"
}

# --- beginning ---------------------------------------------------------------------------------------------------

tl_begin_next() {
  while [ -n "$tl_queue" ]; do
    tl_h=${tl_queue# }
    tl_queue=${tl_h#"${tl_h%% *}"} tl_h=${tl_h%% *}
    if tl_begin "$tl_h"; then return 0; fi
  done
  if [ "$tl_once" != - ] && [ -z "$tl_away" ]; then tl_finish; fi
}

# tl_begin HANDLE: claims its beginning and gives it to the shell; false if somebody else has, or if that cannot be written.
tl_begin() {
  if [ ! -e "$TL_ROOT/x/$1" ]; then return 1; fi
  tl_now
  tl_began=$tl_v tl_attempt=$((tl_attempt + 1))
  tl_mine="$tl_began $TL_BOOT $tl_gen $tl_pipe $tl_number.$tl_attempt.$tl_pid ."
  if [ -z "$tl_pipe" ] || ! tl_append "$TL_ROOT/x/$1" "b $tl_called ${tl_my_spool##*/} $tl_shell_pid $tl_shell_start $tl_mine"; then
    tl_refuse "$1"
    return 1
  fi
  tl_claimed_by_me "$1" || return 1
  tl_current=$1 tl_idle='' tl_hurry=${TL_FAST:+0.01} tl_glances=0
  case $tl_c_flags$tl_limit in *[ev1-9]*) tl_begin_special "$1" ;; esac
  # A short command comes with its word, which saves the shell a look at the record; that may count characters and not bytes.
  tl_words="$1 $tl_pipe $tl_c_flags $tl_id"
  case $tl_command in
    *[!\ -~]*) ;;
    *) if [ "$((${#tl_words} + ${#tl_command}))" -lt 251 ]; then tl_words="$1 $tl_pipe ${tl_c_flags}k $tl_id =$tl_command ."; fi ;;
  esac
  tl_say "$tl_d/c.$tl_gen" "$tl_words"
}

# tl_claimed_by_me HANDLE: whether the first begin line is the one that was just written. Mostly that is the third line.
tl_claimed_by_me() {
  {
    IFS=' ' read -r tl_id tl_rest tl_rest tl_c_flags tl_limit tl_rest tl_lane tl_rest
    IFS='' read -r tl_command
    IFS=' ' read -r tl_kind tl_rest tl_rest tl_rest tl_rest tl_b_rest
  } <"$TL_ROOT/x/$1"
  tl_read_last=$1
  if [ "$tl_kind $tl_b_rest" != "b $tl_mine" ]; then tl_read_record "$1"; fi
  [ "$tl_b_rest" = "$tl_mine" ]
}

# What most executions do without: standard error apart, a time limit, a person who asked for it: the agent is to be told.
tl_begin_special() {
  case $tl_c_flags in *v*) tl_append "$tl_d/visits" "$1" ;; esac
  case $tl_c_flags in *e*) tl_prepare_error ;; esac
  if [ "$tl_limit" -gt 0 ]; then tl_after "$tl_limit" "l $1" && tl_timer=$tl_v; fi
}

# tl_refuse HANDLE: it cannot begin; whoever asked for it is told.
tl_refuse() {
  tl_read_record "$1" && tl_say "$TL_ROOT/l/$tl_lane/e" "n $1"
}

# --- ending ------------------------------------------------------------------------------------------------------

# d GEN STATUS MOVED: the shell is done; STATUS is cwd if the directory was not there; MOVED: the session's directory changed.
tl_on_d() {
  tl_moved=$tl_3
  case $tl_2 in cwd) tl_v='cwd 0' ;; *) tl_v="exit $tl_2" ;; esac
  if [ "$tl_1" = "$tl_gen" ]; then
    # A shell that was to be ended may tell its command's end before its own.
    case $tl_2 in 1[3-9]? | 129) if tl_read_record "$tl_current" && [ -n "$tl_signal" ]; then tl_v="kill $tl_signal"; fi ;; esac
    tl_on_done "$tl_v"
  else
    tl_on_late "$tl_1" "$tl_v"
  fi
}

# tl_on_done OUTCOME: the command is over; its last bytes may still be in the pipe, and a background job may hold the pipe. The shell
# saves its state when it is told to: not before the outcome is told, unless that takes its time.
tl_on_done() {
  if [ -z "$tl_current" ] || [ -n "$tl_ended" ]; then
    tl_say "$tl_d/c.$tl_gen" s
    return 0
  fi
  tl_ended=$1 tl_saving=1 tl_held=''
  case $tl_moved in ?*) tl_read_cwd "$tl_d/cwd" && tl_s_cwd=$tl_cwd ;; esac
  if [ -n "$tl_pump_pid" ]; then
    tl_say "$tl_d/c.$tl_gen" s
    tl_await_pump
  elif tl_append "$TL_ROOT/x/$tl_current" 't - - - - - .' && tl_drain "$tl_my_spool"; then
    tl_conclude taken
    tl_say "$tl_d/c.$tl_gen" s
  else
    tl_say "$tl_d/c.$tl_gen" s
    tl_pump_it
    if [ -n "$tl_held" ]; then tl_hold; else tl_await_pump; fi
  fi
}

# The pump will say when it has seen the end; if it does not do so in a moment, somebody else holds the pipe.
tl_await_pump() {
  exec 5>&- 7>&-
  if [ -n "$TL_FAST" ]; then tl_hurry=0.05; else (tl_shut && tl_nap && tl_say "$tl_in" "t $tl_slot") & fi
}

# e SLOT FULL LOST, f SLOT FULL LOST: the pipe of stdout, of stderr has no writer any more; FULL is not -: not all of it could be stored;
# LOST: some of it may be lost.
tl_on_e() {
  if [ "$tl_1" = "$tl_slot" ]; then tl_drained=1 tl_full=${tl_2#-}$tl_full tl_unsure=$tl_3$tl_unsure && tl_conclude_if; fi
}
tl_on_f() {
  if [ "$tl_1" = "$tl_slot" ]; then tl_drained2=1 tl_full=${tl_2#-}$tl_full tl_unsure=$tl_3$tl_unsure && tl_conclude_if; fi
}

# m SLOT UNSURE: what was written is all in the spools, or some of it may be lost.
tl_on_m() {
  if [ "$tl_1" = "$tl_slot" ]; then tl_drained=1 tl_drained2=1 tl_unsure=$tl_2$tl_unsure && tl_conclude_if; fi
}
tl_conclude_if() {
  if [ -n "$tl_ended" ] && [ -n "$tl_drained" ] && [ -n "$tl_drained2" ]; then tl_conclude; fi
}

# t SLOT: a moment passed: a command that still runs gets a pump; for one that is over, somebody else holds the pipe.
tl_on_t() {
  if [ "$tl_1" != "$tl_slot" ] || [ -z "$tl_current" ]; then return 0; fi
  if [ -z "$tl_ended" ]; then
    tl_is_silent || tl_pump_it
  elif [ -z "$tl_marked" ]; then
    tl_hold
  fi
}

# tl_is_silent: whether the command has printed nothing yet, and may soon be over: a pump costs several processes. It is looked at again in
# a moment, and for half a second at most: were this supervisor lost, nobody else would see that it begins to print.
tl_is_silent() {
  # shellcheck disable=SC3045 # bash alone comes here
  if [ "$tl_glances" -ge 9 ] || read -r -t 0 -u 4; then return 1; fi
  tl_glances=$((tl_glances + 1))
  case $tl_glances in 1) tl_hurry=0.02 ;; 2) tl_hurry=0.04 ;; *) tl_hurry=0.07 ;; esac
}

# tl_hold: somebody still holds the pipe. The session leaves this pipe to them, and a process of its own finds out when
# the command's own output is through.
tl_hold() {
  tl_marked=1 tl_hurry=''
  (
    tl_shut
    tl_unsure=''
    tl_settle "$tl_current" "$tl_d/$tl_pipe" "$tl_my_spool" "$tl_pump_pid"
    if [ -n "$tl_apart" ]; then tl_settle "$tl_current" "$tl_d/$tl_pipe.e" "${tl_my_spool}e" "$tl_pump2_pid"; fi
    tl_say "$tl_in" "m $tl_slot $tl_unsure"
  ) &
  tl_pipe=''
}

# tl_conclude [TAKEN]: the outcome and all of the output are there (TAKEN: in tl_output): publish, and prepare the next.
tl_conclude() {
  tl_now
  tl_clock=$tl_v tl_took=$((tl_v - tl_began)) tl_words='' tl_v=$tl_s_cwd
  case $tl_full$tl_unsure in ?*) tl_flags=${tl_unsure:+m}${tl_full:+f}$tl_flags ;; esac
  if [ -e "$tl_d/visits" ]; then case $tl_c_flags in *v*) ;; *) tl_flags=v$tl_flags ;; esac fi
  case $tl_v in *\\* | *"$tl_nl"*) tl_encode "$tl_v" ;; esac
  tl_ending="$tl_ended $tl_took ${tl_flags:--}"
  tl_s_line="s $tl_ending $tl_v ."
  # The lane that asked is told all of it, as the frames that it sends, if that fits in a line; one of an older towline looks at the record.
  tl_words="x $tl_current $((${#tl_ending} + ${#tl_s_cwd} + 1))\\n$tl_ending\\n$tl_v ."
  case $tl_output in
    ?*)
      tl_encode_word "$tl_output"
      tl_s_line="o $tl_v - - - - .$tl_nl$tl_s_line" tl_words="o $tl_current ${#tl_output}\\n$tl_v$tl_words"
      ;;
  esac
  case ${1-}$tl_c_flags in taken*f*) if [ "${#tl_words}" -gt 253 ]; then tl_words=''; fi ;; *) tl_words='' ;; esac
  tl_publish "$tl_current" "$tl_ended" "$tl_took" "$tl_flags" "$tl_s_line" "${tl_words:+f $tl_words}"
  case $tl_c_flags$tl_limit in *[iop1-9]*) tl_conclude_special ;; esac
  if [ "$tl_once" != - ]; then
    tl_linger
    tl_finish
  fi
  tl_current='' tl_ended='' tl_flags='' tl_full='' tl_output='' tl_unsure=''
  tl_prepare
  if [ -n "$tl_leaving" ]; then tl_leave; fi
  if [ -n "$tl_idle" ] && [ -n "$tl_queue" ]; then tl_begin_next; fi
}
# Copies often end side by side: whoever waits for an outcome is served before anything is tidied up.
tl_linger() {
  # shellcheck disable=SC3045 # bash alone comes here
  while [ -n "$TL_FAST" ] && IFS='' read -r -t 0.5 -N 256 -u 3 tl_line; do
    case $tl_line in q*) return 0 ;; esac
  done
}
tl_conclude_special() {
  tl_call_off "$tl_timer"
  tl_timer=''
  tl_forget_arguments "$tl_current"
}
