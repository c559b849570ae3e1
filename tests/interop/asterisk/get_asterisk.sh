#!/usr/bin/env bash
# Brings Asterisk 22 or newer into a root of its own under .cache/asterisk, once; prints the root's path.
#
#   tests/interop/asterisk/get_asterisk.sh [DIRECTORY]
#
# Debian's stable releases have no Asterisk 22: it comes from sid, with sid's own libraries, and touches nothing outside
# the directory. Exit code 2: something is missing, and the message says what.
set -euo pipefail
cd "$(dirname "$0")/../../.."
source scripts/say.sh

cache=${1:-$PWD/.cache/asterisk}
root=$cache/root
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9

version() { chroot "$root" /usr/sbin/asterisk -V 2>/dev/null | sed -n 's/^Asterisk \([0-9]*\).*/\1/p'; }

((EUID == 0)) || fail "Asterisk runs in a root of its own (chroot), which only root can enter: run the tests as root."
if [[ ! -f $cache/complete || -z $(version) ]]; then
    command -v mmdebstrap >/dev/null ||
        fail "mmdebstrap is missing: apt-get install mmdebstrap (scripts/setup.sh test does it)."
    rm -rf "$cache/complete" "$root"
    say "Bringing Asterisk into $root (about 350 MB, one minute)" >&2
    # The list of sid may look expired on a machine that is kept apart.
    mmdebstrap --quiet --variant=apt --include=asterisk,procps \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='Acquire::Check-Date "false"' \
        --aptopt='APT::Install-Recommends "false"' sid "$root" >"$cache/mmdebstrap.log" 2>&1 || {
        tail -5 "$cache/mmdebstrap.log" >&2
        fail "Asterisk could not be brought from Debian sid; the whole log is in $cache/mmdebstrap.log. Is the Debian mirror reached?"
    }
    touch "$cache/complete"
fi
found=$(version)
((${found:-0} >= 22)) || fail "Debian sid gave Asterisk ${found:-of no version}; 22 or newer is needed. Remove $cache and try again."
chroot "$root" /usr/sbin/asterisk -V >&2
echo "$root"
