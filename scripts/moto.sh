#!/usr/bin/env bash
# Puts moto, the S3 server of the tests of `src/store`, into a virtual environment in the
# cache folder that all clones share. Quick and silent when it is there.
#
# L3NET_CACHE moves the cache folder. An L3NET_MOTO in the environment names another virtual
# environment that has moto: it is used as it is, and nothing is fetched.
set -euo pipefail

# As in src/store/requirements-tests.txt.
MOTO=5.2.5
cache="${L3NET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/l3net}"
moto="$cache/moto-$MOTO"
repo="$(cd "$(dirname "$0")/.." && pwd)"

say() { printf '%s\n' "moto: $*" >&2; }
die() { say "$*"; exit 1; }

[ -z "${L3NET_MOTO:-}" ] || exit 0
# Written last: a run that was killed leaves none.
[ ! -e "$moto/complete" ] || exit 0

mkdir -p "$cache"
# One setup at a time, so that two clones do not write the same cache.
exec 9>"$cache/.moto.lock"
! command -v flock >/dev/null || flock 9
[ ! -e "$moto/complete" ] || exit 0

say "fetching moto $MOTO (once; 320 MB on disk)"
# Not moved into place: the paths in a virtual environment are absolute.
rm -rf "$moto"
python3 -m venv "$moto" ||
    die "python3 cannot make a virtual environment; install python3-venv ('scripts/setup.sh tests' does)"
PIP_DISABLE_PIP_VERSION_CHECK=1 "$moto/bin/python" -m pip install --quiet --no-cache-dir \
    --retries 5 --timeout 120 -r "$repo/src/store/requirements-tests.txt" >&2 ||
    die "pip could not install moto==$MOTO; check the network, then run this again"
touch "$moto/complete"
