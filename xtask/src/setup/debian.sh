#!/bin/sh
# Installs Debian packages, and never lets one of them start a service, now or at the next boot: the tests start the
# sshd they need themselves. Usage, as root: sh debian.sh PACKAGE...
# Packages that this release does not know are left out with a word; whoever called looks again afterwards.
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
policy=/usr/sbin/policy-rc.d

had_sshd=no
if command -v sshd >/dev/null 2>&1 || [ -x /usr/sbin/sshd ]; then had_sshd=yes; fi

# Debian asks this program before a package may start its service; 101 means no. One that is there is left as it is.
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

# One broken source of several must not stop what the others have.
apt-get -q -o DPkg::Lock::Timeout=300 update || echo 'apt-get update had errors; going on with what is known' >&2

known=
for package in "$@"; do
    if apt-cache show "$package" >/dev/null 2>&1; then
        known="$known $package"
    else
        printf 'no package named %s here\n' "$package" >&2
    fi
done

# shellcheck disable=SC2086 # package names hold no white space
[ -z "$known" ] || apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 install --no-install-recommends $known

if [ "$had_sshd" = no ] && command -v systemctl >/dev/null 2>&1; then
    systemctl disable ssh.service ssh.socket >/dev/null 2>&1 || :
fi
