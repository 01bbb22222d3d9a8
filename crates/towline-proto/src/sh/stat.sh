# Stat: what paths are; links are told, not followed.
# The reply: a field with the session's directory; for each path a field: `ok`, `link` or `err WORD`, and for a link a field with
# its target; then an empty field, and groups of tl_f_meta for those that are there, in order.

# tl_tool_stat PATH...
tl_tool_stat() {
  tl_f_begin
  tl_f_field "$tl_cwd"
  for tl_arg in "$@"; do
    shift
    tl_stat_one "$tl_arg"
    case $tl_words in
      ok | link) set -- "$@" "$tl_arg" ;;
    esac
  done
  tl_f_field ''
  if [ "$#" -gt 0 ]; then tl_f_meta "$@"; fi
}

# tl_stat_one PATH: writes its fields, sets tl_arg to the absolute path.
tl_stat_one() {
  tl_words=ok
  case $tl_arg in
    '') tl_words='err enoent' ;;
    /*) ;;
    *) tl_arg=${tl_cwd%/}/$tl_arg ;;
  esac
  if [ "$tl_words" != ok ]; then
    :
  elif [ -L "$tl_arg" ]; then
    # readlink and ls need a name that cannot hold ` -> ` before the target's.
    tl_words='link'
    tl_f_field "$tl_words"
    tl_f_readlink "$tl_arg"
    tl_f_field "$tl_v"
    return 0
  elif [ ! -e "$tl_arg" ]; then
    tl_f_why "$tl_arg"
    tl_words="err $tl_err"
  fi
  tl_f_field "$tl_words"
}
