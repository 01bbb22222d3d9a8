# The lane's requests: starting, attaching, waiting, letting go, lists and facts.

# tl_run HANDLE ID DIGEST SESSION MODE FLAGS LIMIT COMMAND [DIRECTORY NAME=VALUE...]: starts an execution, or attaches to
# it if it was started before. MODE: s in the session, c in a copy. FLAGS: e apart, i stdin is the payload, p the command is the
# payload, o directory or variables follow, s they hold secrets, a the forwarded agent is
# for it, b nobody waits. The record has f, too: this lane sends frames that are ready. No fork on the way of the plain case, and few words: bash copies
# a function with each call of it.
tl_run() {
  case $6 in
    *[iop]*)
      if [ ! -e "$TL_ROOT/x/$1" ] && ! tl_arguments "$@" && [ ! -e "$TL_ROOT/x/$1" ]; then
        # There is no room for what it was given, and it is not run without that.
        rm -f "$TL_ROOT/a/$2".*
        tl_frame n "$1" state
        return 0
      fi
      ;;
  esac
  # It may be there already, or the disk may be full: what is there afterwards tells.
  set -C
  printf '%s\n' "$2 $3 $4 $6f- $7 $5 $TL_LANE_ID .$tl_nl$8" >"$TL_ROOT/x/$1"
  tl_rc=$?
  set +C
  if [ "$tl_rc" -ne 0 ]; then tl_run_again "$@" || return 0; fi
  # The index gets the beginning of the command, so that a list needs no look at the record; before it begins, so that whatever ran
  # is in it.
  tl_line=$8
  case $6 in *p*) IFS='' read -r tl_line <"$TL_ROOT/a/$2.x" ;; esac
  printf '+ %s %s %.200s\n' "$1" "$4" "$tl_line" >>"$TL_ROOT/index"
  case $5 in s) tl_word=x ;; *) tl_word=n ;; esac
  # Mostly it is the session of the call before, and its supervisor still lives. Should its pid be another's by now, the next sign
  # of life finds out that nobody began this (tl_look_after).
  if [ "$4" != "${tl_known-}" ] || [ -z "$tl_live" ] || ! kill -0 "$tl_s_pid"; then
    tl_supervisor "$TL_ROOT/s/$4"
    tl_known=$4
  fi
  if [ -z "$tl_live" ] || ! tl_say "$TL_ROOT/s/$4/in" "$tl_word $1"; then tl_start "$1" "$4" "$5" & fi
}

# tl_run_again: the record is there. True if it is this very request and it was not begun: then it is told again to begin, which
# does nothing if it was. A record that is not whole was left by a lane that ended in the middle of it, and is written again.
tl_run_again() {
  # Another lane may be writing it in this moment; one that was lost in the middle writes no more.
  tl_within 20 tl_is_settled "$1"
  if [ -n "$tl_whole" ]; then
    if [ "$tl_id" != "$2" ]; then tl_frame n "$1" taken && return 1; fi
    if [ "$tl_digest" != "$3" ]; then tl_frame n "$1" digest && return 1; fi
    if [ "$tl_state" != queued ]; then tl_wait "$1" && return 1; fi
    if [ "$tl_lane" = "$TL_LANE_ID" ]; then return 0; fi
    # Whoever tells the end reads this list behind it: it is looked at again once this lane is in there.
    tl_append "$TL_ROOT/w/$1" "$TL_LANE_ID"
    tl_read_record "$1"
    if [ "$tl_state" != queued ]; then tl_wait "$1" && return 1; fi
    return 0
  fi
  # Whoever wrote part of it may still be there: both are told.
  if [ -e "$tl_x" ]; then tl_append "$TL_ROOT/w/$1" "$TL_LANE_ID"; fi
  if tl_arguments "$@" && printf '%s\n' "$2 $3 $4 $6f- $7 $5 $TL_LANE_ID .$tl_nl$8" 1<>"$TL_ROOT/x/$1" && tl_read_record "$1" && [ "$tl_id" = "$2" ]; then
    return 0
  fi
  rm -f "$TL_ROOT/x/$1" "$TL_ROOT/w/$1" "$TL_ROOT/a/$2".*
  tl_frame n "$1" state
  return 1
}

tl_is_settled() { tl_read_record "$1" || [ ! -e "$tl_x" ]; }

# What an execution is given beside its command is there before its record is: a record that is whole has all of it.
tl_arguments() {
  if [ -n "$tl_no_room" ]; then return 1; fi
  case $6 in
    *p*) mv "$TL_TMP/$TL_REQ.p" "$TL_ROOT/a/$2.x" ;;
    *i*) if [ -e "$TL_TMP/$TL_REQ.p" ]; then mv "$TL_TMP/$TL_REQ.p" "$TL_ROOT/a/$2.i"; else : >"$TL_ROOT/a/$2.i"; fi ;;
  esac || return 1
  case $6 in
    *o*)
      tl_v=$TL_ROOT/a/$2.o
      case $6 in *a*) if [ -n "$TL_AGENT" ]; then set -- "$@" "SSH_AUTH_SOCK=$TL_AGENT"; fi ;; esac
      shift 8
      { printf '%s\n' "$@" >"$tl_v"; } 2>/dev/null || return 1
      ;;
  esac
}

# tl_start HANDLE SESSION MODE: the slow way: a session has to be started first.
tl_start() {
  tl_beside
  exec </dev/null 7>&-
  if [ "$3" = s ]; then tl_word=x; else tl_word=n; fi
  tl_early="$tl_word $1"
  tl_ensure "$2"
  if tl_waits_to_begin "$1" && { [ -z "$tl_live" ] || ! tl_say "$TL_ROOT/s/$2/in" "$tl_word $1"; }; then tl_frame n "$1" session; fi
}
tl_waits_to_begin() { tl_read_record "$1" && [ "$tl_state" = queued ]; }

# tl_urge HANDLE: it waits to begin, and the supervisor that knew of it may be lost: it is told again, which does nothing if it was begun.
tl_urge() {
  tl_supervisor "$TL_ROOT/s/$tl_session"
  case $tl_mode in s) tl_word=x ;; *) tl_word=n ;; esac
  if [ -z "$tl_live" ] || ! tl_say "$TL_ROOT/s/$tl_session/in" "$tl_word $1"; then tl_start "$1" "$tl_session" "$tl_mode" >/dev/null & fi
}

# tl_ensure SESSION: waits until the session has a supervisor with a shell that is ready; starts one if need be. With a word for it in
# tl_early only until that was heard, and for the execution in tl_relieved until that is over: then the session may have ended again, and is
# not to come up anew.
tl_ensure() {
  tl_dir=$TL_ROOT/s/$1 tl_tries=0 tl_patience=0
  exec 3</dev/null
  # One that comes up already hears the word at once.
  if [ -n "${tl_early-}" ] && [ -p "$tl_dir/in" ]; then
    tl_leave_word
    if [ ! -e "$tl_dir/g.1" ]; then tl_patience=20; fi
  fi
  while [ "$tl_tries" -lt 1500 ]; do
    if [ -n "${tl_early-}" ] && ! tl_waits_to_begin "${tl_early#* }"; then return 0; fi
    if [ -n "${tl_relieved-}" ] && ! { tl_read_record "$tl_relieved" && [ "$tl_state" = running ]; }; then return 0; fi
    tl_supervisor "$tl_dir"
    if [ -n "$tl_live" ]; then
      if [ -e "$tl_dir/ready" ]; then return 0; fi
    else
      tl_next=1
      while [ -e "$tl_dir/g.$tl_next" ] && ! tl_claimed "$tl_dir/g.$tl_next"; do tl_next=$((tl_next + 1)); done
      # One that was started has a second to claim its number.
      if [ ! -e "$tl_dir/g.$tl_next" ] && [ "$tl_tries" -ge "$tl_patience" ]; then
        if [ ! -d "$tl_dir" ] && ! mkdir -p "$tl_dir"; then return 1; fi
        # The word that it is started for lies in its FIFO before it comes up: it inherits that, so that nothing is lost.
        if [ -n "${tl_early-}" ] && { [ -p "$tl_dir/in" ] || mkfifo "$tl_dir/in" "$tl_dir/p.$tl_next.1" "$tl_dir/c.${tl_next}001"; }; then tl_leave_word; fi
        tl_spawn "$tl_dir" - "$tl_next"
        if [ -n "${tl_early-}" ]; then tl_patience=$((tl_tries + 20)); else tl_patience=$((tl_tries + 100)); fi
      fi
    fi
    tl_tries=$((tl_tries + 1))
    # Where the word is there already, nobody is in a hurry.
    if [ -n "${tl_early-}" ]; then tl_nap; else sleep 0.01 2>/dev/null || sleep 1; fi
  done
  tl_live=''
}

tl_leave_word() {
  exec 3<>"$tl_dir/in"
  tl_say "$tl_dir/in" "$tl_early"
}

# tl_wait HANDLE: this lane wants to be woken at the execution's end; if that has come, it is told now; else g tells how it
# stands, and if it was never begun and nobody is there to begin it, it is begun now.
tl_wait() {
  if [ -e "$TL_ROOT/x/$1" ]; then tl_append "$TL_ROOT/w/$1" "$TL_LANE_ID"; fi
  tl_read_record "$1"
  case $tl_state in
    running | queued) tl_revive "$1" & ;;
    away) tl_frame g "$1" away ;;
    *) printf '%-255s\n' "x $1" >&7 ;;
  esac
}
tl_revive() {
  tl_beside
  exec </dev/null
  tl_state_of "$1"
  case $tl_state in
    queued) tl_start "$1" "$tl_session" "$tl_mode" ;;
    running)
      # Its supervisor may be lost: one that takes its place tells the end.
      tl_supervisor "$TL_ROOT/s/$tl_name"
      if [ -z "$tl_live" ]; then tl_relieve "$1" "$tl_name" && tl_state=running; fi
      ;;
    lost*) tl_frame x "$1" "$tl_state
?" ;;
    *) tl_send_outcome "$1" ;;
  esac
  tl_frame g "$1" "$tl_state"
}

# tl_look_after: with each sign of life that is asked for: an execution that this lane waits for, and that has no outcome, may
# have lost its supervisor, or the word that was to begin it.
tl_look_after() {
  tl_beside
  exec </dev/null
  tl_job_lines open 0 '?' | while IFS='|' read -r tl_h tl_rest; do
    if tl_read_record "$tl_h" && tl_is_awaited "$tl_h"; then
      case $tl_state in
        queued) tl_start "$tl_h" "$tl_session" "$tl_mode" & ;;
        running)
          tl_supervisor "$TL_ROOT/s/$tl_name"
          if [ -z "$tl_live" ] || ! tl_judge_live "$tl_h"; then tl_revive "$tl_h" & fi
          ;;
      esac
    fi
  done
}
tl_is_awaited() {
  [ "$tl_lane" = "$TL_LANE_ID" ] || grep -q -s -x -F -e "$TL_LANE_ID" "$TL_ROOT/w/$1"
}

# tl_relieve HANDLE SESSION: a running execution has no supervisor: the session, or the copy, gets a new one.
tl_relieve() {
  case $2 in
    @*)
      tl_next=1 tl_tries=0
      while [ -e "$TL_ROOT/s/$2/g.$tl_next" ]; do
        # One that is about to come up is enough.
        if tl_claimed "$TL_ROOT/s/$2/g.$tl_next"; then return 0; fi
        tl_next=$((tl_next + 1))
      done
      if [ -d "$TL_ROOT/s/$2" ]; then tl_spawn "$TL_ROOT/s/$2" "$1" "$tl_next"; fi
      ;;
    *) tl_relieved=$1 && tl_ensure "$2" && tl_relieved='' ;;
  esac
}

# tl_over HANDLE: the execution goes on without its session, which takes the next command with its state as before.
tl_over() {
  if tl_read_record "$1" && [ "$tl_state" = running ]; then
    tl_supervisor "$TL_ROOT/s/$tl_name"
    if [ -n "$tl_live" ]; then tl_say "$TL_ROOT/s/$tl_name/in" "h $1"; fi
  fi
}

# tl_ack HANDLE...: these were read.
tl_ack() {
  for tl_h in "$@"; do tl_append "$TL_ROOT/index" "r $tl_h"; done
  tl_frame r "$TL_REQ" 0
}

# tl_session_facts SESSION: makes sure that the session is there; prints how it stands: old, new, or restored where it is made anew from
# what one that was lost has saved.
tl_session_facts() {
  tl_was=old
  tl_supervisor "$TL_ROOT/s/$1"
  if [ -z "$tl_live" ]; then
    tl_was=new
    tl_last_state "$TL_ROOT/s/$1"
    if [ -n "$tl_state_file" ]; then tl_was=restored; fi
  fi
  tl_ensure "$1"
  if [ -z "$tl_live" ]; then echo 'session did not start' && return 1; fi
  tl_cwd=${HOME:-/}
  if [ -r "$TL_ROOT/s/$1/cwd" ]; then tl_read_cwd "$TL_ROOT/s/$1/cwd"; fi
  printf '%s\n%s\n' "$tl_was" "$tl_cwd"
}

# tl_session_end SESSION: ends the session's shell, once it is idle; its executions' outcomes stay.
tl_session_end() {
  if [ ! -d "$TL_ROOT/s/$1" ]; then echo none && return 0; fi
  tl_supervisor "$TL_ROOT/s/$1"
  # Where that one is lost, another has to see to what it left.
  if [ -z "$tl_live" ]; then tl_ensure "$1"; fi
  tl_say "$TL_ROOT/s/$1/in" q
  tl_within 200 tl_has_answered "$TL_ROOT/s/$1"
  if [ -e "$TL_ROOT/s/$1" ]; then echo busy; else echo ended; fi
}
tl_has_answered() { [ ! -e "$1" ] || [ -e "$1/busy" ]; }
