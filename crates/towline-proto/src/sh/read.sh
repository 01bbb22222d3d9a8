# Read: windows of any number of files in one round trip.
# The reply: a field with the session's directory; a field with the kind of content name that this host can compute and the
# number of files; two fields for each file (path without links; words); then, for each file of which there are bytes, a field
# `number state size`; an empty field; and the bytes of those in state `in`, each with NONCE after it. The nonce is new and
# nobody's but the caller's, so no content is ever taken for a frame, not even of a file that is being written. Other states:
# `large` (more than was allowed), `full` (the budget is used up), `again` (it went away meanwhile).

# tl_tool_read NONCE BUDGET SMALL IMAGE COUNTED (PATH FIRST LINES MAX)...: FIRST empty: the whole file. At most MAX bytes of each (IMAGE
# of a picture), BUDGET in all; a file of at most SMALL bytes comes whole in any case; lines are counted in files of at
# most COUNTED bytes.
tl_tool_read() {
  tl_f_begin
  tl_nonce=$1 tl_budget=$2 tl_small=$3 tl_image=$4 tl_counted=$5
  shift 5
  tl_f_strong
  tl_f_field "$tl_cwd"
  tl_f_field "$tl_kind $(($# / 4))"
  tl_i=0 tl_n=$(($# / 4)) tl_plan=''
  # What is asked for goes from the front of the arguments; where the bytes are comes to their end.
  while [ "$tl_i" -lt "$tl_n" ]; do
    tl_first=$2 tl_lines=$3 tl_max=$4
    tl_read_one "$1"
    shift 4
    if [ -n "$tl_source" ]; then set -- "$@" "$tl_source" && tl_plan="$tl_plan $tl_i:$tl_max:$tl_first"; fi
    tl_i=$((tl_i + 1))
  done
  if [ "$#" -gt 0 ]; then tl_read_send "$@"; else tl_f_field ''; fi
}

# tl_read_one PATH: writes a file's two fields; sets tl_source to the file that holds the bytes.
tl_read_one() {
  tl_real='' tl_linked=0 tl_source=''
  if ! { tl_f_locate "$1" && tl_f_regular; }; then
    tl_words="err $tl_err"
  elif [ ! -r "./$tl_name" ]; then
    tl_words='err eacces'
  else
    tl_words=whole tl_source=$tl_real tl_from=./$tl_name
    # Some wc write a name with a newline in quotes: it gets a plain name beside it.
    case $tl_real in *"$tl_nl"*) tl_source=$TL_TMP/$TL_REQ.r$tl_i && ln -s "$tl_real" "$tl_source" ;; esac
    if tl_f_kernel "$tl_real"; then
      tl_source=$TL_TMP/$TL_REQ.k$tl_i tl_from=$tl_source
      tl_f_copy "./$tl_name" "$tl_source" || tl_words="err $tl_err" tl_source=''
    fi
    if [ -n "$tl_first" ] && [ -n "$tl_source" ]; then tl_read_window; fi
  fi
  tl_f_field "$tl_real"
  tl_f_field "$tl_linked $tl_words"
}

# tl_read_window: takes lines of tl_from into a file of its own. The content's name is computed first: if the file changes meanwhile, the
# name is the old one and a later write is refused, never the other way round.
tl_read_window() {
  tl_size=$(wc -c <"$tl_from") || { tl_words='err eio' tl_source='' && return 0; }
  tl_size=$((tl_size))
  if [ "$tl_size" -le "$tl_small" ]; then tl_first='' && return 0; fi
  if [ "$tl_size" -gt 8388608 ] && tl_f_tag t "$tl_from"; then :; else tl_f_tag "$tl_kind" "$tl_from"; fi
  tl_count=-
  if [ "$tl_size" -le "$tl_counted" ]; then
    tl_count=$(wc -l <"$tl_from")
    tl_count=$((tl_count))
    if [ "$tl_first" -gt "$((tl_count + 1))" ]; then
      tl_words="past $tl_count $tl_size $tl_v" tl_source=''
      return 0
    fi
  fi
  tl_words="window $tl_first $tl_count $tl_size $tl_v" tl_source=$TL_TMP/$TL_REQ.w$tl_i
  tl_read_lines <"$tl_from" | { head -c "$((tl_max + 1))" || cat; } >"$tl_source"
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

# tl_read_send SOURCE...: writes what becomes of the bytes of each (tl_plan: number, most, first line), and the bytes. The number of
# processes does not depend on the number of files.
tl_read_send() {
  tl_read_sizes "$@"
  tl_mark=$TL_TMP/$TL_REQ.m
  printf %s "$tl_nonce" >"$tl_mark"
  for tl_source in "$@"; do
    shift
    tl_plan=${tl_plan# } && tl_now=${tl_plan%% *} && tl_plan=${tl_plan#"$tl_now"}
    tl_sizes=${tl_sizes# } && tl_size=${tl_sizes%% *} && tl_sizes=${tl_sizes#"$tl_size"}
    tl_max=${tl_now#*:}
    tl_read_state "${tl_max%%:*}" "${tl_max#*:}"
    if [ "$tl_state" = in ]; then
      set -- "$@" "$tl_source" "$tl_mark" && tl_budget=$((tl_budget - tl_size))
    fi
    tl_f_field "${tl_now%%:*} $tl_state $tl_size"
  done
  tl_f_field ''
  if [ "$#" -gt 0 ]; then cat "$@"; fi
}

# tl_read_state MAX FIRST: sets tl_state for tl_source and tl_size. A picture has a limit of its own.
tl_read_state() {
  tl_state=in
  if [ "$tl_size" -lt 0 ]; then
    tl_state=again tl_size=0
  elif [ "$tl_size" -gt "$1" ]; then
    tl_state=large
    if [ -z "$2" ] && [ "$tl_size" -le "$tl_image" ]; then
      case $(od -An -tx1 -N12 "$tl_source" | tr -d ' \n') in
        89504e470d0a1a0a* | ffd8ff* | 47494638* | 52494646????????57454250) tl_state=in ;;
      esac
    fi
  fi
  if [ "$tl_state" = in ] && [ "$tl_size" -gt "$tl_budget" ]; then tl_state=full; fi
}

# tl_read_sizes FILE...: sets tl_sizes to a space and the size for each, -1 if it is gone. Each line of wc ends with a name that is
# known, whatever it holds.
tl_read_sizes() {
  tl_v=$(wc -c "$@"; printf x) tl_sizes=''
  for tl_arg in "$@"; do
    tl_x=-1
    case $tl_v in
      *" $tl_arg$tl_nl"*)
        tl_x=${tl_v%%" $tl_arg$tl_nl"*}
        tl_v=${tl_v#*" $tl_arg$tl_nl"}
        tl_x=${tl_x##*"$tl_nl"}
        tl_x=${tl_x##* }
        case $tl_x in '' | *[!0-9]*) tl_x=-1 ;; esac
        ;;
    esac
    tl_sizes="$tl_sizes $tl_x"
  done
}
