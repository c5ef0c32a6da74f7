#!/usr/bin/env python3
"""Makes tests/data/colours.zip: clips of eight flat colours in many pixel formats,
matrices and ranges, and what `ffmpeg -pix_fmt rgb24` makes of each.

Not among them: JPEG in limited range, which only a comment of ffmpeg tells; MPEG-2 in
full range, which ffmpeg does not honour; formats that GStreamer 1.22 does not have.

Needs ffmpeg with libx264, libx265, libvpx and libaom; the tests do not need this script.
A clip is two pictures of 64 × 32, four patches of 16 × 16 in each row. `expected.json` has
for each clip the colours of its patches, row by row, as ffmpeg decodes and converts them.
"""

import itertools
import json
import pathlib
import subprocess
import tempfile
import zipfile

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "colours.zip"
WIDTH, HEIGHT = 64, 32
PATCHES = [
    (0, 0, 0), (255, 255, 255), (64, 64, 64), (190, 190, 190),
    (200, 40, 40), (40, 180, 60), (50, 60, 210), (224, 172, 140),
]
# ffmpeg's name of the tag, and of the matrix to convert with.
MATRICES = {
    "untagged": (None, "bt601"),
    "bt601": ("smpte170m", "bt601"),
    "bt709": ("bt709", "bt709"),
    "smpte240m": ("smpte240m", "smpte240m"),
    "fcc": ("fcc", "fcc"),
}
RANGES = ["untagged", "tv", "pc"]
RGB = ("rgb", "bgr", "gbr", "argb", "abgr", "pal")

X264 = ["-qp", "1", "-preset", "ultrafast"]
X265 = ["-x265-params", "lossless=1:log-level=none:info=0"]
VP9 = ["-lossless", "1"]
JPEG = ["-q:v", "1", "-strict", "-1"]


def clips():
    """Name, encoder, pixel format, matrix, range, options."""
    tags = list(itertools.product(["untagged", "bt601", "bt709"], RANGES))
    for matrix, range_ in tags:
        for kind, codec, pixels, end, more in [
            ("h264", "libx264", "yuv420p", "mp4", X264),
            ("hevc", "libx265", "yuv420p", "mp4", X265),
            ("vp9", "libvpx-vp9", "yuv420p", "webm", VP9),
            ("ffv1", "ffv1", "yuv420p", "mkv", []),
            ("ffv1", "ffv1", "yuv444p10le", "mkv", []),
        ]:
            yield f"{kind}-{pixels}-{matrix}-{range_}.{end}", codec, pixels, matrix, range_, more
    for matrix in ["smpte240m", "fcc"]:
        for range_ in RANGES:
            yield f"h264-yuv420p-{matrix}-{range_}.mp4", "libx264", "yuv420p", matrix, range_, X264
    for range_ in RANGES:
        for codec, pixels, end, more in [
            ("ffv1", "gray", "mkv", []),
            ("ffv1", "gray16le", "mkv", []),
            ("ffv1", "yuva420p", "mkv", []),
            ("libx264", "yuv444p", "mkv", X264),
            ("libx264", "yuv420p10le", "mkv", X264),
            ("libx264", "gray", "mkv", X264),
            ("libvpx-vp9", "gbrp", "webm", VP9),
        ]:
            yield f"{codec}-{pixels}-{range_}.{end}", codec, pixels, "untagged", range_, more
    for codec, end, formats, more in [
        ("mjpeg", "mov", ["yuvj420p"], JPEG),
        ("mjpeg", "avi", ["yuvj444p"], JPEG),
        ("libx264rgb", "mp4", ["rgb24"], ["-qp", "0"]),
        ("libx265", "mp4", ["gbrp"], X265),
        ("ffv1", "mkv", ["bgr0", "gbrp10le", "gbrp12le"], []),
        ("png", "mov", ["rgb24", "rgba", "gray", "gray16be", "ya8", "ya16be", "pal8", "rgb48be", "rgba64be"], []),
        ("png", "mkv", ["rgb48be"], []),
        ("rawvideo", "avi", ["bgr24", "yuyv422"], []),
        ("rawvideo", "mov", ["uyvy422"], []),
        ("v210", "mov", ["yuv422p10le"], []),
        ("prores_ks", "mov", ["yuv422p10le"], []),
        ("mpeg2video", "mkv", ["yuv420p"], ["-q:v", "1", "-r", "25"]),
        ("rawvideo", "mov", ["rgb24", "argb"], []),
        ("huffyuv", "avi", ["yuv422p"], []),
        ("qtrle", "mov", ["rgb24", "argb", "rgb555be"], []),
    ]:
        for pixels in formats:
            yield f"{codec}-{pixels}.{end}", codec, pixels, "untagged", "untagged", more


def run(*args):
    return subprocess.run(["ffmpeg", "-v", "error", "-y", *map(str, args)], check=True, capture_output=True).stdout


def make(folder, name, codec, pixels, matrix, range_, more):
    picture = bytes(
        value
        for y in range(HEIGHT)
        for x in range(WIDTH)
        for value in PATCHES[y // 16 * 4 + x // 16]
    )
    source = folder / "picture.rgb"
    source.write_bytes(picture * 2)
    tag, conversion = MATRICES[matrix]
    to = "pc" if range_ == "pc" or pixels.startswith("yuvj") else "tv"
    change = f"scale=out_color_matrix={conversion}:out_range={to}:flags=accurate_rnd+full_chroma_int"
    filters = f"format={pixels}" if pixels.startswith(RGB) else f"{change},format={pixels}"
    tags = ["-colorspace", tag] if tag else []
    tags += ["-color_range", range_] if range_ != "untagged" else []
    run("-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}", "-r", "10", "-i", source,
        "-vf", filters, "-c:v", codec, "-pix_fmt", pixels, *tags, *more, "-map_metadata", "-1",
        "-fflags", "+bitexact", "-flags:v", "+bitexact", "-threads", "1", folder / name)


def patches(file):
    flags = "accurate_rnd+full_chroma_int+bitexact"
    rgb = run("-i", file, "-frames:v", "1", "-sws_flags", flags, "-pix_fmt", "rgb24", "-f", "rawvideo", "-")
    assert len(rgb) == WIDTH * HEIGHT * 3, file
    middle = lambda x, y: ((16 * y + 8) * WIDTH + 16 * x + 8) * 3
    return [list(rgb[middle(x, y):][:3]) for y in range(2) for x in range(4)]


def main():
    expected = {}
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(OUT, "w", zipfile.ZIP_STORED) as pack:
        folder = pathlib.Path(folder)
        write = lambda name, data: pack.writestr(zipfile.ZipInfo(name), data)
        for name, *how in clips():
            make(folder, name, *how)
            expected[name] = patches(folder / name)
            write(name, (folder / name).read_bytes())
        write("expected.json", json.dumps(expected, indent=0))
    print(len(expected), "clips,", OUT.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
