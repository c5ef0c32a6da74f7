#!/usr/bin/env bash
# Everything l3net needs to build and run: Rust (checked), Debian packages and
# libtorch (installed where missing). Quick and silent when nothing is missing.
#
#   scripts/setup.sh          for any CPU
#   scripts/setup.sh cuda     also the libraries for an NVIDIA GPU
#   scripts/setup.sh tests    also what the tests need
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"

rust_is_new_enough() {
    # In the repository's folder rustup uses the version that the repository pins.
    local version
    version="$(cd "$here" && cargo --version 2>/dev/null)" || return 1
    [[ "$version" =~ ^cargo\ 1\.([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 95 ]
}

rust_is_new_enough || {
    echo "setup: Rust 1.95 or newer is missing. Install it with" >&2
    echo "  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . \"\$HOME/.cargo/env\"" >&2
    echo "and run this again." >&2
    exit 1
}
case "${1:-}" in
    # chromium opens the page, ffmpeg makes clips, libgstrtspserver and mosquitto serve
    # streams and messages, prometheus has promtool, python3-venv is for moto.
    tests)
        # Ubuntu has it as a snap, which this package brings.
        browser=chromium
        ! grep -qx 'ID=ubuntu' /etc/os-release 2>/dev/null || browser=chromium-browser
        venv=()
        python3 -c 'import ensurepip, venv' 2>/dev/null || venv=(python3-venv)
        "$here/debian.sh" \
            "$browser" \
            ffmpeg \
            libgstrtspserver-1.0-dev \
            mosquitto \
            prometheus \
            "${venv[@]}"
        "$here/moto.sh"
        shift
        ;;
    *) "$here/debian.sh" ;;
esac
"$here/libtorch.sh" "$@"
