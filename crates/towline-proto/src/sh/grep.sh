# Grep: by ripgrep where the host has it, else by find (in a git work tree: git ls-files) and grep, with the same contract.
# tl_tool_grep BYTES WANT PATH BASE RUST FLAGS AFTER BEFORE LINES MANY COLUMNS PLAIN ERE FOUND TRIM SECONDS NAME...
#   BYTES  how long all the other arguments are together
#   WANT   files, count or lines: what is asked of ripgrep
#   PATH   the file or directory to search; empty for the current one
#   BASE   the directories below PATH that the glob begins with; empty for none
#   RUST   the pattern for ripgrep
#   FLAGS  letters: i (upper and lower case alike), m (may span lines), o (only what matched)
#   AFTER, BEFORE  lines of context
#   LINES  at most so many lines of reply;  MANY  at most so many files
#   COLUMNS  ripgrep leaves out lines that are longer
#   PLAIN  what is asked without ripgrep: files, count, lines, text, "files lines" or "files text"
#   ERE    an expression for grep -E that matches every line that RUST matches, and maybe more: who asked decides
#   FOUND  without ripgrep no more files are looked at when so many lines were found
#   TRIM   lines without ripgrep are sent up to this length
#   SECONDS  the search is ended after that time, and what was found by then is the answer
#   NAME   patterns of find -name, one of which the last name must match; none for all
# The reply: stamps (files), PATH NUL COUNT newline (count), or lines; for two things the second after a record of NUL newline.
# Lines by ripgrep: PATH NUL NUMBER then : or - then the line; without it: NUL PATH NUL and all of that file's lines; text: NUL
# PATH NUL and the file. Files that hold a NUL byte are left out: so it is clear where a path begins.
tl_tool_grep() {
  tl_f_begin
  tl_s_whole "$@" || { tl_f_fail; return 1; }
  shift
  tl_want=$1 tl_base=$3 tl_rust=$4 tl_flags=$5 tl_after=$6 tl_before=$7 tl_lines=$8 tl_many=$9
  tl_s_root "$2" || { tl_f_fail; return 1; }
  shift 9
  tl_columns=$1 tl_plain=$2 tl_ere=$3 tl_found=$4 tl_trim=$5 tl_late=$6
  shift 6
  tl_t=$TL_TMP/$TL_REQ tl_leave='' tl_own=''
  [ -n "$tl_one" ] || tl_s_leave "$tl_base" || { tl_f_fail; return 1; }
  if [ -n "$tl_one" ] && tl_grep_binary "$tl_one"; then
    tl_s_end binary 0 1 0
    return 0
  fi
  if [ -z "$tl_one" ] && [ -n "$tl_base" ] && [ ! -d "./$tl_base" ]; then
    tl_s_end plain 0 1 0
    return 0
  fi
  # A ripgrep that cannot do it (too old for a flag or for the pattern) is as good as none.
  if command -v rg >/dev/null 2>&1 && tl_grep_rg "$@"; then return 0; fi
  tl_grep_plain "$@"
}

# tl_grep_binary FILE: succeeds if it holds a NUL byte.
tl_grep_binary() {
  tl_v=$(tr -dc '\000' <"$1" | wc -c)
  [ "$((tl_v))" -gt 0 ]
}

# tl_grep_rg NAME...: the whole search by ripgrep. Fails, and has written nothing, if it refused the request.
tl_grep_rg() {
  tl_n=$#
  [ "$tl_n" -eq 0 ] || set -- "$@" --type towline
  while [ "$tl_n" -gt 0 ]; do
    tl_v=$1
    shift
    set -- "$@" --type-add "towline:$tl_v"
    tl_n=$((tl_n - 1))
  done
  for tl_v in .git .svn .hg .bzr .jj .sl; do set -- "$@" --glob "!$tl_v"; done
  tl_ifs=$IFS IFS=$tl_nl
  for tl_v in $tl_leave; do set -- "$@" --glob "!$tl_v"; done
  IFS=$tl_ifs
  case $tl_flags in *i*) set -- "$@" --ignore-case ;; esac
  case $tl_flags in *m*) set -- "$@" --multiline --multiline-dotall ;; esac
  case $tl_want in
    # A list would hold binary files, too, where a match stands before the first NUL byte; counts do not.
    files | count) set -- "$@" --count ;;
    lines)
      set -- "$@" --sort path --line-number --max-columns "$tl_columns" --after-context "$tl_after" --before-context "$tl_before"
      case $tl_flags in *o*) set -- "$@" --only-matching ;; esac
      ;;
  esac
  set -- "$@" --no-config --hidden --no-ignore-dot --no-ignore-messages --color never --no-heading --with-filename --null
  set -- "$@" --regexp="$tl_rust" -- "${tl_one:-./$tl_base}"
  tl_status=0 tl_from=rg tl_cut=0
  case $tl_want in
    files) { tl_f_within "$tl_late" rg "$@"; echo "$?" >"$tl_t.s"; } 2>"$tl_t.e" | tr '\n\000' '\001\n' | head -n "$tl_many" >"$tl_t.l" ;;
    count) { tl_f_within "$tl_late" rg "$@"; echo "$?" >"$tl_t.s"; } 2>"$tl_t.e" | head -n "$tl_many" >"$tl_t.o" ;;
    lines) { tl_f_within "$tl_late" rg "$@"; echo "$?" >"$tl_t.s"; } 2>"$tl_t.e" | head -n "$tl_lines" >"$tl_t.o" ;;
  esac
  if [ -s "$tl_t.s" ]; then read -r tl_status <"$tl_t.s"; fi
  tl_s_errors "$tl_t.e"
  case $tl_status in 124 | 137 | 143) tl_status=0 tl_cut=2 ;; esac
  if [ "$tl_status" -ge 2 ]; then
    case $tl_error in *'(os error '*) ;; *) return 1 ;; esac
  fi
  case $tl_want in
    files)
      tl_s_held "$tl_t.l" || return 1
      tl_grep_marks
      tl_grep_stamps <"$tl_t.l"
      ;;
    *) dd bs=65536 count=32 <"$tl_t.o" 2>/dev/null ;;
  esac
  tl_s_end rg "$tl_status" 1 "$tl_cut"
}

# tl_grep_marks: sets the bytes that lists are parted with.
tl_grep_marks() {
  tl_soh=$(printf '\001')
  tl_tab=$(printf '\t')
}

# tl_grep_name LINE: sets tl_f to the file that a line of a list means; in a list a newline is written as the byte 1.
tl_grep_name() {
  tl_f=$1
  case $tl_f in
    *"$tl_soh"*)
      if [ ! -e "$tl_f" ]; then
        tl_f=''
        tl_v=$1
        while :; do
          case $tl_v in *"$tl_soh"*) ;; *) break ;; esac
          tl_f=$tl_f${tl_v%%"$tl_soh"*}$tl_nl
          tl_v=${tl_v#*"$tl_soh"}
        done
        tl_f=$tl_f$tl_v
      fi
      ;;
  esac
}

# tl_grep_stamps: reads a list of files, writes their stamps. tl_from is rg or plain.
tl_grep_stamps() {
  # Without stat the order is told within one batch only, so it is a large one.
  if command -v stat >/dev/null 2>&1; then tl_batch=200; else tl_batch=1000; fi
  set --
  while IFS= read -r tl_line; do
    # From ripgrep a line is the count of the file before, the byte 1, and a path; otherwise a path, a tab and a count.
    case $tl_line in
      [0-9]*) tl_line=${tl_line#*"$tl_soh"} ;;
      *"$tl_tab"*) if [ "$tl_from" = plain ]; then tl_line=${tl_line%"$tl_tab"*}; fi ;;
    esac
    tl_grep_name "$tl_line"
    set -- "$@" "$tl_f"
    [ $# -ge "$tl_batch" ] || continue
    sh -c "$tl_s_stamp" sh "$@"
    set --
  done
  [ $# -eq 0 ] || sh -c "$tl_s_stamp" sh "$@"
}
