# Reading an execution's spool: sizes, slices, waits. Offsets count the bytes of the stream from its first; a stretch
# that the cap dropped has offsets too, and is told as dropped.

# tl_extent SPOOL: sets tl_total (bytes of the stream), tl_head (bytes in the first file), tl_from (offset at which the
# newest pieces begin; equals tl_head where nothing was dropped). A slice never reads past tl_total.
tl_extent() {
  tl_size "$1"
  tl_head=$tl_v tl_total=$tl_v tl_from=''
  for tl_f in "$1".[0-9]*; do
    if [ ! -e "$tl_f" ]; then continue; fi
    tl_at=${tl_f##*.}
    tl_size "$tl_f"
    if [ "$((tl_at + tl_v))" -gt "$tl_total" ]; then tl_total=$((tl_at + tl_v)); fi
    if [ -z "$tl_from" ] || [ "$tl_at" -lt "$tl_from" ]; then tl_from=$tl_at; fi
  done
  if [ -z "$tl_from" ]; then tl_from=$tl_head; fi
}

# tl_slice SPOOL OFFSET COUNT: prints those bytes of the stream, without what was dropped.
tl_slice() {
  tl_cut "$1" "$2" "$3" 0
  for tl_f in $(tl_pieces "$1"); do tl_cut "$1.$tl_f" "$2" "$3" "$tl_f"; done
}

# tl_cut FILE OFFSET COUNT BASE: the part of FILE, whose first byte has the offset BASE, that the slice covers.
tl_cut() {
  tl_skip=$(($2 - $4)) tl_take=$3
  if [ "$tl_skip" -lt 0 ]; then tl_take=$((tl_take + tl_skip)) tl_skip=0; fi
  if [ "$tl_take" -gt 0 ]; then tail -c "+$((tl_skip + 1))" "$1" | tl_first "$tl_take"; fi
}

# tl_first COUNT: the first COUNT bytes of a stream whose rest nobody needs.
tl_first() {
  head -c "$1" || dd ibs=1 obs=65536 count="$1"
}

# tl_output HANDLE STREAM OFFSET LIMIT TAIL WAIT FOR PATTERN: waits up to WAIT hundredths of a second for the end
# (end), for more than OFFSET bytes (output) or for a line that matches the basic pattern (pattern); then prints a line
# of facts, a line with the directory, and the bytes. OFFSET may be `end` with `output`: past what is there now.
tl_output() {
  tl_state_of "$1"
  if [ "$tl_state" = away ]; then
    # A home may be shared by several hosts; what is another's is neither judged nor ended from here.
    for tl_f in "${TL_ROOT%/*}"/*/x/"$1"; do
      if [ -e "$tl_f" ]; then tl_f=${tl_f%/x/*} && echo "node ${tl_f##*/}" && return 1; fi
    done
    if grep -q -s -x -e "e $1" "$TL_ROOT/index"; then echo expired; else echo unknown; fi
    return 1
  fi
  if [ "$tl_state" = queued ] && [ "$6" -gt 0 ]; then tl_urge "$1"; fi
  tl_w_for=$7 tl_w_off=$3 tl_why=none tl_naps=0
  tl_now
  tl_until=$((tl_v + $6))
  tl_stream_file "$2"
  tl_extent "$tl_spool"
  if [ "$tl_w_off" = end ]; then tl_w_off=$tl_total; fi
  while [ "$6" -gt 0 ]; do
    case $tl_state in running | queued) ;; *) tl_why=end && break ;; esac
    case $tl_w_for in
      output) if [ "$tl_total" -gt "$tl_w_off" ]; then tl_why=output && break; fi ;;
      pattern) if tl_slice "$tl_spool" "$tl_w_off" 8000000 | grep -q -E -e "$8"; then tl_why=pattern && break; fi ;;
    esac
    tl_now
    # Each look is a twentieth of a second after the one before it, whatever the clock says.
    if [ "$tl_v" -ge "$tl_until" ] || [ "$tl_naps" -gt "$(($6 / 5))" ]; then tl_why='time' && break; fi
    tl_naps=$((tl_naps + 1))
    tl_nap
    tl_state_of "$1"
    tl_stream_file "$2"
    if [ "$tl_w_for" != end ]; then tl_extent "$tl_spool"; fi
  done
  tl_extent "$tl_spool"
  if [ "$5" -gt 0 ]; then tl_last_bytes "$4"; fi
  tl_now
  printf '%s|%s|%s|%s|%s|%s|%s\n' "$tl_state" "$tl_total" "$tl_head" "$tl_from" "$tl_w_off" "$((tl_v - ${tl_began:-$tl_v}))" "$tl_why"
  printf '%s\n.\n' "$tl_cwd"
  if [ "$5" -eq 0 ]; then
    tl_slice "$tl_spool" "$tl_w_off" "$4"
  elif [ -s "$TL_TMP/$TL_REQ.t" ]; then
    tail -n "$5" "$TL_TMP/$TL_REQ.t"
  else
    tl_slice "$tl_spool" "$tl_w_off" "$4" | tail -n "$5"
  fi
}

# tl_last_bytes COUNT: sets tl_w_off to the first of the last COUNT bytes, in which the last lines are looked for. What prints fast enough
# drops them while they are read: there they are put aside first.
tl_last_bytes() {
  for tl_tries in 1 2 3 4 5; do
    tl_w_off=$((tl_total - $1))
    if [ "$tl_w_off" -lt 0 ]; then tl_w_off=0; fi
    if [ "$tl_state" != running ] || [ "$tl_from" -eq "$tl_head" ]; then return 0; fi
    tl_slice "$tl_spool" "$tl_w_off" "$1" >"$TL_TMP/$TL_REQ.t"
    if [ -s "$TL_TMP/$TL_REQ.t" ]; then return 0; fi
    tl_extent "$tl_spool"
  done
}

tl_stream_file() {
  if [ "$1" = stderr ]; then
    tl_spool=${tl_spool}e
  elif [ -n "$tl_kept" ]; then
    # What is in the record is read as if it were a spool.
    tl_decode "$tl_kept"
    tl_spool=$TL_TMP/$TL_REQ.s
    printf %s "$tl_v" >"$tl_spool"
  fi
}
