#!/usr/bin/env bash
# Puts the libtorch that tch 0.24.0 needs (exactly 2.11.0) into a cache folder
# shared by all clones, and points ./.libtorch at it.
#
#   scripts/libtorch.sh          the CPU set: what the program is linked with
#   scripts/libtorch.sh cuda     in addition the CUDA set, opened at start-up
#
# It comes from the PyPI wheel, the one source that is reachable everywhere.
# Only what is linked is kept: with no libtorch_cuda.so beside libtorch_cpu.so,
# torch-sys links none of CUDA and the binary runs on any machine.
set -euo pipefail

TORCH=2.11.0
CUDART=13.0.96
CUPTI=13.0.85
cache="${L3NET_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/l3net}"
cpu="$cache/libtorch-$TORCH"
cuda="$cache/libtorch-$TORCH-cuda"
repo="$(cd "$(dirname "$0")/.." && pwd)"

say() { printf '%s\n' "libtorch: $*" >&2; }
die() { say "$*"; exit 1; }

command -v python3 >/dev/null || die "python3 is missing; scripts/debian.sh installs it"
python3 -m pip --version >/dev/null 2>&1 || die "pip is missing; scripts/debian.sh installs it"

# One set-up at a time, so that two clones do not write the same cache.
mkdir -p "$cache"
exec 9>"$cache/.lock"
command -v flock >/dev/null && flock 9

fetch_cpu() {
    [ -e "$cpu/lib/libcupti.so.13" ] && return 0
    local part="$cache/.part.$$" arch
    arch="$(uname -m)"
    trap 'rm -rf "$part"' EXIT
    mkdir -p "$part/wheels" "$part/libtorch/lib"
    say "fetching the torch $TORCH wheel (530 MB, once)"
    # The interpreter's version does not matter: nothing of Python is used.
    python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.12 \
        --platform "manylinux_2_28_$arch" --platform "manylinux_2_27_$arch" \
        --platform "manylinux_2_25_$arch" --platform "manylinux_2_17_$arch" \
        --platform "manylinux2014_$arch" --dest "$part/wheels" \
        "torch==$TORCH" "nvidia-cuda-runtime==$CUDART" "nvidia-cuda-cupti==$CUPTI" ||
        die "pip could not download torch==$TORCH; check the network and the free space in $cache, then run this again"
    python3 - "$part/wheels" "$part/libtorch" <<'PY'
import pathlib, shutil, sys, zipfile
wheels, out = map(pathlib.Path, sys.argv[1:])
keep = {"libtorch_cpu.so", "libc10.so", "libtorch.so", "libgomp.so.1", "libcudart.so.13", "libcupti.so.13"}
for wheel in wheels.glob("*.whl"):
    with zipfile.ZipFile(wheel) as z:
        for name in z.namelist():
            base = name.rsplit("/", 1)[-1]
            if name.startswith("torch/include/") and base:
                target = out / name.removeprefix("torch/")
            elif "/lib/" in name and (base in keep or base.startswith(("libgfortran", "libarm_compute", "libopenblas"))):
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
    trap - EXIT
    say "CPU set in $cpu"
}

fetch_cuda() {
    [ -e "$cuda/torch/lib/libtorch_cuda.so" ] && return 0
    local part="$cache/.cuda.$$"
    trap 'rm -rf "$part"' EXIT
    say "fetching the CUDA set of torch $TORCH (about 3 GB, once)"
    python3 -m pip install --quiet --only-binary=:all: --no-compile --target "$part" "torch==$TORCH" ||
        die "pip could not install torch==$TORCH with its CUDA libraries; check the network and the free space in $cache, then run this again"
    rm -rf "$cuda"
    mv "$part" "$cuda"
    trap - EXIT
    say "CUDA set in $cuda; the program opens it at start-up"
}

fetch_cpu
[ "${1:-}" = cuda ] && fetch_cuda
ln -sfn "$cpu" "$repo/.libtorch"
