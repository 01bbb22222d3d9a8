# Read: windows of any number of files in one round trip.
# The reply: a field with the session's directory; a field with the kind of content name that this host can compute and
# the number of files; two fields for each file (path without links; words); then, for each file of which bytes were taken, a field `number state
# size`, an empty field, and the bytes of those in state `in`, one after the other. So no content is ever taken for a frame.

# tl_tool_read BUDGET SMALL IMAGE COUNTED (PATH FIRST LINES MAX)...: FIRST empty: the whole file. At most MAX bytes of each (IMAGE
# of a picture), BUDGET in all; a file of at most SMALL bytes comes whole in any case; lines are counted in files of at
# most COUNTED bytes.
tl_tool_read() {
  tl_f_begin
  tl_budget=$1 tl_small=$2 tl_image=$3 tl_counted=$4
  shift 4
  tl_f_strong
  tl_f_field "$tl_cwd"
  tl_f_field "$tl_kind $(($# / 4))"
  tl_i=0 tl_taken=''
  for tl_arg in "$@"; do
    case $((tl_i % 4)) in
      0) tl_path=$tl_arg ;;
      1) tl_first=$tl_arg ;;
      2) tl_lines=$tl_arg ;;
      3) tl_read_one "$tl_path" "$tl_arg" ;;
    esac
    tl_i=$((tl_i + 1))
  done
  tl_read_settle "$@"
  tl_f_field ''
  # shellcheck disable=SC2086 # names of our own, without spaces
  if [ -n "$tl_in" ]; then cd "$TL_TMP" && cat $tl_in; fi
}

# tl_read_one PATH MAX: writes a file's two fields and takes its bytes into $TL_REQ.rN, N being tl_i.
tl_read_one() {
  tl_real='' tl_linked=0
  if ! { tl_f_locate "$1" && tl_f_regular; }; then
    tl_words="err $tl_err"
  elif [ ! -r "./$tl_name" ]; then
    tl_words='err eacces'
  else
    tl_words=whole
    if [ -n "$tl_first" ]; then tl_read_window "$2"; fi
    case $tl_words in
      whole)
        if tl_f_take "$(($2 + 1))" "$TL_TMP/$TL_REQ.r$tl_i"; then
          tl_taken="$tl_taken $TL_REQ.r$tl_i"
        else
          tl_words='err eio'
        fi
        ;;
      window*) tl_taken="$tl_taken $TL_REQ.r$tl_i" ;;
    esac
  fi
  tl_f_field "$tl_real"
  tl_f_field "$tl_linked $tl_words"
}

# tl_read_window MAX: takes lines. The content's name is computed first: if the file changes meanwhile, the name is the old
# one and a later write is refused, never the other way round.
tl_read_window() {
  tl_size=$(wc -c <"./$tl_name") || { tl_words='err eio' && return 0; }
  tl_size=$((tl_size))
  if [ "$tl_size" -le "$tl_small" ]; then return 0; fi
  if [ "$tl_size" -gt 8388608 ] && tl_f_tag t "./$tl_name"; then :; else tl_f_tag "$tl_kind" "./$tl_name"; fi
  tl_count=-
  if [ "$tl_size" -le "$tl_counted" ]; then
    tl_count=$(wc -l <"./$tl_name")
    tl_count=$((tl_count))
    if [ "$tl_first" -gt "$((tl_count + 1))" ]; then
      tl_words="past $tl_count $tl_size $tl_v"
      return 0
    fi
  fi
  tl_words="window $tl_first $tl_count $tl_size $tl_v"
  tl_read_lines <"./$tl_name" | { head -c "$(($1 + 1))" 2>/dev/null || cat; } >"$TL_TMP/$TL_REQ.r$tl_i"
}
tl_read_lines() {
  if [ "$tl_first" -le 1 ]; then
    if [ -n "$tl_lines" ]; then head -n "$tl_lines"; else cat; fi
  elif [ -n "$tl_lines" ]; then
    tail -n +"$tl_first" | head -n "$tl_lines"
  else
    tail -n +"$tl_first"
  fi
}

# tl_read_settle ARGS: writes what became of the bytes of each file, and sets tl_in to the names of those that are sent.
tl_read_settle() {
  tl_in=''
  [ -n "$tl_taken" ] || return 0
  cd "$TL_TMP" || return 1
  # shellcheck disable=SC2086 # names of our own, without spaces
  tl_sizes=$(wc -c $tl_taken)
  tl_i=0
  for tl_arg in "$@"; do
    case $((tl_i % 4)) in
      0) tl_path=$tl_arg ;;
      1) tl_first=$tl_arg ;;
      3)
        case "$tl_taken " in *" $TL_REQ.r$tl_i "*) tl_read_state "$tl_path" "$tl_arg" ;; esac
        ;;
    esac
    tl_i=$((tl_i + 1))
  done
}
# tl_read_state PATH MAX: one of them; tl_sizes holds what wc said of those that are left.
tl_read_state() {
  tl_x=${tl_sizes%%"$TL_REQ.r$tl_i"*}
  tl_sizes=${tl_sizes#*"$TL_REQ.r$tl_i"}
  tl_size=$((${tl_x##*"$tl_nl"}))
  tl_state=in
  if [ "$tl_size" -gt "$2" ]; then
    tl_state=large
    if [ -z "$tl_first" ]; then tl_read_large "$1"; fi
    cd "$TL_TMP" || return 1
  fi
  if [ "$tl_state" = in ] && [ "$tl_size" -gt "$tl_budget" ]; then tl_state=full; fi
  if [ "$tl_state" = in ]; then
    tl_budget=$((tl_budget - tl_size)) tl_in="$tl_in $TL_REQ.r$tl_i"
  fi
  tl_f_field "$((tl_i / 4)) $tl_state $tl_size"
}
# tl_read_large PATH: more than was allowed for: a picture has a limit of its own, of others the true size is told.
tl_read_large() {
  tl_hex=$(od -An -tx1 -N12 "$TL_REQ.r$tl_i" | tr -d ' \n')
  tl_f_locate "$1" && tl_f_regular || return 0
  tl_size=$(($(wc -c <"./$tl_name")))
  case $tl_hex in
    89504e470d0a1a0a* | ffd8ff* | 47494638* | 52494646????????57454250)
      [ "$tl_size" -le "$tl_image" ] && tl_f_take "$((tl_image + 1))" "$TL_TMP/$TL_REQ.r$tl_i" || return 0
      tl_size=$(($(wc -c <"$TL_TMP/$TL_REQ.r$tl_i")))
      if [ "$tl_size" -le "$tl_image" ]; then tl_state=in; fi
      ;;
  esac
}
