# The pump of an execution: moves a FIFO's bytes into the spool, as they come and to the last one, within a bound.
# dd and not cat, since it tells how much it moved and stops at a count; and not a plain file as the command's
# stdout, since opening /dev/stdout would truncate that.
#
# Spool: NAME holds the first bytes; past TL_HEAD_CAP the newest bytes go to NAME.<offset>, where only the last
# complete piece and the one being written are kept. What lies between was dropped, and its size follows from the names.

TL_HEAD_CAP=16777216
TL_PIECE_CAP=8388608

# tl_move FILE: moves up to 64 reads of at most 64 KiB from stdin to the end of FILE; false at the end of input.
tl_move() {
  tl_v=$(LC_ALL=C dd bs=65536 count=64 2>&1 >>"$1")
  tl_v=${tl_v%% records in*}
  tl_v=${tl_v##*[!0-9+]}
  [ "$((${tl_v%%+*} + ${tl_v#*+}))" -eq 64 ] 2>/dev/null
}

# tl_size FILE: sets tl_v to its size in bytes.
tl_size() {
  tl_v=$(wc -c <"$1" 2>/dev/null) || tl_v=0
  tl_v=$((tl_v))
}

# tl_pump FIFO SPOOL TELL WORDS: until every writer is gone; then tells WORDS to the FIFO named TELL.
tl_pump() {
  exec <"$1"
  tl_full=
  while tl_move "$2"; do
    tl_size "$2"
    if [ "$tl_v" -ge "$TL_HEAD_CAP" ]; then tl_full=1 && break; fi
  done
  if [ -n "$tl_full" ]; then tl_pump_ring "$2"; fi
  tl_say "$3" "$4"
}

tl_pump_ring() {
  tl_at=$tl_v tl_old=''
  while :; do
    tl_piece=$1.$tl_at tl_more=1
    while :; do
      tl_move "$tl_piece" || { tl_more='' && break; }
      tl_size "$tl_piece"
      if [ "$tl_v" -ge "$TL_PIECE_CAP" ]; then break; fi
    done
    if [ -z "$tl_more" ]; then return 0; fi
    tl_at=$((tl_at + tl_v))
    if [ -n "$tl_old" ]; then rm -f "$tl_old"; fi
    tl_old=$tl_piece
  done
}
