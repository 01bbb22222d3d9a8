# Grep without ripgrep: find or git name the files, grep sends the lines that the pattern may match, and the caller decides
# exactly. The functions of grep.sh call these; what they say of a search is the same as with ripgrep.

# tl_grep_plain NAME...: the whole search without ripgrep: which files have lines that may match, then those lines.
tl_grep_plain() {
  tl_cut=0 tl_from=plain
  tl_grep_marks
  # GNU and BSD grep can pass over binary files by themselves, which saves reading them.
  tl_grep=-cI
  if [ "$(grep -cI -E -e "$tl_ere" /dev/null 2>/dev/null)" != 0 ]; then
    tl_grep=-c
    if [ "$(grep -c -E -e "$tl_ere" /dev/null 2>/dev/null)" != 0 ]; then
      tl_err=ere
      tl_f_fail
      return 1
    fi
  fi
  tl_seconds=$tl_late
  tl_v=$(date +%s 2>/dev/null)
  case $tl_v in
    '' | *[!0-9]*) tl_late='' ;;
    *) tl_late=$((tl_v + tl_late)) ;;
  esac
  : >"$tl_t.e"
  : >"$tl_t.m"
  : >"$tl_t.r"
  tl_ignores=1
  if [ -n "$tl_one" ]; then
    sh -c "$tl_grep_scan" sh "$tl_t" "$tl_grep" "$tl_ere" '' '' '' '' "$tl_one" 2>>"$tl_t.e"
  elif ! tl_grep_git "$@"; then
    tl_grep_find "$@"
  fi
  # In the order of ripgrep's --sort path: name by name.
  { tr '/' '\002' <"$tl_t.m" | sort | tr '\002' '/' && cat "$tl_t.r"; } | head -n "$tl_many" >"$tl_t.l"
  tl_s_held "$tl_t.l" || { tl_f_fail; return 1; }
  case $tl_plain in files*) tl_grep_stamps <"$tl_t.l" ;; esac
  case $tl_plain in files\ *) printf '\000\n' ;; esac
  case $tl_plain in
    count)
      while IFS= read -r tl_line; do
        tl_grep_name "${tl_line%"$tl_tab"*}"
        printf '%s\000%s\n' "$tl_f" "${tl_line##*"$tl_tab"}"
      done <"$tl_t.l"
      ;;
    *lines) tl_grep_lines ;;
    *text) tl_grep_text ;;
  esac
  if [ -e "$tl_t.x" ]; then tl_cut=2; fi
  tl_s_errors "$tl_t.e"
  tl_s_end plain 0 "$tl_ignores" "$tl_cut"
}

# tl_grep_git NAME...: searches what git would not ignore. Fails if this is no work tree, or git cannot tell.
tl_grep_git() {
  tl_v=$PWD
  while [ ! -e "$tl_v/.git" ]; do
    [ -n "$tl_v" ] || return 1
    tl_v=${tl_v%/*}
  done
  tl_ignores=0
  command -v git >/dev/null 2>&1 || return 1
  printf 'x\000' | xargs -0 true 2>/dev/null || return 1
  git -c core.fsmonitor=false rev-parse --is-inside-work-tree >/dev/null 2>&1 || return 1
  # What is asked for by name is searched even if git ignores it.
  tl_v=${tl_base:-.}
  # What is left out is left out of git's list, too.
  TL_OWN=$tl_own
  export TL_OWN
  if [ -L "./$tl_v" ] || git -c core.fsmonitor=false check-ignore -q --no-index "./$tl_v" 2>/dev/null; then return 1; fi
  tl_names=''
  for tl_v in "$@"; do tl_names=$tl_names$tl_nl$tl_v; done
  set -- "$tl_t" "$tl_grep" "$tl_ere" "$tl_late" "$tl_grep_scan" '' "$tl_names"
  {
    git -c core.fsmonitor=false --literal-pathspecs ls-files -z -co --exclude-standard -- "./$tl_base" 2>>"$tl_t.e"
    echo "$?" >"$tl_t.s"
  } | xargs -0 -n 500 sh -c "$tl_grep_scan" sh "$@" 2>>"$tl_t.e"
  read -r tl_v <"$tl_t.s"
  if [ "$tl_v" != 0 ]; then
    : >"$tl_t.m"
    : >"$tl_t.r"
    : >"$tl_t.e"
    return 1
  fi
  tl_ignores=1
}

# tl_grep_find NAME...: searches everything but the directories of version control.
tl_grep_find() {
  tl_n=$#
  if [ -n "$tl_base" ]; then set -- "$@" -H "./$tl_base"; else set -- "$@" .; fi
  # A work tree below leaves a mark, so that the answer can tell that its .gitignore was not honoured.
  # shellcheck disable=SC2016 # a program for another shell
  set -- "$@" '(' -name .git -exec sh -c ': >"$1"' sh "$tl_t.g" ';' -prune ')' -o
  set -- "$@" '(' -name .svn -o -name .hg -o -name .bzr -o -name .jj -o -name .sl ')' -prune -o
  tl_ifs=$IFS IFS=$tl_nl
  for tl_v in $tl_leave; do
    case $tl_v in /*) set -- "$@" -path ".$tl_v" -prune -o ;; *) set -- "$@" -name "$tl_v" -prune -o ;; esac
  done
  IFS=$tl_ifs
  set -- "$@" -type f
  if [ "$tl_n" -gt 0 ]; then
    set -- "$@" '(' -name "$1"
    shift
    while [ "$tl_n" -gt 1 ]; do
      set -- "$@" -o -name "$1"
      shift
      tl_n=$((tl_n - 1))
    done
    set -- "$@" ')'
  fi
  # The scan looks at the clock by itself; this is for a file that does not end.
  tl_f_within "$((tl_seconds + 5))" find "$@" -exec sh -c "$tl_grep_scan" sh "$tl_t" "$tl_grep" "$tl_ere" "$tl_late" '' '' '' '{}' + 2>>"$tl_t.e"
  case $? in 124 | 137 | 143) : >"$tl_t.x" ;; esac
  if [ -e "$tl_t.g" ]; then tl_ignores=0; fi
}

# tl_grep_full: counts what was written so far now and then; succeeds if it is enough for one reply.
tl_grep_full() {
  tl_i=$((tl_i + 1))
  [ "$((tl_i % 20))" -eq 0 ] || return 1
  tl_v=$(wc -c <"$tl_t.o")
  [ "$((tl_v))" -gt 2097152 ]
}

# tl_grep_lines: writes the lines of the listed files that match, with context.
# shellcheck disable=SC2094 # every file here is only read
tl_grep_lines() {
  tl_i=0 tl_total=0
  : >"$tl_t.o"
  while IFS= read -r tl_line; do
    if [ "$tl_total" -ge "$tl_found" ] || tl_grep_full; then tl_cut=1 && break; fi
    tl_grep_name "${tl_line%"$tl_tab"*}"
    printf '\000%s\000' "$tl_f"
    grep -n -E -e "$tl_ere" <"$tl_f" 2>/dev/null |
      awk -v a="$tl_after" -v b="$tl_before" -v t="$tl_trim" "$tl_grep_context" - "$tl_f" 2>/dev/null
    tl_total=$((tl_total + ${tl_line##*"$tl_tab"}))
  done <"$tl_t.l" >>"$tl_t.o"
  dd bs=65536 count=32 <"$tl_t.o" 2>/dev/null
}

# tl_grep_text: writes the listed files whole, if they fit into one reply.
tl_grep_text() {
  tl_total=0
  while IFS= read -r tl_line; do
    tl_grep_name "${tl_line%"$tl_tab"*}"
    tl_v=$(wc -c <"$tl_f") || continue
    tl_total=$((tl_total + tl_v))
    if [ "$tl_total" -gt 2000000 ]; then tl_cut=1 && break; fi
    printf '\000%s\000' "$tl_f"
    cat "$tl_f" 2>/dev/null
  done <"$tl_t.l"
}

# First the lines that grep found (their numbers count), then the file: prints each line near a found one.
# shellcheck disable=SC2016 # a program for awk
tl_grep_context='
NR == FNR { hit[++k] = $0 + 0; is[$0 + 0] = 1; next }
FNR == 1 { p = 1 }
{
  while (p <= k && hit[p] + a < FNR) p++
  if (p > k || sent > 2097152) exit
  if (hit[p] - b > FNR) next
  line = length($0) > t ? substr($0, 1, t + 1) : $0
  sent += length(line)
  if (FNR in is) print FNR ":" line
  else print FNR "-" line
}
'

# Arguments: TMP GREP ERE LATE TEXT PREFIX NAMES FILE...: appends "FILE tab COUNT" for each file with lines that may match to
# TMP.m (a newline in a name is written as byte 1; names with byte 2, which the sorting needs, go to TMP.r). GREP is the option
# to count with; after the time LATE only TMP.x is made. With TEXT (this program itself) the files come from git, relative to
# PREFIX, and must be sifted; NAMES are the patterns, a newline before each.
# shellcheck disable=SC2016 # a program for another shell
tl_grep_scan='
tl_t=$1 tl_grep=$2 tl_ere=$3 tl_late=$4 tl_text=$5 tl_prefix=$6 tl_names=$7
shift 7
set -f
tl_nl="
"
tl_stx=$(printf "\002")
tl_ifs=$IFS

# $1: the last name of a path; succeeds if one of the patterns matches it.
tl_named() {
  [ -n "$tl_names" ] || return 0
  tl_ifs=$IFS IFS=$tl_nl
  for tl_p in $tl_names; do
    # shellcheck disable=SC2254
    case $1 in $tl_p) IFS=$tl_ifs && return 0 ;; esac
  done
  IFS=$tl_ifs
  return 1
}

# $1: a path from git. Sets tl_f, and succeeds if it is a file to search; a repository within is searched at once.
tl_sift() {
  tl_f=./$tl_prefix$1
  case ${tl_f#.}/ in "${TL_OWN:-/.git}"/*) return 1 ;; esac
  case $tl_f/ in */.git/* | */.svn/* | */.hg/* | */.bzr/* | */.jj/* | */.sl/*) return 1 ;; esac
  if [ -L "${tl_f%/}" ]; then return 1; fi
  if [ -f "$tl_f" ]; then
    tl_named "${tl_f##*/}"
    return
  fi
  if [ -e "$tl_f/.git" ]; then
    tl_f=${tl_f%/}
    git -c core.fsmonitor=false -C "$tl_f" ls-files -z -co --exclude-standard |
      xargs -0 -n 500 sh -c "$tl_text" sh "$tl_t" "$tl_grep" "$tl_ere" "$tl_late" "$tl_text" "${tl_f#./}/" "$tl_names"
  fi
  return 1
}

# FILE...: writes those of them down that are text; tl_counts are their counts.
tl_note() {
  tl_nul=$(cat "$@" 2>/dev/null | tr -dc "\000" | wc -c)
  for tl_c in $tl_counts; do
    if [ "$((tl_nul))" -gt 0 ]; then tl_one=$(tr -dc "\000" <"$1" | wc -c); else tl_one=0; fi
    if [ "$((tl_one))" -eq 0 ]; then
      tl_f=$1 tl_to=m
      case $tl_f in *"$tl_nl"*) tl_f=$(printf %s "$tl_f" | tr "\n" "\001") ;; esac
      case $tl_f in *"$tl_stx"*) tl_to=r ;; esac
      printf "%s\t%s\n" "$tl_f" "$tl_c" >>"$tl_t.$tl_to"
    fi
    shift
  done
}

# FILE...: looks which of them have lines that may match.
tl_look() {
  if [ -n "$tl_late" ] && [ "$(date +%s)" -ge "$tl_late" ]; then : >"$tl_t.x" && exit 0; fi
  case "$*" in
    *"$tl_nl"*)
      tl_n=$#
      while [ "$tl_n" -gt 0 ]; do
        tl_f=$1
        shift
        tl_n=$((tl_n - 1))
        case $tl_f in
          *"$tl_nl"*)
            tl_counts=$(grep "$tl_grep" -E -e "$tl_ere" <"$tl_f")
            if [ "${tl_counts:-0}" -gt 0 ]; then tl_note "$tl_f"; fi
            ;;
          *) set -- "$@" "$tl_f" ;;
        esac
      done
      ;;
  esac
  [ $# -gt 0 ] || return 0
  grep "$tl_grep" -E -e "$tl_ere" /dev/null "$@" | grep -v ":0\$" | {
    tl_counts=""
    set --
    while IFS= read -r tl_l; do
      set -- "$@" "${tl_l%:*}"
      tl_counts="$tl_counts ${tl_l##*:}"
    done
    [ $# -eq 0 ] || tl_note "$@"
  }
}

if [ -e "$tl_t.x" ]; then exit 0; fi
# By 200: the arguments make room for the files of one turn.
tl_begun=0
for tl_f do
  if [ "$tl_begun" -eq 0 ]; then
    tl_begun=1
    set --
  fi
  if [ -n "$tl_text" ]; then tl_sift "$tl_f" || continue; fi
  set -- "$@" "$tl_f"
  [ $# -ge 200 ] || continue
  tl_look "$@"
  set --
done
[ "$tl_begun" -eq 0 ] || tl_look "$@"
exit 0
'
