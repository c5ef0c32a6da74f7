#!/usr/bin/env python3
"""What software other than ours reads in shards, and how it agrees with the media.

Needs PyAV, NumPy and Pillow (pip install av==18.1.0 numpy pillow); the tests do not
need this script. Members are grouped as webdataset does it, at the first dot of
their names, with nothing but tarfile; sound is decoded by libavcodec, pictures by
libjpeg.

    tests/oracle/shards.py DIR|SHARD             prints what is in the clips, as JSON
    tests/oracle/shards.py DIR|SHARD MEDIA_DIR   holds them against the recordings:
                                                 exit code 1 if they differ

Recordings that differ, and may: those of more than two channels, which have no
agreed mean; those whose timestamps wobble by milliseconds, which the program
follows and this script does not.

    tests/oracle/shards.py tests/data/shard_v1.tar > tests/data/expected_shard_v1.json
"""

import hashlib
import io
import json
import math
import pathlib
import sys
import tarfile

import av
import numpy as np
from PIL import Image

RATE = 48_000
# How far sound may be from what another decoder makes of it: codecs' priming.
MOST_LAG = 2_400


def clips(path):
    """Key and members of each clip."""
    path = pathlib.Path(path)
    for shard in sorted(path.glob("*.tar")) if path.is_dir() else [path]:
        found = {}
        with tarfile.open(shard) as tar:
            for member in tar:
                folder, _, base = member.name.rpartition("/")
                name, _, kind = base.partition(".")
                key = f"{folder}/{name}" if folder else name
                members = found.setdefault(key, {})
                assert kind not in members, f"{member.name} is there twice"
                members[kind] = tar.extractfile(member).read()
        for key, members in found.items():
            yield key, json.loads(members["json"]), members


def decode(source):
    """16-bit mono sound at 48 kHz, and where it begins in samples."""
    container = av.open(source, metadata_errors="ignore")
    mono = av.AudioResampler(format="fltp", layout=None, rate=RATE)
    start, blocks = None, []
    for frame in container.decode(audio=0):
        if start is None and frame.pts is not None:
            start = float(frame.pts * frame.time_base)
        for block in mono.resample(frame):
            blocks.append(block.to_ndarray().mean(axis=0))
    for block in mono.resample(None):
        blocks.append(block.to_ndarray().mean(axis=0))
    pcm = np.concatenate(blocks) if blocks else np.zeros(0)
    return pcm, round((start or 0.0) * RATE)


def flac(data):
    container = av.open(io.BytesIO(data))
    stream = container.streams.audio[0]
    assert (stream.rate, stream.channels) == (RATE, 1), stream
    return np.concatenate([f.to_ndarray().ravel() for f in container.decode(audio=0)])


def dbfs(pcm):
    power = float(np.mean(np.square(pcm.astype(np.float64)))) if len(pcm) else 0.0
    return max(-120.0, 10 * math.log10(power)) if power > 0 else -120.0


def tell(path):
    told = {}
    for key, info, members in clips(path):
        pcm = flac(members["flac"])
        assert pcm.dtype == np.int16 and len(pcm) == info["samples"], key
        frames = []
        for i, _ in enumerate(info["frame_times_ns"]):
            image = np.asarray(Image.open(io.BytesIO(members[f"{i:04}.jpg"])))
            height, width, _ = image.shape
            mean = [round(float(v), 2) for v in image.reshape(-1, 3).mean(axis=0)]
            frames.append({"size": [width, height], "mean_rgb": mean})
        assert len(members) == 2 + len(frames), key
        told[key] = {
            "info": info,
            "pcm_s16le_md5": hashlib.md5(pcm.astype("<i2").tobytes()).hexdigest(),
            "rms_dbfs": round(dbfs(pcm / 32768.0), 2),
            "frames": frames,
        }
    return told


def lag_of(clip, whole, at):
    """By how many samples the clip lies later than the other decoder has it."""
    most = min(len(clip), 10 * RATE)
    low = at - MOST_LAG
    other = np.zeros(most + 2 * MOST_LAG)
    part = whole[max(low, 0) : max(low + len(other), 0)]
    offset = max(-low, 0)
    other[offset : offset + len(part)] = part
    size = 1 << (len(other) + most).bit_length()
    product = np.fft.rfft(other, size) * np.conj(np.fft.rfft(clip[:most], size))
    correlation = np.fft.irfft(product, size)[: 2 * MOST_LAG + 1]
    best = int(np.argmax(correlation))
    aligned = other[best : best + most]
    norm = math.sqrt(float(np.dot(aligned, aligned) * np.dot(clip[:most], clip[:most])))
    return MOST_LAG - best, float(correlation[best]) / norm if norm else 1.0


def pictures(file, times_ns):
    """The frames of a file that are nearest to these times."""
    wanted = sorted(times_ns)
    best = {}
    container = av.open(file, metadata_errors="ignore")
    zero = container.start_time / 1e6 if container.format.name in ("mpeg", "mpegts") else 0.0
    for frame in container.decode(video=0):
        if frame.pts is None:
            continue
        at = (float(frame.pts * frame.time_base) - zero) * 1e9
        # A frame may be wanted for the time next to it only.
        for ns in wanted:
            off = abs(at - ns)
            if off < 60e6 and (ns not in best or off < best[ns][0]):
                best[ns] = (off, frame)
    return best


def compare(path, media):
    media = pathlib.Path(media)
    by_source, wrong = {}, 0
    for key, info, members in clips(path):
        by_source.setdefault(info["source"], []).append((info, members))
    for source, pieces in sorted(by_source.items()):
        whole, start = decode(str(media / source))
        lags, likeness, levels, psnr = [], [], [], []
        times = [t for info, _ in pieces for t in info["frame_times_ns"][:3]]
        seen = pictures(str(media / source), times)
        for info, members in pieces:
            pcm = flac(members["flac"]) / 32768.0
            at = info["start_sample"] - start
            lag, alike = lag_of(pcm, whole, at)
            lags.append(lag)
            likeness.append(alike)
            from_ = max(at - lag, 0)
            levels.append(dbfs(pcm) - dbfs(whole[from_ : from_ + len(pcm)]))
            for i, ns in enumerate(info["frame_times_ns"][:3]):
                ours = Image.open(io.BytesIO(members[f"{i:04}.jpg"])).convert("RGB")
                if ns not in seen:
                    continue
                theirs = seen[ns][1].to_image()
                if (ours.width > ours.height) != (theirs.width > theirs.height):
                    continue  # turned by a tag that PyAV does not follow
                theirs = theirs.resize(ours.size, Image.BILINEAR)
                error = np.asarray(ours, float) - np.asarray(theirs, float)
                psnr.append(10 * math.log10(255**2 / max(1e-9, float(np.mean(error**2)))))
        good = (
            min(likeness) > 0.98
            and max(map(abs, lags)) <= MOST_LAG // 2
            and max(map(abs, levels)) < 0.5
            and (not psnr or min(psnr) > 25)
        )
        wrong += not good
        print(
            f"{'same   ' if good else 'DIFFERS'} {source}: {len(pieces)} clips, later by"
            f" {min(lags)} to {max(lags)} samples, correlation {min(likeness):.4f},"
            f" level {min(levels):+.2f} to {max(levels):+.2f} dB,"
            f" pictures {min(psnr, default=0):.1f} dB PSNR at the least of {len(psnr)}"
        )
    return wrong


def main():
    if len(sys.argv) == 2:
        json.dump(tell(sys.argv[1]), sys.stdout, indent=1)
        print()
    elif len(sys.argv) == 3:
        sys.exit(1 if compare(sys.argv[1], sys.argv[2]) else 0)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
