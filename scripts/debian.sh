#!/usr/bin/env bash
# Installs the Debian/Ubuntu packages that l3net needs, where they are missing.
# Asks for root only if there is something to install.
set -euo pipefail

packages=(
    build-essential pkg-config curl ca-certificates python3 python3-pip
    libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev
    gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good
    gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
    gstreamer1.0-alsa gstreamer1.0-pulseaudio gstreamer1.0-x
)

command -v dpkg-query >/dev/null || {
    echo "This is no Debian or Ubuntu. Install GStreamer 1.22 or newer with its base, good, bad," >&2
    echo "ugly and libav plugins and development files, python3 and pip; then run make again." >&2
    exit 1
}

missing=()
for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "Need root (or sudo) to install: ${missing[*]}" >&2; exit 1; }
    root=(sudo)
fi
echo "installing ${#missing[@]} Debian packages: ${missing[*]}" >&2
"${root[@]}" apt-get update -qq
"${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
