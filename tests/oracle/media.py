#!/usr/bin/env python3
"""What a decoder other than GStreamer says of tests/data, as expected_media.json.

Needs PyAV and NumPy (pip install av==18.1.0 numpy); the tests do not need this
script. For each file: the stretches of sound and the pictures, in nanoseconds on
the file's timeline; the size of the picture as a person sees it; and the one-second
windows that the rules for results make of it, each with its level and the
nearest frame. The rules here are written a second time on purpose: the program
is held against them.

    tests/oracle/media.py                 writes tests/data/expected_media.json
    tests/oracle/media.py FILE...         prints what it says of these files
"""

import fractions
import json
import math
import pathlib
import re
import sys

import av
import numpy as np

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
RATE = 48_000
WINDOW = RATE
# A last window that lacks at most 10 ms counts as whole.
TAIL = RATE // 100
# A jump of more than 20 ms ends a window; less is smoothed over.
JUMP = fractions.Fraction(20, 1000)
FLOOR_DBFS = -120.0
# Containers whose timestamps may start anywhere: the first one is the zero.
FLOATING_ZERO = {"mpegts", "mpeg"}

# What the clips are in the repository for. A file that is not named here is `ok`.
FAILS = {
    "odd/result.webm": "is empty (0 bytes)",
    "odd/chunk_out_of_range.mp4": "has a damaged index",
    "odd/invalid-codec.mp4": "names a codec that does not exist",
    "odd/short-cenc.mp4": "is encrypted",
    "odd/test_case_1185230.mp4": "has damaged headers and no whole packet",
    "odd/bipbop_nonfragment_header.mp4": "is cut off right behind its index: no sound, no picture",
    "made/text.mp4": "is text with the name of a film",
    "made/truncated_no_index.mp4": "is cut off before its index",
}


# Which tracks are the recording, where it is not the first of each kind. Several are mixed.
TRACKS = {
    "made/second_default.mp4": {"audio": [1]},
    "made/second_default.mkv": {"audio": [1]},
    "made/silent_first.mkv": {"audio": [1]},
    "made/commentary_first.mkv": {"audio": [1]},
    "made/four_microphones.mov": {"audio": [1, 2]},
    "made/cover_first.mkv": {"video": 1},
}


def ns(seconds):
    return round(seconds * 1_000_000_000)


def mono(frame):
    """The mean of the channels, f32 in [-1, 1]."""
    pcm = frame.to_ndarray()
    if pcm.dtype.kind == "i":
        pcm = pcm.astype(np.float64) / float(np.iinfo(pcm.dtype).max + 1)
    elif pcm.dtype.kind == "u":
        pcm = (pcm.astype(np.float64) - 128.0) / 128.0
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        pcm = pcm.reshape(-1, channels).T
    return pcm.astype(np.float64).mean(axis=0)


class Sound:
    """Stretches of sound without a jump, each (start in seconds, rate, samples)."""

    def __init__(self):
        self.stretches = []
        self.end = None

    def add(self, frame):
        samples = mono(frame)
        at = frame.time_base * frame.pts if frame.pts is not None else self.end
        at = at if at is not None else fractions.Fraction(0)
        if self.end is None or abs(at - self.end) > JUMP:
            self.stretches.append((at, frame.sample_rate, []))
            self.end = at
        self.stretches[-1][2].append(samples)
        self.end += fractions.Fraction(frame.samples, frame.sample_rate)


def resampled(samples, rate):
    """To 48 kHz through libswresample, the whole stretch at once."""
    count = round(fractions.Fraction(len(samples) * RATE, rate))
    if rate == RATE or not len(samples):
        return samples
    frame = av.AudioFrame.from_ndarray(
        samples.astype(np.float32)[None, :], format="fltp", layout="mono"
    )
    frame.sample_rate = rate
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE)
    out = [f.to_ndarray()[0] for f in resampler.resample(frame) + resampler.resample(None)]
    out = np.concatenate(out).astype(np.float64)
    # The filter's tail is not sound of the clip.
    return np.pad(out[:count], (0, max(0, count - len(out))))


def first_cluster_ns(path):
    """Matroska's zero as players take it: the time of the first cluster, in ms.

    Read from the bytes, since FFmpeg does not tell. Good enough for clips with the
    default scale of 1 ms, as all of these are.
    """
    data = path.read_bytes()
    at = data.find(b"\x1f\x43\xb6\x75")
    if at < 0:
        return 0
    at += 4
    # The cluster's size: as many bytes as the first one has leading zeros, and one.
    at += 9 - data[at].bit_length()
    if data[at] == 0xBF:  # a checksum of 4 bytes goes before
        at += 6
    assert data[at] == 0xE7, f"{path}: a cluster that does not begin with its time"
    length = data[at + 1] & 0x7F
    return int.from_bytes(data[at + 2 : at + 2 + length], "big") * 1_000_000


def dbfs(samples):
    power = float(np.mean(samples**2)) if len(samples) else 0.0
    return max(FLOOR_DBFS, 10 * math.log10(power)) if power > 0 else FLOOR_DBFS


def windows(stretches, frames, whole_is_short):
    made = []
    for start_ns, pcm in stretches:
        count = (len(pcm) + TAIL) // WINDOW
        padded = count == 0 and whole_is_short
        for i in range(1 if padded else count):
            part = pcm[i * WINDOW : (i + 1) * WINDOW]
            part = np.pad(part, (0, WINDOW - len(part)))
            begin = start_ns + i * 1_000_000_000
            middle = begin + 500_000_000
            nearest = min(frames, key=lambda f: (abs(f - middle), f), default=None)
            made.append({
                "start_ns": begin,
                "rms_dbfs": round(dbfs(part), 2),
                "frame_ns": nearest,
                "frame_inside": nearest is not None and begin <= nearest < begin + 1_000_000_000,
                "padded": padded,
            })
    return made


def shown_size(stream, rotation):
    """As a person sees it: wide pixels widen the picture, then it is turned."""
    aspect = stream.sample_aspect_ratio or fractions.Fraction(1)
    width, height = round(stream.width * aspect), stream.height
    return [height, width] if rotation % 180 else [width, height]


def mixed(sounds):
    """The mean of several tracks that begin and end together."""
    sound = sounds[0]
    if len(sounds) > 1:
        (at, rate, _), = sound.stretches
        tracks = [np.concatenate(parts) for track in sounds for _, _, parts in track.stretches]
        sound.stretches = [(at, rate, [np.mean(tracks, axis=0)])]
    return sound


def look(path, tracks=None):
    tracks = {"video": 0, "audio": [0]} | (tracks or {})
    container = av.open(str(path), metadata_errors="ignore")
    video = next(iter(container.streams.video[tracks["video"]:]), None)
    audios = [container.streams.audio[n] for n in tracks["audio"] if n < len(container.streams.audio)]
    audio = next(iter(audios), None)
    sounds = [Sound() for _ in audios] or [Sound()]
    frames, errors, rotation = [], 0, 0
    for packet in container.demux([s for s in (video, *audios) if s is not None]):
        try:
            for frame in packet.decode():
                if packet.stream in audios:
                    sounds[audios.index(packet.stream)].add(frame)
                elif frame.pts is not None:
                    rotation = frame.rotation
                    frames.append(frame.time_base * frame.pts)
        except av.FFmpegError:
            errors += 1
    sound = mixed(sounds)
    name = container.format.name.split(",")[0]
    zero = fractions.Fraction(0)
    if name in FLOATING_ZERO:
        zero = min([s[0] for s in sound.stretches] + frames, default=zero)
    if name == "matroska":
        zero = fractions.Fraction(first_cluster_ns(path), 1_000_000_000)
    frames = sorted(ns(f - zero) for f in frames)
    stretches, told = [], []
    for at, rate, parts in sound.stretches:
        pcm = resampled(np.concatenate(parts), rate)
        start_ns = max(0, ns(at - zero))
        stretches.append((start_ns, pcm))
        told.append({"start_ns": start_ns, "samples": len(pcm)})
    length = sum(len(p) for _, p in stretches)
    made = windows(stretches, frames, length + TAIL < WINDOW)
    return {
        "container": name,
        "decode_errors": errors,
        "audio": None if audio is None else {
            "codec": audio.codec_context.name,
            "rate": audio.codec_context.sample_rate,
            "channels": audio.codec_context.channels,
            "stretches": told,
        },
        "video": None if video is None else {
            "codec": video.codec_context.name,
            "coded": [video.width, video.height],
            "shown": shown_size(video, rotation),
            "rotation": rotation,
            "frames": len(frames),
            "pts_ns": frames,
        },
        "windows": made,
        "moments": sum(w["frame_inside"] for w in made),
    } | ({} if made and frames else {"why_none": "no_video" if made else "no_audio"})


NOTES = {
    "times": "ns on the file's timeline. Zero is the container's zero; in MPEG streams the first "
             "timestamp, in Matroska the first cluster's",
    "pts_ns": "allow 2 ms: Matroska counts in ms, and decoders round",
    "stretches": "sound without a jump of more than 20 ms, at 48 kHz mono. Starts: allow 25 ms where the "
                 "codec is lossy (priming). Samples: lossless codecs exact to 8 (resampling), others to "
                 "2400, AAC at 8 kHz to 6144 (one block more or less at the end)",
    "rms_dbfs": "of the mean of the channels; allow 0.2 dB, where the codec is lossy 0.5 dB. More than two "
                "channels have no agreed mean: here all six are the same (made/surround_5_1.mkv)",
    "frame_ns": "nearest to the window's middle, the earlier of two; allow one frame where two are as near",
    "frame_inside": "whether that frame lies in the window",
    "windows": "seconds of sound; a file without picture has windows, but no moments",
    "moments": "windows with a frame inside; a window without one is a gap no_video where the picture has "
               "not begun or is over",
    "fails": "no second can be judged; the run must name the file and the cause and end with exit code 1",
    "why_none": "why a file that decodes has no moments: the gap that must tell of it",
    "gstreamer": "what GStreamer 1.22 says otherwise, in words",
    "gstreamer_says": "the same in numbers, where moments come out otherwise; frame_shift_ns is added to pts_ns",
}

# What GStreamer 1.22 says otherwise, seen by running it; no fault of the program.
DIFFERS = {
    "clips/grid_sbwe5n.mpg": "mpegpsdemux jumps by 79 ms at 1.9 s unless ignore-scr is set",
    "odd/no_duration.webm": "vp9alphadecodebin refuses it; vp9dec alone decodes it",
    "odd/pattern.ogv": "97 frames: repeated frames count in Theora, FFmpeg passes them by",
    "made/interlaced.ts": "tsdemux begins 10.02 ms late and cuts the sound before it: the last second lacks more "
                          "than 10 ms, and the pictures' times are as much earlier",
    "made/far.mpg": "as interlaced.ts", "made/wrap.mpg": "as interlaced.ts",
    "made/private_aac.m2ts": "as interlaced.ts", "made/private_mp2.m2ts": "as interlaced.ts",
    "made/private_mp3.m2ts": "as interlaced.ts",
    "made/truncated_faststart.mp4": "56 frames: the last one is cut off",
    "odd/sample_audio_only.mp4": "starts 23 ms earlier: FFmpeg moves the start behind the AAC priming",
    "odd/sample_rotate_and_reflect.mp4": "starts 23 ms earlier: FFmpeg moves the start behind the AAC priming",
}

# The same in numbers, where moments come out otherwise.
SAYS = {
    "made/interlaced.ts": {"frame_shift_ns": -10_022_222},
    "made/far.mpg": {"frame_shift_ns": -10_022_222},
    "made/wrap.mpg": {"frame_shift_ns": -10_022_222},
    "made/private_aac.m2ts": {"frame_shift_ns": -21_333_333},
    "made/private_mp2.m2ts": {"frame_shift_ns": -10_022_222},
    "made/private_mp3.m2ts": {"frame_shift_ns": -23_022_222},
}


def main():
    if len(sys.argv) > 1:
        for name in sys.argv[1:]:
            print(json.dumps(look(pathlib.Path(name)), indent=1))
        return
    files = {}
    for path in sorted(DATA.glob("*/*.*")):
        name = path.relative_to(DATA).as_posix()
        if path.suffix in {".txt", ".md", ".matroska"}:
            continue
        if name in FAILS:
            files[name] = {"fails": FAILS[name], "moments": 0}
            continue
        files[name] = look(path, TRACKS.get(name))
        if name in DIFFERS:
            files[name]["gstreamer"] = DIFFERS[name]
        if name in SAYS:
            files[name]["gstreamer_says"] = SAYS[name]
    text = json.dumps({"notes": NOTES, "files": files}, indent=1)
    # Lists of numbers on one line each: the file is read by people, too.
    text = re.sub(r"\[\s+([-\d,\s]+?)\s+\]", lambda m: "[" + " ".join(m[1].split()) + "]", text)
    (DATA / "expected_media.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
