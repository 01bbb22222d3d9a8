# The loop of a session's shell. It runs inside the user's own shell (bash, or the host's sh), takes one execution
# after the other, and runs its command right here, so that cd, export, functions and the rest persist. The one eval
# of agent text in all of towline is in here, marked; it is the command that the agent asked to run.
#
# Holds to: the user's IFS, options and functions must not reach the loop, so each step restores what it needs and calls
# builtins by name; no descriptor is open while a command runs but the command's own. After each command the state is
# saved off the call's path; a new shell goes on from it if this one is ended by a command.
#
# Words: dir, the supervisor's FIFO, generation, saved state (or nothing), handle of the only execution (or -), root.

shift
_tl_root=$6 _tl_restore=$4
if [ -n "$_tl_restore" ]; then
  # Written by this very program; see _tl_save below.
  { . "$_tl_restore"; } >/dev/null 2>&1
  if [ "$5" != - ]; then trap - EXIT; fi
else
  _tl_F='' _tl_I=$(printf ' \t\nx') _tl_I=${_tl_I%x} _tl_K=$_tl_I
fi
_tl_d=$1 _tl_in=$2 _tl_g=$3 _tl_once=$5 _tl_root=$6 _tl_w=0 _tl_n=0
if [ -n "${BASH_VERSION-}" ]; then _tl_b=builtin; else _tl_b=command; fi
: "${TERM:=dumb}"
export TERM
if [ -n "${BASH_VERSION-}" ] && [ -z "$_tl_restore" ]; then shopt -s expand_aliases; fi
if [ -n "$_tl_restore" ]; then cd -- "${_tl_pwd:-/}" 2>/dev/null || _tl_lost=$_tl_pwd; fi
_tl_busy='' _tl_bad='' _tl_back=''
set --

# Four loops in one, so that a stray `break` or `continue` of a command ends here and not the shell: the first thing
# that each turn does is to tell how the command before it ended.
while :; do while :; do while :; do while :; do
  # Only a command's own break or continue comes here with its status still to be taken.
  if [ "$_tl_busy" = 1 ]; then { _tl_s=0 _tl_f=$- _tl_J=${IFS-$_tl_I} && set +aeux; } 2>/dev/null; fi
  exec </dev/null >/dev/null 2>&1
  IFS=$_tl_I
  if [ -n "$_tl_busy" ]; then
    # Tell; then put back what was for this call only.
    _tl_busy=''
    if [ -n "$_tl_back" ]; then $_tl_b cd -- "$_tl_back"; fi
    $_tl_b printf '%s\n' "$PWD" >|"$_tl_d/cwd"
    if [ -p "$_tl_in" ]; then $_tl_b printf 'd %s %s\n' "$_tl_g" "${_tl_bad:-$_tl_s}" 1<>"$_tl_in"; fi
    if [ "$_tl_once" != - ] || [ -e "$_tl_d/away.$_tl_g" ]; then exit 0; fi
    while [ "$_tl_n" -gt 1 ]; do
      _tl_n=$((_tl_n - 1))
      # The name was checked to be one; its value stays in a variable.
      eval "_tl_m=\$_tl_k$_tl_n"
      eval "if [ -n \"\$_tl_z$_tl_n\" ]; then $_tl_m=\$_tl_v$_tl_n; else unset $_tl_m; fi"
    done
  else
    _tl_f=$_tl_F _tl_J=$_tl_K
  fi
  _tl_F=$_tl_f _tl_K=$_tl_J

  # Save: everything that the shell can tell of itself, in a form that it reads back.
  _tl_pwd=$PWD
  if [ -n "${BASH_VERSION-}" ]; then
    { builtin declare -p; builtin declare -f; builtin alias -p; builtin shopt -p; builtin set +o; builtin umask -p; builtin trap -p; builtin printf '# whole\n'; } >|"$_tl_d/st.$_tl_w"
  else
    { set; export -p; umask | sed 's/^/umask /'; alias | sed 's/^alias //; s/^/alias /'; typeset -f; set +o; trap; printf '# whole\n'; } >|"$_tl_d/st.$_tl_w"
  fi
  if [ -p "$_tl_in" ]; then $_tl_b printf 'i %s %s\n' "$_tl_g" "$_tl_w" 1<>"$_tl_in"; fi
  _tl_w=$((1 - _tl_w))

  # Take.
  $_tl_b read -r _tl_h _tl_p _tl_o <"$_tl_d/c.$_tl_g" || exit 0
  if [ "$_tl_h" = q ]; then exit 0; fi
  _tl_busy=1 _tl_bad='' _tl_back='' _tl_n=0
  _tl_x=$_tl_root/x/$_tl_h _tl_i=/dev/null _tl_p=$_tl_d/$_tl_p
  case $_tl_o in *i*) _tl_i=$_tl_x.i ;; esac
  case $_tl_o in *e*) _tl_e=$_tl_p.e ;; *) _tl_e='' ;; esac
  if [ -n "${BASH_VERSION-}" ]; then
    _tl_c=''
    IFS='' builtin read -r -d '' _tl_c <"$_tl_x.x"
  else
    _tl_c=$(cat "$_tl_x.x")
  fi
  TOWLINE_EXECUTION=$_tl_h
  export TOWLINE_EXECUTION

  # Directory and variables for this call only.
  case $_tl_o in
    *o*)
      IFS=''
      while $_tl_b read -r _tl_l; do
        case $_tl_l in *\\*) _tl_l=$(printf '%bx' "$_tl_l") _tl_l=${_tl_l%x} ;; esac
        if [ "$_tl_n" -eq 0 ]; then
          _tl_n=1
          if [ -z "$_tl_l" ]; then continue; fi
          _tl_back=$PWD
          $_tl_b cd -- "$_tl_l" || _tl_bad=cwd
        else
          # NAME=value: the name is checked to be one, and export takes the pair as one word: no value is evaluated.
          _tl_m=${_tl_l%%=*}
          case $_tl_m in '' | [0-9]* | *[!A-Za-z0-9_]*) continue ;; esac
          eval "_tl_k$_tl_n=\$_tl_m _tl_v$_tl_n=\${$_tl_m-} _tl_z$_tl_n=\${$_tl_m+x}"
          $_tl_b export "$_tl_l"
          _tl_n=$((_tl_n + 1))
        fi
      done <"$_tl_x.o"
      IFS=$_tl_I
      if [ -n "$_tl_bad" ]; then _tl_busy=2 _tl_s=0 _tl_J=$_tl_K && continue; fi
      ;;
  esac

  case $_tl_f in *x*) _tl_c="set -x; $_tl_c" ;; esac
  exec <"$_tl_i" >"$_tl_p"
  if [ -n "$_tl_e" ]; then exec 2>"$_tl_e"; else exec 2>&1; fi
  IFS=$_tl_J
  case $_tl_f in *a*) set -a ;; esac
  case $_tl_f in *u*) set -u ;; esac
  case $_tl_f in *e*) set -e ;; esac
  # The agent's command, the one that it asked to run.
  eval "$_tl_c"
  { _tl_s=$? _tl_f=$- _tl_J=${IFS-$_tl_I} _tl_busy=2 && set +aeux; } 2>/dev/null
done; done; done; done
