#!/usr/bin/env bash
# Installs the Debian/Ubuntu packages that l3net needs, where they are missing.
# Needs root and the network only if there is something to install.
#
#   scripts/debian.sh [PACKAGE…]     PACKAGE: more to install, such as ffmpeg for the tests
set -euo pipefail

say() { printf '%s\n' "packages: $*" >&2; }
die() { say "$*"; exit 1; }

cache="${L3NET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/l3net}"
# 1.20 is Ubuntu 22.04's; tested with 1.22 and newer.
oldest_gstreamer=1.20

gstreamer_is_there() {
    command -v pkg-config >/dev/null &&
        pkg-config --atleast-version="$oldest_gstreamer" \
            gstreamer-1.0 gstreamer-app-1.0 gstreamer-video-1.0 2>/dev/null
}

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    gstreamer_is_there && command -v c++ >/dev/null && exit 0
    die "no Debian or Ubuntu, so install by hand: a C++ compiler, pkg-config, python3 with pip, and" \
        "GStreamer $oldest_gstreamer or newer with development files and its base, good, bad, ugly and libav plugins"
fi

needed=(
    build-essential pkg-config ca-certificates
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
    gstreamer1.0-alsa
)
needed+=("$@")
# Some tests read shards with it.
command -v python3 >/dev/null || needed+=(python3)
# Only to fetch libtorch: python3 with pip, from wherever.
if [ -z "${LIBTORCH:-}" ] && ! compgen -G "$cache/libtorch-*/lib/libtorch_cpu.so" >/dev/null; then
    python3 -m pip --version >/dev/null 2>&1 || needed+=(python3 python3-pip)
fi
# A package of its own in Ubuntu 22.04; part of plugins-good in later systems.
compgen -G "/usr/lib/*/gstreamer-1.0/libgstpulseaudio.so" >/dev/null || needed+=(gstreamer1.0-pulseaudio)

# One call for all; exit code 1 means that one is unknown, which is fine here.
installed=" $(dpkg-query -W -f '${Package}:${db:Status-Status} ' "${needed[@]}" 2>/dev/null || true)"
missing=()
for package in "${needed[@]}"; do
    [[ "$installed" == *" $package:installed "* ]] || missing+=("$package")
done

if [ ${#missing[@]} -gt 0 ]; then
    root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "need root or sudo to install ${missing[*]}"
        root=(sudo)
    fi
    apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300)
    say "installing ${missing[*]}"
    # A stale or unreachable list is no reason to stop: the install will fail if it matters.
    "${apt[@]}" update || say "apt-get update failed; continuing with the present lists"
    "${apt[@]}" install -y --no-install-recommends "${missing[@]}" >/dev/null ||
        die "apt-get could not install ${missing[*]}; check the network and the sources in /etc/apt, then run this again"
fi

gstreamer_is_there ||
    die "GStreamer $(pkg-config --modversion gstreamer-1.0 2>/dev/null || echo "of unknown version") is too old;" \
        "$oldest_gstreamer is needed (Debian 12, Ubuntu 22.04 or newer)"
