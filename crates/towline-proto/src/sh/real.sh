# Real: where paths lead, links followed; of what is not there yet, where it would be.
# The reply: a field with the session's directory; for each path a field: `ok` and a field with the path without links, or `err WORD`.

# tl_tool_real PATH...
tl_tool_real() {
  tl_f_begin
  tl_f_field "$tl_cwd"
  for tl_arg in "$@"; do
    if tl_real_find "$tl_arg"; then
      tl_f_field ok
      tl_f_field "$tl_real"
    else
      tl_f_field "err $tl_err"
    fi
  done
}

# tl_real_find PATH: sets tl_real. Names that lead nowhere are taken off from the end, and what is there is followed; links that lead
# nowhere are followed, too, since what is written there would be made at their ends.
tl_real_find() {
  tl_at=$1 tl_below=''
  while :; do
    if tl_f_locate "$tl_at"; then
      [ "$tl_name" != . ] || tl_real=$PWD
      tl_real=${tl_real%/}$tl_below
      [ -n "$tl_real" ] || tl_real=/
      return 0
    fi
    [ "$tl_err" = enoent ] || return 1
    while :; do
      case $tl_at in
        /*/) tl_at=${tl_at%/} ;;
        *) break ;;
      esac
    done
    case ${tl_at##*/} in
      # What goes up from nowhere could lead anywhere.
      '' | . | ..) return 1 ;;
    esac
    tl_below=/${tl_at##*/}$tl_below
    tl_at=${tl_at%/*}
    [ -n "$tl_at" ] || tl_at=/
  done
}
