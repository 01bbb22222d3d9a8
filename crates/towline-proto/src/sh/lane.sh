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
# attached to them, s/ sessions, l/ lanes, k/ locks of the file tools, keep the bounds that were said, p-* these programs.
#
# How it opens, and all that comes before its hello, is in open.sh.

tl_lane_main() {
  trap tl_lane_end EXIT
  tl_sender </dev/null &
  tl_serve
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
