#!/usr/bin/env python3
"""Makes tests/data/movies: MP4 and MOV whose edit lists and PCM qtdemux misreads.

Needs ffmpeg 5 and PyAV (pip install av==18.1.0 numpy), whose FFmpeg writes PCM into
MP4; the tests do not need this script. The sound is a tone of 440 Hz, at half the
full scale in second 0 and 1 dB less in each that follows; the picture is
ffmpeg's testsrc2, with a key frame every 4 s.
"""

import fractions
import itertools
import pathlib
import struct
import subprocess
import tempfile

import av
import numpy as np

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "movies"
EXACT = ["-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact"]


def ffmpeg(*args):
    words = [str(w) for a in args for w in (a if isinstance(a, list) else [a])]
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-nostdin", *words], check=True)


def picture(seconds):
    return ["-f", "lavfi", "-i", f"testsrc2=s=32x32:r=10:d={seconds}"]


def sound(seconds, rate):
    tone = "0.5*pow(10,-floor(t)/20)*sin(440*2*PI*t)"
    return ["-f", "lavfi", "-i", f"aevalsrc='{tone}':s={rate}:d={seconds}"]


H264 = ["-c:v", "libx264", "-preset", "veryslow", "-crf", "45", "-g", "40", "-threads", "1"]


def film(path, seconds, rate, *codec):
    ffmpeg(picture(seconds), sound(seconds, rate), H264, "-c:a", *codec, EXACT, path)


# --- cut without re-encoding, as everybody cuts

CUTS = [
    # (name, rate, codec, second where the cut begins; key frames are at 4 and 8)
    ("aac_48k.mp4", 48_000, ["aac", "-b:a", "32k"], 6.4),
    ("aac_8k.mov", 8_000, ["aac", "-b:a", "16k"], 6.4),
    ("aac_16k.3gp", 16_000, ["aac", "-b:a", "16k"], 3.3),
    ("aac_11k.m4v", 11_025, ["aac", "-b:a", "16k"], 8),
    ("mp3.mp4", 44_100, ["libmp3lame", "-b:a", "32k"], 7.9),
    ("opus.mp4", 48_000, ["libopus", "-b:a", "24k"], 6.4),
    ("alac.mov", 8_000, ["alac"], 6.4),
    ("flac.mp4", 8_000, ["flac", "-strict", "-2"], 7.9),
    ("pcm.mov", 8_000, ["pcm_s16le"], 6.4),
    ("mulaw.mov", 8_000, ["pcm_mulaw"], 3.3),
]


def cuts(scratch):
    for name, rate, codec, begin in CUTS:
        whole = scratch / name
        film(whole, 12, rate, *codec)
        ffmpeg("-ss", begin, "-i", whole, "-t", 4, "-c", "copy", "-strict", "-2", EXACT, OUT / f"cut_{name}")


# --- edit lists

E = None  # an empty edit
EDITS = [
    # (name, edits of the picture, of the sound: (seconds, begin in the media))
    ("empty_sound", [(5, 0)], [(1.5, E), (3, 0)]),
    ("empty_picture", [(1.5, E), (3, 0)], [(5, 0)]),
    ("empty_and_cut", [(1, E), (4, 5)], [(1, E), (4, 5)]),
    ("empty_sound_cut", [(5, 5)], [(0.5, E), (4, 5)]),
    ("two", [(2, 1), (3, 7)], [(2, 1), (3, 7)]),
    ("two_back", [(2, 8), (3, 1)], [(2, 8), (3, 1)]),
    ("three", [(1.5, 1), (1.5, 5), (2, 9)], [(1.5, 1), (1.5, 5), (2, 9)]),
    ("middle", [(4, 5)], [(4, 5)]),
    ("beyond", [(6, 9)], [(6, 9)]),
    ("sound_later", [(4, 0)], [(4, 7)]),
    ("picture_later", [(4, 7)], [(4, 0)]),
    ("short_sound", [(11, 0)], [(2, 5)]),
]


def atoms(data, begin, end):
    while begin + 8 <= end:
        size, kind = struct.unpack(">I4s", data[begin : begin + 8])
        yield kind, data[begin : begin + size]
        begin += size


def atom(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def edited_track(trak, edits, timescale, long):
    """The track with other edits, and its length."""
    kids = [(kind, kid) for kind, kid in atoms(trak, 8, len(trak)) if kind != b"edts"]
    media = dict(kids)[b"mdia"]
    inner = dict(atoms(media, 8, len(media)))
    rows = edits[inner[b"hdlr"][16:20]]
    (media_scale,) = struct.unpack(">I", inner[b"mdhd"][20:24])
    length, table = 0, b""
    for seconds, begin in rows:
        duration = round(seconds * timescale)
        begin = -1 if begin is None else round(begin * media_scale)
        table += struct.pack(">QqI" if long else ">IiI", duration, begin, 1 << 16)
        length += duration
    made = []
    for kind, kid in kids:
        if kind == b"tkhd":
            kid = kid[:28] + struct.pack(">I", length) + kid[32:]
        made.append(kid)
        if kind == b"tkhd":
            head = struct.pack(">II", int(long) << 24, len(rows))
            made.append(atom(b"edts", atom(b"elst", head, table)))
    return atom(b"trak", *made), length


def edit(source, name, picture, sound, long=False):
    """Writes a movie with other edit lists. Its index must be its end."""
    data = source.read_bytes()
    *before, (kind, moov) = atoms(data, 0, len(data))
    assert kind == b"moov"
    made, longest = [], 0
    for kind, kid in atoms(moov, 8, len(moov)):
        if kind == b"mvhd":
            (timescale,) = struct.unpack(">I", kid[20:24])
        if kind == b"trak":
            kid, length = edited_track(kid, {b"vide": picture, b"soun": sound}, timescale, long)
            longest = max(longest, length)
        made.append(kid)
    made[0] = made[0][:24] + struct.pack(">I", longest) + made[0][28:]
    (OUT / name).write_bytes(b"".join(a for _, a in before) + atom(b"moov", *made))


def edit_lists(scratch):
    base = scratch / "base.mp4"
    # Without B-frames, whose first time is not 0; and with short blocks of sound, as
    # FFmpeg cuts whole ones.
    film(base, 12, 48_000, "aac", "-b:a", "16k", "-bf", 0)
    for name, picture, sound in EDITS:
        edit(base, f"edits_{name}.mp4", picture, sound)
    edit(base, "edits_long.mp4", EDITS[4][1], EDITS[4][2], long=True)


# --- PCM

def pcm_in_mov():
    for kind, order in itertools.product(["s16", "s24", "s32", "f32", "f64"], ["le", "be"]):
        film(OUT / f"pcm_{kind}{order}.mov", 1, 4_000, f"pcm_{kind}{order}")
    for kind in ["s8", "u8"]:
        film(OUT / f"pcm_{kind}.mov", 1, 4_000, f"pcm_{kind}")
    # Rates above 65 535 Hz need the second version of the sample description.
    film(OUT / "pcm_96k_s16le.mov", 0.3, 96_000, "pcm_s16le")
    film(OUT / "pcm_96k_f32le.mov", 0.3, 96_000, "pcm_f32le")
    film(OUT / "pcm_96k_s24be.mov", 0.3, 96_000, "pcm_s24be")


def pcm_in_mp4(name, codec, rate=4_000):
    """ffmpeg 5 writes no PCM into MP4 (ISO 23003-5); PyAV does."""
    with av.open(str(OUT / name), "w", options={"fflags": "+bitexact"}) as out:
        video = out.add_stream("libx264", rate=10)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        video.options = {"crf": "45", "threads": "1"}
        audio = out.add_stream(codec, rate=rate, layout="mono")
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 20 * i, np.uint8), format="rgb24")
            frame.pts, frame.time_base = i, fractions.Fraction(1, 10)
            out.mux(video.encode(frame))
        tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)
        resampler = av.AudioResampler(format=audio.format.name, layout="mono", rate=rate)
        frame = av.AudioFrame.from_ndarray(tone.astype(np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = rate, 0
        for frame in resampler.resample(frame):
            out.mux(audio.encode(frame))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))


def main():
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        cuts(pathlib.Path(scratch))
        edit_lists(pathlib.Path(scratch))
    pcm_in_mov()
    for kind, order in itertools.product(["s16", "s24", "s32", "f32", "f64"], ["le", "be"]):
        pcm_in_mp4(f"pcm_{kind}{order}.mp4", f"pcm_{kind}{order}")


if __name__ == "__main__":
    main()
