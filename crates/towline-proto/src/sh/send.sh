# What a lane sends: frames, each written whole under one lock, and executions' outcomes with the ends of their output.

# tl_lock, tl_unlock: the lock is a token in a FIFO.
# shellcheck disable=SC2034 # a token is taken, not read
tl_lock() { read -r tl_token <&8; }
tl_unlock() { echo . >&8; }

# tl_beside: for a process that is forked off the lane: the lane's own end is not its business, and where nobody listens any more it
# dies in the middle of a frame, and must not take the lock with it.
tl_beside() {
  trap - EXIT
  trap 'tl_unlock; exit 0' PIPE
}

# tl_put TAG KEY TEXT: one frame with a text without NUL, by whoever has the lock. tl_frame: the same with the lock taken.
tl_put() {
  printf '%s %s %s\n%s' "$1" "$2" "${#3}" "$3"
}
tl_frame() {
  tl_lock
  tl_put "$@"
  tl_unlock
}

# tl_small FILE: sets tl_body to all of a file that is at most 32 KiB and holds no NUL; false if it is not, or cannot be known.
tl_small() {
  tl_body=''
  if [ -z "$TL_FAST" ]; then return 1; fi
  # shellcheck disable=SC3045 # bash alone comes here
  ! IFS='' read -r -d '' -n 32769 tl_body <"$1" && [ "${#tl_body}" -le 32768 ]
}

# tl_put_file TAG KEY FILE OFFSET COUNT: bytes of a file, at most 32 KiB, as one frame, by whoever has the lock.
tl_put_file() {
  printf '%s %s %s\n' "$1" "$2" "$5"
  tail -c "+$(($4 + 1))" "$3" | tl_first "$5"
}

# tl_send_text TAG KEY FILE: a file in frames as below, without a process, as far as it holds no NUL and is not large; false where it ends
# before; sets tl_sent to how much that is.
tl_send_text() {
  tl_sent=0
  if [ -z "$TL_FAST" ]; then return 1; fi
  while [ "$tl_sent" -lt 131072 ]; do
    # shellcheck disable=SC3045 # bash alone comes here
    IFS='' read -r -d '' -n 32768 tl_body
    tl_rc=$?
    if [ -n "$tl_body" ]; then
      tl_frame "$1" "$2" "$tl_body"
      tl_sent=$((tl_sent + ${#tl_body}))
    fi
    if [ "$tl_rc" -ne 0 ]; then return 0; fi
    if [ "${#tl_body}" -lt 32768 ]; then return 1; fi
  done <"$3"
  return 1
}

# tl_send_file TAG KEY FILE COUNT: a file, from tl_sent on, in frames of at most 32 KiB, each under the lock by itself, so that others go between.
tl_send_file() {
  while [ "$tl_sent" -lt "$4" ]; do
    tl_part=$(($4 - tl_sent))
    if [ "$tl_part" -gt 32768 ]; then tl_part=32768; fi
    tl_lock
    tl_put_file "$1" "$2" "$3" "$tl_sent" "$tl_part"
    tl_unlock
    tl_sent=$((tl_sent + tl_part))
  done
}

# tl_reply KEY STATUS FILE: a reply whose body is in a file that this lane owns.
tl_reply() {
  if [ -s "$3" ] && ! tl_send_text b "$1" "$3"; then
    tl_size "$3"
    tl_send_file b "$1" "$3" "$tl_v"
  fi
  tl_frame r "$1" "$2"
}

# tl_sender: waits for words from supervisors (`x HANDLE` there is an outcome, `f FRAMES .` this is it, escaped, `n HANDLE` it cannot
# begin) and sends what there is; small outcomes itself, large ones in a process of their own.
tl_sender() {
  tl_beside
  trap 'exit 0' TERM
  # For reading alone: when the lane's process is gone, however it went, this is at its end.
  exec 7<"$TL_TMP/e"
  while tl_listen; do
    tl_rest=${tl_line#* }
    tl_h=${tl_rest%% *}
    case $tl_line in
      'f '*)
        tl_rest=${tl_rest%' .'*}
        tl_lock
        printf %b "$tl_rest"
        tl_unlock
        ;;
      'n '*) tl_frame n "$tl_h" state ;;
      'q'*) exit 0 ;;
      # x, and whatever a session's supervisor of another towline says of an outcome.
      *) tl_send_outcome "$tl_h" ;;
    esac
  done
}

# tl_listen: the next line for this lane, into tl_line.
tl_listen() {
  # shellcheck disable=SC3045 # bash alone
  if [ -n "$TL_FAST" ]; then IFS='' read -r -N 256 -u 7 tl_line; else IFS='' read -r tl_line <&7; fi
}

tl_send_outcome() {
  tl_read_record "$1"
  tl_text=$tl_state$tl_nl$tl_cwd
  case $tl_state in
    running | queued | away) ;;
    never*) tl_frame x "$1" "$tl_text" ;;
    *) tl_send_one "$1" ;;
  esac
}

# tl_send_one HANDLE: the output in tl_spool and the outcome in tl_text.
tl_send_one() {
  case $tl_c_flags in
    *e*) tl_send_spools "$1" & ;;
    *)
      if [ -n "$tl_kept" ]; then
        tl_decode "$tl_kept"
        tl_body=$tl_v
      elif [ -s "$tl_spool" ]; then
        tl_small "$tl_spool" || tl_body=''
      else
        tl_frame x "$1" "$tl_text"
        return
      fi
      if [ -n "$tl_body" ]; then
        # Both frames in one write: the receiver is woken once.
        tl_lock
        printf 'o %s %s\n%sx %s %s\n%s' "$1" "${#tl_body}" "$tl_body" "$1" "${#tl_text}" "$tl_text"
        tl_unlock
      else
        tl_send_spools "$1" &
      fi
      ;;
  esac
}

# tl_send_spools HANDLE: head and tail of the stream, or of both, then the outcome, and nothing of another between them: whoever
# waits for this execution twice gets all of it twice. The ends are cut out before; the lock is held for no more than 64 KiB.
tl_send_spools() {
  tl_beside
  exec </dev/null
  tl_own_pid
  tl_cut=$TL_TMP/$1.$tl_v tl_short=''
  tl_ends "$tl_spool" "$tl_cut.o"
  case $tl_c_flags in *e*) tl_ends "${tl_spool}e" "$tl_cut.f" ;; esac
  # Where there was no room to cut the ends out, that is said: it is not for a reader to think that nothing was printed.
  if [ -n "$tl_short" ]; then
    tl_rest=${tl_text#"${tl_text%%"$tl_nl"*}"} tl_line=${tl_text%%"$tl_nl"*}
    tl_text="${tl_line% *} f${tl_line##* }$tl_rest"
  fi
  tl_lock
  tl_put_ends o t "$1" "$tl_cut.o"
  case $tl_c_flags in *e*) tl_put_ends f u "$1" "$tl_cut.f" ;; esac
  tl_put x "$1" "$tl_text"
  tl_unlock
  rm -f "$tl_cut".*
}

# tl_ends SPOOL FILE: all of the spool up to 32 KiB into FILE.h; else 16 KiB of each end into FILE.h and FILE.t, whose first line
# has the sizes: of all, and of what was dropped.
tl_ends() {
  tl_extent "$1"
  if [ "$tl_total" -le 32768 ]; then
    tl_slice "$1" 0 "$tl_total" >"$2.h"
    tl_size "$2.h"
    if [ "$tl_v" -lt "$tl_total" ]; then tl_short=1; fi
  else
    tl_slice "$1" 0 16384 >"$2.h"
    { echo "$tl_total $((tl_from - tl_head))" && tl_slice "$1" "$((tl_total - 16384))" 16384; } >"$2.t"
    tl_size "$2.t"
    if [ "$tl_v" -le 16384 ]; then tl_short=1; fi
    tl_size "$2.h"
    if [ "$tl_v" -lt 16384 ]; then tl_short=1; fi
  fi
}

# tl_put_ends HEADTAG TAILTAG HANDLE FILE: what tl_ends cut, by whoever has the lock.
tl_put_ends() {
  tl_size "$4.h"
  if [ "$tl_v" -gt 0 ]; then tl_put_file "$1" "$3" "$4.h" 0 "$tl_v"; fi
  if [ -s "$4.t" ]; then
    tl_size "$4.t"
    tl_put_file "$2" "$3" "$4.t" 0 "$tl_v"
  fi
}
