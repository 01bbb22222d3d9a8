# Edit: pieces of a file are replaced by pieces from standard input, if its content is the one that the caller knows.
# The reply: fields with the session's directory, the path without links, and words: `done`, 1 if a link was followed, the size, what
# could not be kept; or `changed`, 1 if a link was followed, the size of what is there now, and then those bytes.

# tl_tool_splice PATH BEFORE AFTER NONCE MAX (SKIP DELETE INSERT)...: copies SKIP bytes, leaves DELETE out, takes INSERT from
# standard input; then the rest. BEFORE and AFTER are the names of the contents. At most MAX bytes of a changed file are sent.
tl_tool_splice() {
  tl_f_begin
  tl_splice "$@" || tl_f_fail
}

tl_splice() {
  tl_path=$1 tl_tag=$2 tl_after=$3 tl_nonce=$4 tl_max=$5 tl_errors=$TL_TMP/$TL_REQ.e tl_lost=''
  shift 5
  tl_f_locate "$tl_path" && tl_f_regular || return 1
  tl_err=eacces && [ -r "./$tl_name" ] && [ -w "./$tl_name" ] || return 1
  tl_err='' && tl_f_old || return 1
  tl_f_mask
  tl_f_stage "$tl_v" tl_splice_body "$@" || return 1
  # That the pieces make the expected content also shows that they were cut from the expected one.
  tl_f_tag "${tl_after%%:*}" "$tl_temp"
  if [ "$tl_v" != "$tl_after" ]; then
    tl_f_blame changed
    tl_f_drop
  else
    tl_f_keep
    tl_f_swap
  fi
  case $tl_err in
    '') tl_f_field "$tl_cwd" && tl_f_field "$tl_real" && tl_f_field "done $tl_linked $tl_now$tl_lost" ;;
    changed) tl_splice_current ;;
    *) return 1 ;;
  esac
}

# tl_splice_body (SKIP DELETE INSERT)...: every dd makes one read of just as many bytes from a regular file; the others go on
# from there.
tl_splice_body() {
  {
    while [ $# -ge 3 ]; do
      if [ "$1" -gt 0 ]; then dd bs="$1" count=1; fi
      if [ "$2" -gt 0 ]; then dd bs="$2" count=1 >/dev/null; fi
      if [ "$3" -gt 0 ]; then dd bs="$3" count=1 <&3; fi
      shift 3
    done
    dd bs=65536 conv=fsync || cat
  } 3<&0 <"./$tl_name"
}

tl_splice_current() {
  tl_err=eio
  tl_f_take "$((tl_max + 1))" "$TL_TMP/$TL_REQ.r" || return 1
  tl_now=$(($(wc -c <"$TL_TMP/$TL_REQ.r")))
  tl_f_field "$tl_cwd"
  tl_f_field "$tl_real"
  tl_f_field "changed $tl_linked $tl_now"
  if [ "$tl_now" -le "$tl_max" ]; then cat "$TL_TMP/$TL_REQ.r"; fi
}
