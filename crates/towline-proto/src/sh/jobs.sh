# The list of executions, from the index alone; only what seems to run is looked at one by one.

# tl_jobs WHICH: a line for each execution that runs or was not read (WHICH is not all): handle|session|state|age|command; the
# age is in hundredths of a second, and empty if it is of another boot; the command is the first line, cut.
tl_jobs() {
  tl_now
  tl_clock=$tl_v
  # Mostly all of it is over, and the list needs one look. A shell, which reads byte by byte, sees only what is not. Nothing is put into a
  # file, for which there may be no room.
  tl_job_lines "$1" "$tl_clock" '!' && return 0
  tl_known=$(tl_job_lines "$1" 0 '?' | while IFS='|' read -r tl_h tl_rest; do
    tl_state_of "$tl_h"
    tl_age=''
    if [ -n "$tl_began" ] && [ "$tl_boot" = "$TL_BOOT" ]; then tl_age=$((tl_clock - tl_began)); fi
    printf '%s|%s|%s;' "$tl_h" "$tl_state" "$tl_age"
  done)
  tl_job_lines "$1" "$tl_clock" "$tl_known"
}

# tl_job_lines WHICH CLOCK KNOWN: the index as such lines, in the order of their beginning. KNOWN is what is known of those whose end is not
# in there, as handle|state|age; each; or ?: then those alone are told; or !: false, and nothing is told, if there are any.
tl_job_lines() {
  awk -v all="$1" -v now="$2" -v known="$3" -v boot="$TL_BOOT" '
    BEGIN {
      m = split(known, one, ";")
      for (i = 1; i < m; i++) { split(one[i], part, "|"); found[part[1]] = part[2]; age[part[1]] = part[3] }
    }
    $1 == "-" { state[$2] = $5 " " $6 " " $7 " " $8; if ($3 == boot) age[$2] = now - $4 + $7; next }
    $1 == "r" { read[$2] = 1; next }
    $1 == "e" { gone[$2] = 1; next }
    $1 == "+" && !($2 in text) { text[$2] = $0; of[$2] = $3; order[n++] = $2 }
    END {
      for (i = 0; i < n; i++) {
        h = order[i]
        # What was answered is over, also where its end is only about to be written here.
        if (h in gone || (all != "all" && h in read) || (known == "?" && h in state)) continue
        if (known == "!" && !(h in state)) exit 1
        told[t++] = h
      }
      for (i = 0; i < t; i++) {
        h = told[i]
        if (!(h in state) && known != "?" && (!(h in found) || found[h] == "away")) continue
        s = h in state ? state[h] : known == "?" ? "?" : found[h]
        line = substr(text[h], length(h) + length(of[h]) + 5)
        if (index(line, "\\")) { gsub(/\\\\/, "\001", line); sub(/\\n.*/, "", line); gsub(/\001/, "\\", line) }
        print h "|" of[h] "|" s "|" age[h] "|" line
      }
    }' "$TL_ROOT/index"
}

# tl_visits SESSION: a line as of tl_jobs for each execution that a person asked for and the agent was not told of; then they are.
tl_visits() {
  if ! mv "$TL_ROOT/s/$1/visits" "$TL_TMP/$TL_REQ.v"; then return 0; fi
  while read -r tl_h; do
    tl_state_of "$tl_h"
    if [ "$tl_state" = away ]; then continue; fi
    tl_decode "$tl_command"
    printf '%s|%s|%s||%.200s\n' "$tl_h" "$1" "$tl_state" "${tl_v%%"$tl_nl"*}"
  done <"$TL_TMP/$TL_REQ.v"
}
