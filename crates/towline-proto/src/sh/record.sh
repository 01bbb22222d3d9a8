# The record of an execution: one file, x/<handle>, that only ever grows. Its first writer creates it exclusively, so a
# request that comes twice is seen; everything later is one line, appended in one write. Two who both mean to begin it both
# append a line, and both find the same one first: that one begins it, and nobody else does. The same holds for its outcome.
#
#   <id> <digest> <session> <flags> <limit> <mode> <lane> .      who asked for what; then, on one line, the command
#   b <session> <spool> <pid> <start> <clock> <boot> <gen> <pipe> <claim> .      it begins: in which shell
#   k <signal> - - - - .                          a stop was asked for
#   d <gen> <word> <number> - <directory> .       what the shell itself, or who waited for it, says of its end
#   t - - - - - .                                 its supervisor begins to take the output out of the pipe by itself
#   o <output> - - - - .                          all of its output, if it was little: \\, \n and \0040 for what a word cannot hold
#   s <word> <number> <hundredths> <flags> <directory> .         the outcome: exit, kill, cwd (no directory), never
#
# A line without its last dot was not written whole and does not count. Flags of an outcome: r the shell was ended by the
# command and replaced - h it had left its session before - m some of the output may be missing - l the login files were left out - s the session's shell had been
# lost and was restored from what was saved - f the spool could not hold all of the output - v a person ran commands in the
# session that its agent was not told of.
#
# index: `+ <handle> <session> <command>` when asked for, `- <handle> <boot> <clock> <outcome>` at its end,
# `r <handle>` once read: so that a list needs no look at each record.

# tl_append FILE LINE: false if the line could not be written whole; what follows then stands on a line of its own.
tl_append() {
  printf '%s\n' "$2" >>"$1" || {
    echo >>"$1"
    return 1
  }
}

# tl_create FILE TEXT: creates a file with this text unless it exists; false if it does, or if it cannot be written.
tl_create() {
  set -C
  printf '%s\n' "$2" >"$1"
  tl_rc=$?
  set +C
  return "$tl_rc"
}

# tl_read_record HANDLE: reads the record. Sets tl_x (its file), tl_state (away, queued, running, or the outcome), tl_cwd and the
# fields by their names; tl_b_rest is the first begin line from its clock on, tl_u the file about the shell that it names, tl_raw what the
# shell said of its end, tl_kept the output that is in the record itself, still escaped.
tl_read_record() {
  tl_x=$TL_ROOT/x/$1 tl_state=away tl_cwd='?' tl_b_rest='' tl_raw='' tl_signal='' tl_kept='' tl_taken='' tl_id='' tl_whole='' tl_read_last=$1
  if [ ! -e "$tl_x" ]; then return 1; fi
  # shellcheck disable=SC2034 # fields that other files use
  {
    IFS=' ' read -r tl_id tl_digest tl_session tl_c_flags tl_limit tl_mode tl_lane tl_rest
    if IFS='' read -r tl_command && [ "$tl_rest" = . ]; then tl_whole=1 tl_state=queued; fi
    while IFS=' ' read -r tl_kind tl_word1 tl_word2 tl_word3 tl_word4 tl_rest; do
      case $tl_kind$tl_rest in
        b*' .') if [ -z "$tl_b_rest" ]; then tl_name=$tl_word1 tl_spool=$TL_ROOT/o/$tl_word2 tl_shell=$tl_word3 tl_start=$tl_word4 tl_b_rest=$tl_rest; fi ;;
        k*' .') tl_signal=$tl_word1 ;;
        t*' .') tl_taken=1 ;;
        'o- .') if [ "$tl_word2$tl_word3$tl_word4" = --- ]; then tl_kept=$tl_word1; fi ;;
        d*' .') if [ -z "$tl_raw" ]; then tl_raw="$tl_word2 $tl_word3" tl_raw_cwd=${tl_rest% .}; fi ;;
        s*' .')
          tl_state="$tl_word1 $tl_word2 $tl_word3 $tl_word4" tl_cwd=${tl_rest% .}
          break
          ;;
      esac
    done
  } <"$tl_x"
  case $tl_cwd in *\\*) tl_decode "$tl_cwd" && tl_cwd=$tl_v ;; esac
  if [ -n "$tl_b_rest" ]; then
    tl_began=${tl_b_rest%% *} tl_boot=${tl_b_rest#* } tl_u=${tl_b_rest#* * }
    tl_boot=${tl_boot%% *} tl_u=$TL_ROOT/s/$tl_name/u.${tl_u%% *}
    if [ "$tl_state" = queued ]; then tl_state=running; fi
  fi
  [ -n "$tl_whole" ]
}

# tl_state_of HANDLE: as tl_read_record, and judges what seems to run; tl_spool is empty and tl_began too if it never began.
tl_state_of() {
  tl_spool='' tl_began=''
  if tl_read_record "$1" && [ "$tl_state" = running ]; then tl_judge "$1"; fi
}

# tl_judge HANDLE: a begun execution without an outcome: it runs if its shell lives, or if its supervisor does, who is about
# to say how it ended (tl_judge_live). If neither does: what the shell left is the outcome, which a supervisor tells that takes over, since the output may
# still lie in the pipe; where none can any more, it is told that some may be missing. If the shell left nothing, it is lost, and why is said.
tl_judge() {
  if [ "$tl_boot" = "$TL_BOOT" ]; then
    tl_supervisor "$TL_ROOT/s/$tl_name"
    if [ -n "$tl_live" ]; then tl_judge_live "$1" && return 0; fi
    if [ -z "$tl_raw" ] && tl_alive "$tl_shell" "$tl_start"; then return 0; fi
    # Whoever waited for the shell may be about to write what it saw.
    if [ -z "$tl_raw" ]; then tl_await_word "$1"; fi
    tl_read_record "$1"
    if [ "$tl_state" != running ]; then return 0; fi
    if [ -n "$tl_raw" ] && [ -e "$tl_u" ]; then tl_call_relief "$1" && return 0; fi
  fi
  if [ -n "$tl_raw" ]; then
    tl_now
    tl_clock=$tl_v
    # Whoever was lost may have left half a line.
    tl_publish "$1" "$tl_raw" - m "${tl_nl}s $tl_raw - m $tl_raw_cwd ."
    tl_read_record "$1"
  elif [ "$tl_boot" = "$TL_BOOT" ]; then
    tl_state='lost supervisor'
  else
    tl_state='lost reboot'
  fi
}

# tl_judge_live HANDLE: true if it is for the live supervisor to say how it ended. Where whoever waited for the shell was lost with it, the
# supervisor hears of that from here alone; where the shell is none of its own, its session is one that came after.
tl_judge_live() {
  if [ -n "$tl_raw" ] || tl_alive "$tl_shell" "$tl_start"; then return 0; fi
  tl_kind='' tl_word1=''
  { IFS=' ' read -r tl_kind tl_word1 tl_rest <"$tl_u"; } 2>/dev/null
  if [ "$tl_kind $tl_word1" = "$tl_shell $tl_start" ]; then
    if ! tl_waited_for "$tl_u"; then tl_say "${tl_u%/*}/in" "w ${tl_u##*.}"; fi
    return 0
  fi
  # It goes when the outcome is told.
  tl_read_record "$1"
  [ "$tl_state" != running ]
}

# tl_call_relief HANDLE: a lane starts a supervisor in the place of the one that is lost; who looks again and again does so now and then.
tl_call_relief() {
  if [ -z "${TL_LANE_ID-}" ]; then return 0; fi
  if [ "${tl_relief_of-}" = "$1" ] && [ "$tl_relief" -gt 0 ]; then tl_relief=$((tl_relief - 1)) && return 0; fi
  tl_relief_of=$1 tl_relief=40
  (
    tl_beside
    exec </dev/null >/dev/null 7>&-
    tl_relieve "$1" "$tl_name"
  ) &
}

# tl_await_word HANDLE: its shell is gone: gives whoever waited for it the time to say how it ended.
tl_await_word() {
  tl_tries=0
  while [ "$tl_tries" -lt 200 ] && [ -z "$tl_raw" ] && tl_waited_for "$tl_u"; do
    tl_tries=$((tl_tries + 1))
    tl_nap
    tl_read_record "$1"
  done
}
tl_waited_for() {
  tl_w_pid='' tl_w_start='' tl_w_pipe=''
  { IFS=' ' read -r tl_rest tl_rest tl_w_pid tl_w_start tl_w_pipe tl_rest <"$1"; } 2>/dev/null
  tl_alive "$tl_w_pid" "$tl_w_start"
}

# tl_supervisor DIR: sets tl_live to the number of that session's live supervisor, or to nothing.
tl_supervisor() {
  tl_live='' tl_s_pid='' tl_s_start='' tl_s_boot=''
  if [ ! -r "$1/cur" ]; then return 0; fi
  IFS=' ' read -r tl_live tl_s_pid tl_s_start tl_s_boot tl_rest <"$1/cur"
  if [ "$tl_s_boot" != "$TL_BOOT" ] || ! tl_alive "$tl_s_pid" "$tl_s_start"; then tl_live=''; fi
}

# tl_claimed FILE: whether the one who claimed this number still lives, and may be about to come up. A file that is empty
# is one that was made this moment, unless it stays so.
tl_claimed() {
  tl_s_pid='' tl_s_start=''
  { IFS=' ' read -r tl_s_pid tl_s_start <"$1"; } 2>/dev/null
  if [ -z "$tl_s_pid" ] && [ "$tl_tries" -lt 50 ]; then return 0; fi
  tl_alive "$tl_s_pid" "$tl_s_start"
}

# tl_publish HANDLE OUTCOME HUNDREDTHS FLAGS LINE [WORDS]: LINE is what the record gets, the time is tl_clock. Then wakes whoever
# waits. Where the disk is full it goes on trying: an outcome that cannot be kept is not told.
tl_publish() {
  if ! tl_append "$TL_ROOT/x/$1" "$5"; then
    (
      tl_shut
      while ! tl_append "$TL_ROOT/x/$1" "$5" && [ -e "$TL_ROOT/x/$1" ]; do sleep 1; done
      tl_wake "$1"
    ) &
    return 0
  fi
  tl_wake "$1" "${6-}"
  tl_append "$TL_ROOT/index" "- $1 $TL_BOOT $tl_clock $2 $3 ${4:--}"
}

# tl_wake HANDLE [WORDS]: tells every lane that waits for this execution to look at its outcome: the one that asked for it, unless
# nobody waits, and those that attached later.
tl_wake() {
  if [ "${tl_read_last-}" != "$1" ]; then tl_read_record "$1"; fi
  case $tl_c_flags in *b*) ;; *) tl_say "$TL_ROOT/l/$tl_lane/e" "${2:-x $1}" ;; esac
  if [ -r "$TL_ROOT/w/$1" ]; then tl_wake_others "$1"; fi
}
tl_wake_others() {
  while IFS='' read -r tl_line; do
    if [ "$tl_line" != "$tl_lane" ]; then tl_say "$TL_ROOT/l/$tl_line/e" "x $1"; fi
  done <"$TL_ROOT/w/$1"
}

# tl_forget_arguments HANDLE: removes what an execution that is over was given beside its command.
tl_forget_arguments() {
  if [ "${tl_read_last-}" != "$1" ]; then tl_read_record "$1"; fi
  case $tl_c_flags in *[iop]*) rm -f "$TL_ROOT/a/$tl_id".* ;; esac
}

# tl_shut: a process that is forked to outlive a moment lets go of what its parent has open.
tl_shut() {
  exec </dev/null 3>&- 4>&- 5>&- 6>&- 7>&- 8>&-
}
