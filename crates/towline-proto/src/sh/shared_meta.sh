# What `stat` or `ls` says of names, in groups; the caller reads the lines.

# tl_f_meta NAME...: writes, for each group: a field `COUNT FORM`, COUNT fields with the names, a field with one line for each (FORM
# `gnu` or `bsd`, in their order: mode, size, mtime, owner; `ls`: as `ls -ld` writes and sorts them; `gone`: none), and, if FORM is
# not `ls`, a field with `ls -ld` lines of those that are links and hold no newline. Each name is ./NAME or absolute.
tl_f_meta() {
  tl_form=''
  if command -v stat >/dev/null 2>&1; then
    if tl_v=$(stat -c '%A %s %Y %U:%G' "$@"); then
      tl_form=gnu
    elif tl_v=$(stat -f '%Sp %z %m %Su:%Sg' "$@"); then
      tl_form=bsd
    fi
  fi
  if [ -z "$tl_form" ]; then
    # Lines of ls are told apart by their names: one that holds a newline goes alone.
    case $# in 1) tl_v='' ;; *) tl_v="$*" ;; esac
    case $tl_v in
      *"$tl_nl"*) ;;
      *)
        if tl_v=$(ls -ld "$@" && printf x); then tl_form='ls'; fi
        tl_v=${tl_v%"$tl_nl"x}
        ;;
    esac
  fi
  if [ -n "$tl_form" ]; then
    tl_f_group "$@"
  elif [ "$#" -eq 1 ]; then
    tl_form=gone tl_v=''
    tl_f_group "$1"
  else
    # One of them is gone, or needs to be alone.
    for tl_arg in "$@"; do tl_f_meta "$tl_arg"; done
  fi
}
tl_f_group() {
  tl_f_field "$# $tl_form"
  for tl_arg in "$@"; do tl_f_field "$tl_arg"; done
  tl_f_field "$tl_v"
  tl_v=''
  case $tl_form in gnu | bsd)
    for tl_arg in "$@"; do
      shift
      case $tl_arg in *"$tl_nl"*) continue ;; esac
      if [ -L "$tl_arg" ]; then set -- "$@" "$tl_arg"; fi
    done
    if [ "$#" -gt 0 ]; then tl_v=$(ls -ld "$@"); fi
    ;;
  esac
  tl_f_field "$tl_v"
}
