# The loop of a session's shell. It runs inside the user's own shell (bash, or the host's sh), takes one execution
# after the other, and runs its command right here, so that cd, export, functions and the rest persist. The one eval
# of agent text in all of towline is in here, marked; it is the command that the agent asked to run.
#
# Holds to: the user's IFS, options and functions must not reach the loop, so each step restores what it needs and calls
# builtins by name; no descriptor is open while a command runs but the command's own. After each command the state is
# saved off the call's path; a new shell goes on from it if this one is ended by a command.
#
# shellcheck disable=SC3028,SC3044,SC3049 # what only some shells know stands where only they come
# shellcheck disable=SC2086 # lists of options are meant to be split
# shellcheck disable=SC1090 # the saved state, written by this very program
#
# Words: dir, the supervisor's FIFO, generation, saved state (or nothing), handle of the only execution (or -), root.

shift
_tl_root=$6 _tl_restore=$4
if [ -n "$_tl_restore" ]; then
  # Written by this very program; see below.
  # A function may hold a pattern that only extglob lets bash read.
  if [ -n "${BASH_VERSION-}" ]; then shopt -s extglob; fi
  { . "$_tl_restore"; } >/dev/null 2>&1
  if [ -n "${BASH_VERSION-}" ]; then
    { IFS=:; shopt -u $BASHOPTS; shopt -s $_tl_O; for _tl_l in $SHELLOPTS; do set +o "$_tl_l"; done; for _tl_l in $_tl_P; do set -o "$_tl_l"; done; } >/dev/null 2>&1
  fi
  if [ -z "${BASH_VERSION-}" ] && [ -r "$4.a" ]; then
    { sed -e '/^# end$/,$d' -e 's/^alias //' -e 's/^/alias /' "$4.a" >"$4.b" && . "$4.b"; } >/dev/null 2>&1
  fi
  if [ "$5" != - ]; then trap - EXIT; fi
fi
_tl_N='
'
_tl_I=" 	$_tl_N" _tl_F=${_tl_F-} _tl_seq=${_tl_seq-0}
_tl_K=${_tl_K-$_tl_I}
_tl_restore=$4 _tl_d=$1 _tl_in=$2 _tl_g=$3 _tl_once=$5 _tl_root=$6 _tl_w=0 _tl_n=0
# Which shell this is: what it can tell of itself differs.
_tl_kind=ash _tl_b=command _tl_q=''
if [ -n "${BASH_VERSION-}" ]; then
  _tl_kind=bash _tl_b=builtin
  # Only newer ones can read a count of bytes at once.
  case $BASH_VERSION in [0-4].*) ;; *) _tl_q=1 ;; esac
  if [ -z "$_tl_restore" ]; then shopt -s expand_aliases; fi
elif [ -n "${KSH_VERSION-}${ZSH_VERSION-}${YASH_VERSION-}" ]; then
  _tl_kind=other
fi
: "${TERM:=dumb}"
export TERM
if [ -n "$_tl_restore" ]; then
  _tl_l='' _tl_c='' _tl_x=''
  while IFS='' $_tl_b read -r _tl_l; do _tl_c=$_tl_c$_tl_x$_tl_l _tl_x=$_tl_N; done <"$1/cwd"
  cd -- "${_tl_c:-/}" 2>/dev/null || cd /
fi
case $_tl_restore in *.0) _tl_w=1 ;; esac
_tl_h='' _tl_o='' _tl_busy='' _tl_bad='' _tl_back='' _tl_was=''
set --

# Four loops in one, so that a stray `break` or `continue` of a command ends here and not the shell: the first thing
# that each turn does is to tell how the command before it ended.
while :; do while :; do while :; do while :; do
  # Only a command's own break or continue comes here with its status still to be taken.
  if [ "$_tl_busy" = 1 ]; then { _tl_s=0 _tl_f=$- _tl_J=${IFS-$_tl_I} && set +aeux; } 2>/dev/null; fi
  exec </dev/null >/dev/null 2>&1
  IFS=$_tl_I _tl_c=''
  if [ -n "$_tl_busy" ]; then
    # Tell; then put back what was for this call only. The record has it first: whoever listens may be gone.
    _tl_busy=''
    if [ -n "$_tl_back" ]; then $_tl_b cd -- "$_tl_back"; fi
    case $PWD in *\\* | *"$_tl_N"*) _tl_l='?' ;; *) _tl_l=$PWD ;; esac
    if [ -n "$_tl_bad" ]; then _tl_s='cwd 0'; else _tl_s="exit $_tl_s"; fi
    $_tl_b printf 'd %s %s - %s .\n' "$_tl_g" "$_tl_s" "$_tl_l" >>"$_tl_root/x/$_tl_h"
    _tl_l=''
    if [ -e "$_tl_d/away.$_tl_g" ]; then
      _tl_once=away
    elif [ "$PWD" != "$_tl_was" ]; then
      _tl_was=$PWD _tl_l=moved
      $_tl_b printf '%s\n' "$PWD" >|"$_tl_d/cwd"
    fi
    if [ -p "$_tl_in" ]; then $_tl_b printf '%-255s\n' "d $_tl_g ${_tl_bad:-${_tl_s#* }} $_tl_l" 1<>"$_tl_in"; fi
    if [ "$_tl_once" != - ]; then exit 0; fi
    while [ "$_tl_n" -gt 1 ]; do
      _tl_n=$((_tl_n - 1))
      # The name was checked to be one; its value stays in a variable.
      eval "_tl_m=\$_tl_k$_tl_n"
      eval "if [ -n \"\$_tl_z$_tl_n\" ]; then $_tl_m=\$_tl_v$_tl_n; else unset $_tl_m; fi"
    done
    _tl_h=''
  else
    _tl_f=$_tl_F _tl_J=$_tl_K _tl_was=$PWD _tl_h=s
    $_tl_b printf '%s\n' "$PWD" >|"$_tl_d/cwd"
  fi
  _tl_F=$_tl_f _tl_K=$_tl_J _tl_u=1

  # Wait: for the word to save, and then for a command. What is saved is in no hurry: whoever tells the outcome has the processor first, and
  # says when it is told. Where nobody is there to say so, it is saved all the same.
  while :; do
    if [ -n "$_tl_u" ] && [ -n "$_tl_h" ]; then
      # Save: everything that the shell can tell of itself, in a form that it reads back. The file is written over and not
      # anew, which is several times as fast; what stands behind the return is older.
      _tl_seq=$((_tl_seq + 1))
      if [ "$_tl_once" = - ]; then
        {
          $_tl_b printf '_tl_seq=%s\n' "$_tl_seq"
          case $_tl_kind in
            bash) _tl_O=$BASHOPTS _tl_P=$SHELLOPTS && builtin declare -p; builtin declare -f; builtin alias -p; builtin umask -p; builtin trap -p ;;
            ash) set; export -p; $_tl_b printf 'umask '; umask; trap; set +o ;;
            *) export -p; $_tl_b printf 'umask '; umask; typeset -f ;;
          esac
          $_tl_b printf '\nreturn 0 # whole %s\n' "$_tl_seq"
        } 1<>"$_tl_d/st.$_tl_w"
        if [ "$_tl_kind" != bash ]; then { alias; $_tl_b printf '# end\n'; } 1<>"$_tl_d/st.$_tl_w.a"; fi
      fi
      if [ -p "$_tl_in" ]; then $_tl_b printf '%-255s\n' "i $_tl_g $_tl_w" 1<>"$_tl_in"; fi
      _tl_w=$((1 - _tl_w)) _tl_u=''
    fi
    if [ "$_tl_h" = q ]; then
      # Whoever asks what became of a command that it was to take is told that it took none.
      $_tl_b printf . >|"$_tl_d/idle.$_tl_g"
      exit 0
    fi

    # Take. Where a user's files set TMOUT for good, or a trap comes between, the wait has an end and goes on.
    if [ -n "$_tl_q" ]; then
      until builtin read -r -N 256 _tl_l <"$_tl_d/c.$_tl_g"; do
        if [ $? -le 128 ]; then _tl_l='q ' && break; fi
      done
      _tl_h=${_tl_l%% *} _tl_l=${_tl_l#* }
      _tl_p=${_tl_l%% *} _tl_l=${_tl_l#* }
      _tl_o=${_tl_l%% *} _tl_l=${_tl_l#* }
      _tl_x=${_tl_l%% *} _tl_l=${_tl_l#* }
    else
      until $_tl_b read -r _tl_h _tl_p _tl_o _tl_x _tl_l <"$_tl_d/c.$_tl_g"; do
        if [ $? -le 128 ]; then _tl_h=q && break; fi
      done
    fi
    case $_tl_h in s | q) ;; *) break ;; esac
  done
  _tl_busy=1 _tl_bad='' _tl_back='' _tl_n=0
  _tl_x=$_tl_root/a/$_tl_x _tl_i=/dev/null _tl_p=$_tl_d/$_tl_p
  case $_tl_o in *i*) _tl_i=$_tl_x.i ;; esac
  case $_tl_o in *e*) _tl_e=$_tl_p.e ;; *) _tl_e='' ;; esac
  case $_tl_o in
    *p*)
      if [ "$_tl_kind" = bash ]; then IFS='' builtin read -r -d '' _tl_c <"$_tl_x.x"; else _tl_c=$(cat "$_tl_x.x"); fi
      ;;
    *k*) _tl_c=${_tl_l#=} _tl_c=${_tl_c%' .'*} ;;
    *) { $_tl_b read -r _tl_l && IFS='' $_tl_b read -r _tl_c; } <"$_tl_root/x/$_tl_h" ;;
  esac
  case $_tl_o in
    *p*) ;;
    *)
      case $_tl_c in
        *\\*) if [ "$_tl_kind" = bash ]; then builtin printf -v _tl_c %b "$_tl_c"; else _tl_c=$($_tl_b printf '%bx' "$_tl_c") && _tl_c=${_tl_c%x}; fi ;;
      esac
      ;;
  esac
  TOWLINE_EXECUTION=$_tl_h
  export TOWLINE_EXECUTION

  # Directory and variables for this call only.
  case $_tl_o in
    *o*)
      IFS=''
      while $_tl_b read -r _tl_l; do
        case $_tl_l in *\\*) _tl_l=$($_tl_b printf '%bx' "$_tl_l") _tl_l=${_tl_l%x} ;; esac
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
      IFS=$_tl_I _tl_l=''
      # What is secret is not left lying while the command runs.
      case $_tl_o in *s*) $_tl_b printf '' >|"$_tl_x.o" ;; esac
      if [ -n "$_tl_bad" ]; then _tl_busy=2 _tl_s=0 _tl_J=$_tl_K && continue; fi
      ;;
  esac

  case $_tl_f in *x*) _tl_c="set -x; $_tl_c" ;; esac
  if [ -n "$_tl_e" ]; then exec <"$_tl_i" >"$_tl_p" 2>"$_tl_e"; else exec <"$_tl_i" >"$_tl_p" 2>&1; fi
  IFS=$_tl_J
  case $_tl_f in *a*) set -a ;; esac
  case $_tl_f in *u*) set -u ;; esac
  case $_tl_f in *e*) set -e ;; esac
  # The agent's command, the one that it asked to run.
  eval "$_tl_c"
  { _tl_s=$? _tl_f=$- _tl_J=${IFS-$_tl_I} _tl_busy=2 && set +aeux; } 2>/dev/null
done; done; done; done
