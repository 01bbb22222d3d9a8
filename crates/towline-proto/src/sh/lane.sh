# The lane: one SSH channel, any number of requests. It reads requests from stdin and never lets one hold up another:
# what takes time is forked or handed to a session; starting a command needs no fork at all.
#
# Request:  `<number> <op> <arguments> <bytes> <bytes of arguments> <kind>` on a line of 64 bytes, then that many argument lines
#           (backslash and newline written \\ and \n, an empty one \c), then that many bytes of payload, of kind `t` if they
#           are short and hold no NUL, else `b`.
# Frame:    `<tag> <key> <bytes>` on a line, then the bytes; each is written whole, under a lock that is a token in a
#           FIFO. Tags: h hello - b part of a reply - r end of a reply (its text is the status, and `v` where a person was in the session) - o, t, f, u parts of an
#           execution's output (head, tail; head and tail of standard error) - x an execution's outcome - n refused -
#           g how an attached execution stands.
# fd 7: what sessions tell this lane. fd 8: the lock. fd 9: the right to look at all processes.
#
# State, all private: id who they are, x/ records of executions, index their list, a/ what they were given, o/ their output, w/ lanes that
# attached to them, s/ sessions, l/ lanes, k/ locks of the file tools, p-* these
# programs.

tl_lane_main() {
  TL_UMASK=$(umask)
  TL_USER_LC_ALL=${LC_ALL-}
  LC_ALL=C
  export LC_ALL
  umask 077
  set +C
  # A forwarded agent is for the calls that ask for it: sessions outlive this connection, and are found by whoever knows their name.
  TL_AGENT=''
  case ${SSH_AUTH_SOCK-} in
    *\\*) ;;
    */ssh-*/agent.* | */.ssh/agent/* | */dropbear-*/auth-*) TL_AGENT=$SSH_AUTH_SOCK && unset SSH_AUTH_SOCK ;;
  esac
  if ! tl_place || ! tl_open; then
    printf 'n 0 %s\n%s' "${#tl_v}" "$tl_v"
    exit 1
  fi
  # What was only needed to come here would be copied with every fork.
  unset p s B
  trap 'exit 0' HUP PIPE TERM
  trap tl_lane_end EXIT
  # Nobody reads what a shell says beside the protocol.
  exec 2>/dev/null
  tl_sender </dev/null &
  tl_now
  tl_frame h 0 "root=$TL_ROOT
state=$TL_STATE
boot=$TL_BOOT
node=$TL_NODE
clock=$tl_v
lane=$TL_SELF
shell=$TL_USER_SHELL
layout=1
"
  # The session that will be asked for comes up meanwhile.
  tl_dir=$TL_ROOT/s/${w-}
  if [ -n "${w-}" ] && mkdir "$tl_dir"; then mkfifo "$tl_dir/in" "$tl_dir/p.1.1" "$tl_dir/c.1001" && tl_spawn "$tl_dir" - 1; fi
  tl_serve
}

# tl_place: finds or makes the state directory: private, ours, not a link. Sets TL_ROOT and TL_PROGRAM; tl_v is why not.
tl_place() {
  TL_BOOT=- TL_NODE='' tl_line=''
  if [ -r /proc/sys/kernel/random/boot_id ]; then read -r TL_BOOT </proc/sys/kernel/random/boot_id; fi
  if [ -r /proc/sys/kernel/hostname ]; then read -r TL_NODE </proc/sys/kernel/hostname; else TL_NODE=$(uname -n); fi
  if [ -r /etc/machine-id ]; then read -r tl_line </etc/machine-id; fi
  case $TL_NODE in *[!A-Za-z0-9._-]* | '' | .*) TL_NODE=node ;; esac
  TL_NODE=$TL_NODE-${tl_line%"${tl_line#????????}"}
  # Bash knows whom it serves without asking a program.
  # shellcheck disable=SC3028 # bash alone comes to it
  if [ -n "$TL_FAST" ]; then tl_uid=$EUID; else tl_uid=$(id -u); fi
  for tl_base in "${XDG_STATE_HOME:-${HOME:+$HOME/.local/state}}" "/var/tmp/towline-$tl_uid" "/tmp/towline-$tl_uid"; do
    if [ -z "$tl_base" ]; then continue; fi
    for tl_f in "$tl_base"/towline/v*; do
      case ${tl_f##*/} in v1 | 'v*') ;; *) tl_v="a newer towline keeps its state there: $tl_f" && return 1 ;; esac
    done
    TL_ROOT=$tl_base/towline/v1/$TL_NODE
    if ! tl_taken "$tl_base"; then
      if [ -d "$TL_ROOT/w" ] && [ -w "$TL_ROOT/w" ] && tl_ours "$tl_base/towline"; then break; fi
      if tl_make_dirs && ! tl_taken "$tl_base" && tl_ours "$tl_base/towline"; then break; fi
    fi
    TL_ROOT=''
  done
  if [ -z "$TL_ROOT" ]; then tl_v='no private place for state' && return 1; fi
  tl_identify
  # shellcheck disable=SC2154 # p, s and k come from the one line that started this program
  TL_PROGRAM=$TL_ROOT/p-$k
  if [ ! -e "$TL_PROGRAM.shell" ]; then
    # shellcheck disable=SC2154
    { printf '%s\n' "$p" >"$TL_PROGRAM.$$" && mv "$TL_PROGRAM.$$" "$TL_PROGRAM.host" &&
      printf '%s\n' "$s" >"$TL_PROGRAM.$$" && mv "$TL_PROGRAM.$$" "$TL_PROGRAM.shell"; } 2>/dev/null || {
      rm -f "$TL_PROGRAM.$$" 2>/dev/null
      tl_v="state not writable: $TL_ROOT" && return 1
    }
  fi
}
# tl_identify: sets TL_STATE to what tells this directory from one that was here before, or on another host: the first whole line of
# its file. Empty if it cannot be written down.
tl_identify() {
  TL_STATE=''
  if [ ! -s "$TL_ROOT/id" ]; then
    tl_own_pid
    tl_rest=$tl_v
    tl_now
    tl_append "$TL_ROOT/id" "$TL_NODE.$TL_BOOT.$tl_rest.$tl_v ." 2>/dev/null
  fi
  while IFS=' ' read -r tl_v tl_rest; do
    if [ "$tl_rest" = . ]; then TL_STATE=$tl_v && break; fi
  done <"$TL_ROOT/id"
}
# w is made last: where it is, all are. The highest directory that was not there before is noted, so that it can go again.
tl_make_dirs() {
  tl_made='' tl_above=$tl_base
  while [ -n "$tl_above" ] && [ ! -e "$tl_above" ]; do tl_made=$tl_above tl_above=${tl_above%/*}; done
  mkdir -p "$tl_base/towline" 2>/dev/null
  if [ -n "$tl_made" ]; then printf '%s\n' "$tl_made" >"$tl_base/towline/made"; fi 2>/dev/null
  mkdir -p "$TL_ROOT/x" "$TL_ROOT/a" "$TL_ROOT/o" "$TL_ROOT/s" "$TL_ROOT/l" "$TL_ROOT/k" "$TL_ROOT/w" 2>/dev/null && [ -w "$TL_ROOT/w" ]
}

# tl_ours DIR: a directory of this user's, no link, that nobody else may enter; its mode is mended if it is ours.
tl_ours() {
  if [ -L "$1" ] || [ ! -d "$1" ]; then return 1; fi
  # shellcheck disable=SC2012 # the one POSIX way to an owner and a mode
  tl_line=$(ls -ldn "$1") || return 1
  # shellcheck disable=SC2086 # splitting is the purpose
  set -- "$1" $tl_line
  if [ "$4" != "$tl_uid" ]; then return 1; fi
  case $2 in drwx------*) ;; *) chmod 700 "$1" || return 1 ;; esac
}

# tl_taken DIR: in a directory where everybody may write, somebody else has this name, or a link bears it: its owner could change at any
# time what lies below.
tl_taken() {
  case $1 in
    */tmp/towline-*/*) return 1 ;;
    */tmp/towline-*) if [ -e "$1" ] || [ -L "$1" ]; then ! tl_ours "$1"; else return 1; fi ;;
    *) return 1 ;;
  esac
}

# tl_open: this lane's own directory and FIFOs.
tl_open() {
  tl_own_birth
  tl_lane_pid=$tl_me
  TL_LANE_ID=$tl_lane_pid.${tl_v#?}
  TL_TMP=$TL_ROOT/l/$TL_LANE_ID
  # shellcheck disable=SC2034 # the file tools lock here, against every other lane of this user
  TL_LOCKS=$TL_ROOT/k
  if { mkdir "$TL_TMP" && mkfifo "$TL_TMP/e" "$TL_TMP/m" "$TL_TMP/t" && printf '%s %s %s .\n' "$tl_lane_pid" "$tl_v" "${TL_PROGRAM##*/}" >"$TL_TMP/pid"; } 2>/dev/null; then
    exec 7<>"$TL_TMP/e" 8<>"$TL_TMP/m" 9<>"$TL_TMP/t"
    tl_unlock
    echo . >&9
  else
    rm -rf "$TL_TMP"
    tl_v="state not writable: $TL_ROOT" && return 1
  fi
}

# The lane's end. If all was removed on request, this lane's own directory was the last, and those above go with it, up to
# the one that was there before.
tl_lane_end() {
  tl_say "$TL_TMP/e" q
  # Workers that wait for the lock get it, find that nobody listens any more, and end.
  tl_n=0
  while [ "$tl_n" -lt 100 ]; do
    tl_unlock
    tl_n=$((tl_n + 1))
  done
  # A worker may be about to write a last file.
  tl_within 40 rm -rf "$TL_TMP"
  if [ ! -d "$TL_ROOT/x" ]; then tl_leave_place; fi
}

# tl_leave_place: all was removed: the directories go that were made for it. Several lanes may do this side by side: each step is
# done by one of them, and what it was can be seen by all.
tl_leave_place() {
  tl_above=${TL_ROOT%/towline/v1/*} tl_made=''
  if [ -s "$tl_above/towline/made" ]; then IFS='' read -r tl_made <"$tl_above/towline/made"; fi
  rmdir "$TL_ROOT/l"
  rmdir "$TL_ROOT"
  rmdir "$tl_above/towline/v1"
  if [ -e "$tl_above/towline/v1" ]; then return 0; fi
  rm -f "$tl_above/towline/made"
  rmdir "$tl_above/towline"
  while [ -n "$tl_made" ] && [ "${#tl_above}" -ge "${#tl_made}" ]; do
    rmdir "$tl_above" || return 0
    tl_above=${tl_above%/*}
  done
}

# --- requests ----------------------------------------------------------------------------------------------------

tl_serve() {
  while :; do
    if [ -n "$TL_FAST" ]; then
      # Two reads for all of it, where looking for the ends of lines would need one for each byte.
      # shellcheck disable=SC2086,SC3045 # splitting is the purpose, and no argument is empty; bash alone comes here
      IFS='' read -r -N 64 tl_line && set -- $tl_line && TL_REQ=$1 tl_op=$2 tl_bytes=$4 tl_plain=$6 &&
        IFS='' read -r -N "$5" tl_line && IFS=$tl_nl && set -f && set -- $tl_line && set +f || return 0
      IFS=$TL_IFS
    else
      IFS=' ' read -r TL_REQ tl_op tl_n tl_bytes tl_rest || return 0
      set --
      while [ "$tl_n" -gt 0 ]; do
        IFS='' read -r tl_line || return 0
        set -- "$@" "$tl_line"
        tl_n=$((tl_n - 1))
      done
    fi
    tl_no_room=''
    if [ "$tl_bytes" -gt 0 ]; then tl_take_payload "$tl_bytes" || return 0; fi
    case $tl_op$tl_no_room in
      ping)
        # Where all of this was removed, no outcome comes here any more: the next lane says so by its hello.
        if [ ! -d "$TL_TMP" ]; then return 0; fi
        tl_frame r "$TL_REQ" 0
        tl_look_after &
        ;;
      # Without its payload it goes on if it was taken before, and is refused if not.
      run | run1) tl_run "$@" ;;
      wait) tl_wait "$1" ;;
      over) tl_over "$1" ;;
      ack) tl_ack "$@" ;;
      *1)
        tl_frame b "$TL_REQ" enospc
        tl_frame r "$TL_REQ" 1
        ;;
      *) tl_work "$tl_op" "$@" & ;;
    esac
  done
}

# tl_take_payload COUNT: exactly COUNT bytes of stdin; false if that ends before. GNU head reads no byte more; the others do, so dd reads
# singly. Where the disk is full they are taken all the same, so that the next request is found; then tl_no_room is 1 and no file is left.
tl_take_payload() {
  # shellcheck disable=SC3045 # bash alone
  if [ -n "$TL_FAST" ] && [ "$tl_plain" = t ]; then
    IFS='' read -r -N "$1" tl_line || return 1
    printf %s "$tl_line" >"$TL_TMP/$TL_REQ.p" || { tl_no_room=1 && rm -f "$TL_TMP/$TL_REQ.p"; }
    return 0
  fi
  if [ -z "${tl_exact-}" ]; then
    tl_exact=no
    case $(printf abc | { head -c 1 >/dev/null 2>&1 && cat; }) in bc) tl_exact=yes ;; esac
  fi
  # What cannot be stored is read by somebody, or it would stand in the way.
  if [ "$tl_exact" = yes ]; then head -c "$1"; else dd ibs=1 obs=65536 count="$1" 2>/dev/null; fi | {
    cat >"$TL_TMP/$TL_REQ.p" || {
      : >"$TL_TMP/$TL_REQ.f"
      cat >/dev/null
    }
  }
  tl_size "$TL_TMP/$TL_REQ.p"
  if [ "$tl_v" -eq "$1" ]; then return 0; fi
  if [ ! -e "$TL_TMP/$TL_REQ.f" ]; then return 1; fi
  tl_no_room=1
  rm -f "$TL_TMP/$TL_REQ".*
}

# tl_work OP ARGUMENTS: one request that may take its time, in a process of its own.
tl_work() {
  tl_beside
  exec </dev/null 7>&-
  tl_body_file=$TL_TMP/$TL_REQ.b
  # The functions for these come with the request: towline's own text, as all of this program is.
  case $1 in facts | clean) tl_decode "$2" && eval "$tl_v" ;; esac
  case $1 in
    tool) tl_tool "$@" >"$tl_body_file" ;;
    output) tl_decode "$9" && tl_output "$2" "$3" "$4" "$5" "$6" "$7" "$8" "$tl_v" >"$tl_body_file" ;;
    stop) tl_stop "$2" "$3" >"$tl_body_file" ;;
    visits) tl_visits "$2" >"$tl_body_file" ;;
    # A list without its end found no room.
    jobs) { tl_jobs "$2" && echo .; } >"$tl_body_file" ;;
    session) tl_session_facts "$2" >"$tl_body_file" ;;
    end) tl_session_end "$2" >"$tl_body_file" ;;
    facts) tl_facts >"$tl_body_file" ;;
    sweep) tl_sweep "$2" "$3" "$4" "$5" "$6" >"$tl_body_file" ;;
    bound) printf '%s %s .\n' "$2" "$3" >"$TL_TMP/keep" && mv "$TL_TMP/keep" "$TL_ROOT/keep" ;;
    clean)
      shift 2
      if [ "$1" = all ]; then
        # Nothing is left that a reply could be kept in.
        tl_clean_all >/dev/null
        tl_frame b "$TL_REQ" "$tl_v"
        tl_frame r "$TL_REQ" 0
        return 0
      fi
      tl_clean "$@" >"$tl_body_file"
      ;;
    *) false ;;
  esac
  tl_status=$?
  # Who works in a session is told that a person was there.
  case $1 in tool) tl_s=$3 ;; session) tl_s=$2 ;; *) tl_s='' ;; esac
  if [ -n "$tl_s" ] && [ -e "$TL_ROOT/s/$tl_s/visits" ]; then tl_status="$tl_status v"; fi
  tl_reply "$TL_REQ" "$tl_status" "$tl_body_file"
  rm -f "$TL_TMP/$TL_REQ".*
}

# tl_tool tool NAME SESSION ARGUMENTS: a file tool, in the session's directory.
tl_tool() {
  tl_name=$2
  case $tl_name in *[!a-z]* | '') return 1 ;; esac
  tl_cwd=${HOME:-/}
  if [ -r "$TL_ROOT/s/$3/cwd" ]; then tl_read_cwd "$TL_ROOT/s/$3/cwd"; fi
  cd -- "$tl_cwd" 2>/dev/null || { echo "nocwd $tl_cwd" && return 1; }
  if [ -e "$TL_TMP/$TL_REQ.p" ]; then exec <"$TL_TMP/$TL_REQ.p"; fi
  tl_count=$#
  while [ "$tl_count" -gt 3 ]; do
    tl_decode "$4"
    tl_a=$1 tl_b=$2 tl_c=$3
    shift 4
    set -- "$tl_a" "$tl_b" "$tl_c" "$@" "$tl_v"
    tl_count=$((tl_count - 1))
  done
  shift 3
  "tl_tool_$tl_name" "$@"
}
