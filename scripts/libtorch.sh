#!/usr/bin/env bash
# Puts the libtorch that tch 0.24.0 needs (exactly 2.11.0) into a cache folder
# shared by all clones, and points ./.libtorch at it.
#
#   scripts/libtorch.sh          the CPU set: what the program is linked with
#   scripts/libtorch.sh cuda     in addition the CUDA set, loaded at start-up
#
# It comes from the PyPI wheel, the one source that is reachable everywhere.
# Only what is linked is kept: with no libtorch_cuda.so beside libtorch_cpu.so,
# torch-sys links none of CUDA and the binary runs on any machine.
#
# L3NET_CACHE moves the cache folder. A LIBTORCH in the environment is used as
# it is, and nothing is fetched.
set -euo pipefail

TORCH=2.11.0
CUDART=13.0.96
CUPTI=13.0.85
cache="${L3NET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/l3net}"
cpu="$cache/libtorch-$TORCH"
cuda="$cache/libtorch-$TORCH-cuda"
repo="$(cd "$(dirname "$0")/.." && pwd)"
arch="$(uname -m)"
part="$cache/.part.$$"

say() { printf '%s\n' "libtorch: $*" >&2; }
die() { say "$*"; exit 1; }

# The interpreter's version does not matter: nothing of Python is used.
wheels_for_any_python=(--only-binary=:all: --python-version 3.12)
# pip matches platform tags exactly; torch's dependencies use many of them.
for glibc in $(seq 28 -1 5); do
    wheels_for_any_python+=(--platform "manylinux_2_${glibc}_$arch")
done
wheels_for_any_python+=(--platform "manylinux2014_$arch" --platform "manylinux1_$arch")

pip() {
    # The wheels are large: no second copy in pip's cache, no small /tmp, and a
    # progress bar on a terminal.
    local quiet=(--quiet)
    [ -t 2 ] && quiet=()
    TMPDIR="$part" PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore \
        python3 -m pip "$@" "${quiet[@]}" --no-cache-dir --retries 5 --timeout 120 >&2
}

begin() { # gigabytes needed
    python3 -m pip --version >/dev/null 2>&1 || die "python3 with pip is missing; scripts/debian.sh installs it"
    local free_kb
    free_kb="$(df --output=avail -k "$cache" | tail -n 1)"
    [ "$free_kb" -gt $(($1 * 1000000)) ] ||
        die "$cache has $((free_kb / 1000000)) GB free and $1 GB are needed; make room, or set L3NET_CACHE to a folder elsewhere"
    trap 'rm -rf "$part"' EXIT
    mkdir -p "$part"
}

fetch_cpu() {
    begin 2
    mkdir -p "$part/wheels" "$part/libtorch/lib"
    say "fetching the torch $TORCH wheel (530 MB, once)"
    pip download --no-deps "${wheels_for_any_python[@]}" --dest "$part/wheels" \
        "torch==$TORCH" "nvidia-cuda-runtime==$CUDART" "nvidia-cuda-cupti==$CUPTI" ||
        die "pip could not download torch==$TORCH for $arch; check the network, then run this again"
    python3 - "$part/wheels" "$part/libtorch" <<'PY'
import pathlib, shutil, sys, zipfile
wheels, out = map(pathlib.Path, sys.argv[1:])
keep = {"libtorch_cpu.so", "libc10.so", "libtorch.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"}
# What libtorch_cpu.so links in addition on ARM.
arm = ("libgfortran", "libarm_compute", "libopenblas")
for wheel in wheels.glob("*.whl"):
    with zipfile.ZipFile(wheel) as z:
        for name in z.namelist():
            base = name.rsplit("/", 1)[-1]
            if name.startswith("torch/include/") and base:
                target = out / name.removeprefix("torch/")
            elif "/lib" in name and (base in keep or base.startswith(arm)):
                target = out / "lib" / base
            else:
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            with z.open(name) as src, open(target, "wb") as dst:
                shutil.copyfileobj(src, dst, 1 << 20)
PY
    for lib in libtorch_cpu.so libc10.so libtorch.so libcudart.so.13 libcupti.so.13; do
        [ -s "$part/libtorch/lib/$lib" ] || die "the wheel lacks $lib; this script expects torch $TORCH"
    done
    printf '%s\n' "$TORCH" >"$part/libtorch/build-version"
    rm -rf "$cpu"
    mv "$part/libtorch" "$cpu"
    rm -rf "$part"
    say "CPU set in $cpu"
}

fetch_cuda() {
    begin 9
    say "fetching the CUDA set of torch $TORCH (about 3 GB, once)"
    pip install --no-compile "${wheels_for_any_python[@]}" --target "$part/set" "torch==$TORCH" ||
        die "pip could not install torch==$TORCH with its CUDA libraries; check the network, then run this again"
    [ -s "$part/set/torch/lib/libtorch_cuda.so" ] || die "the wheel for $arch has no CUDA; a GPU needs x86_64"
    # Of 7 GB only the libraries are loaded.
    find "$part/set" -mindepth 1 -maxdepth 1 ! -name torch ! -name nvidia -exec rm -rf {} +
    find "$part/set/torch" -mindepth 1 -maxdepth 1 ! -name lib -exec rm -rf {} +
    find "$part/set/nvidia" -type d -name include -prune -exec rm -rf {} +
    rm -rf "$cuda"
    mv "$part/set" "$cuda"
    rm -rf "$part"
    say "CUDA set in $cuda; the program loads it at start-up"
}

point_at() {
    [ -L "$repo/.libtorch" ] || [ ! -e "$repo/.libtorch" ] ||
        die "$repo/.libtorch is no link; move it away and run this again"
    # Left alone where it is right, so that cargo sees no change.
    [ "$(readlink "$repo/.libtorch" || true)" = "$1" ] || ln -sfn "$1" "$repo/.libtorch"
}

if [ -n "${LIBTORCH:-}" ]; then
    [ -e "$LIBTORCH/lib/libtorch_cpu.so" ] || die "LIBTORCH=$LIBTORCH has no lib/libtorch_cpu.so; unset LIBTORCH to have it fetched"
    version="$(cat "$LIBTORCH/build-version" 2>/dev/null || echo unknown)"
    [ "${version%%+*}" = "$TORCH" ] || say "LIBTORCH=$LIBTORCH is version $version; $TORCH is needed"
    cpu="$(cd "$LIBTORCH" && pwd)"
fi

missing=()
[ -e "$cpu/lib/libtorch_cpu.so" ] || missing+=(cpu)
[ "${1:-}" != cuda ] || [ -e "$cuda/torch/lib/libtorch_cuda.so" ] || missing+=(cuda)
if [ ${#missing[@]} -gt 0 ]; then
    mkdir -p "$cache"
    # One setup at a time, so that two clones do not write the same cache.
    exec 9>"$cache/.lock"
    if command -v flock >/dev/null && ! flock -n 9; then
        say "another setup is running; waiting for it"
        flock 9
    fi
    # Left over from killed runs; we hold the lock, so nobody else uses them.
    rm -rf "$cache"/.part.*
    [ -e "$cpu/lib/libtorch_cpu.so" ] || fetch_cpu
    [ "${1:-}" != cuda ] || [ -e "$cuda/torch/lib/libtorch_cuda.so" ] || fetch_cuda
fi
point_at "$cpu"
