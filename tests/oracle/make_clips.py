#!/usr/bin/env python3
"""Makes tests/data/made: small clips whose sound and picture are known exactly.

Needs ffmpeg; the tests do not need this script. The sound of second n is a square
wave of 400·(n+1) Hz at half the amplitude of the second before it (from 0.5), so
that a window that lies wrong shows in its level: 0.5 is -6.02 dBFS, each second
after it 6.02 dB less. (Square, because FLAC packs it into next to nothing.) The
picture is ffmpeg's testsrc2.
"""

import pathlib
import subprocess
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "data" / "made"
CLIPS = OUT.parent / "clips"

STEPS = "0.5*pow(0.5,floor(t))*(1-2*floor(2*mod(400*(1+floor(t))*t+1e-6,1)))"
H264 = ["-c:v", "libx264", "-preset", "veryslow", "-crf", "32", "-pix_fmt", "yuv420p"]
PCM = ["-c:a", "pcm_s16le"]
FLAC = ["-c:a", "flac", "-sample_fmt", "s16", "-compression_level", "12"]


def sound(seconds, rate=48000, expressions=(STEPS,), layout="mono"):
    quoted = "|".join(e.replace(",", "\\,") for e in expressions)
    return ["-f", "lavfi", "-i", f"aevalsrc={quoted}:s={rate}:d={seconds}:c={layout}"]


def picture(seconds, size="160x120", rate="25"):
    return ["-f", "lavfi", "-i", f"testsrc2=s={size}:r={rate}:d={seconds}"]


def ffmpeg(name, *args):
    words = [w for a in args for w in (a if isinstance(a, list) else [a])]
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *words, "-threads", "1", "-map_metadata", "-1",
         "-fflags", "+bitexact", "-flags:v", "+bitexact", "-flags:a", "+bitexact", OUT / name],
        check=True,
    )


def cut(source, name, share):
    data = source.read_bytes()
    (OUT / name).write_bytes(data[: int(len(data) * share)])


def main():
    OUT.mkdir(exist_ok=True)

    # Exactly three seconds, in the containers and codecs that differ in their ends.
    ffmpeg("whole_3s_pcm.avi", picture(3), sound(3, 16000), "-c:v", "mpeg4", "-q:v", "24", PCM)
    ffmpeg("whole_3s_flac.mkv", picture(3), sound(3), H264, FLAC)
    ffmpeg("whole_3s_aac.mp4", picture(3), sound(3), H264, "-c:a", "aac", "-b:a", "64k")
    ffmpeg("whole_3s_aac.mov", picture(3), sound(3), H264, "-c:a", "aac", "-b:a", "64k")
    ffmpeg("whole_3s_opus.webm", picture(3), sound(3), "-c:v", "libvpx", "-b:v", "60k",
           "-c:a", "libopus", "-b:a", "48k")
    # Around the 10 ms that a last window may lack, and a clip under a second.
    ffmpeg("lacks_5ms.mkv", picture(3), sound(2.995), H264, FLAC)
    ffmpeg("lacks_15ms.mkv", picture(3), sound(2.985), H264, FLAC)
    ffmpeg("short_400ms.mkv", picture(0.4), sound(0.4), H264, FLAC)

    # Rates and channels.
    ffmpeg("rate_192k.mkv", picture(2), sound(2, 192000), H264, FLAC)
    ffmpeg("rate_8k.mkv", picture(2), sound(2, 8000), H264, PCM)
    ffmpeg("stereo_opposite.mkv", picture(2),
           sound(2, expressions=(STEPS, f"-({STEPS})"), layout="stereo"), H264, FLAC)
    ffmpeg("stereo_left_only.mkv", picture(2),
           sound(2, expressions=(STEPS, "0"), layout="stereo"), H264, FLAC)
    # The same in all six, so that every sensible downmix gives the same level.
    ffmpeg("surround_5_1.mkv", picture(2), sound(2, expressions=(STEPS,) * 6, layout="5.1"), H264, FLAC)

    # Holes, ends and starts.
    ffmpeg("sound_hole.mkv", picture(5), sound(5), H264,
           "-af", "asetnsamples=n=480:p=0,aselect=not(between(t\\,2\\,2.495))", FLAC)
    ffmpeg("sound_starts_late.mkv", picture(4), "-itsoffset", "1.25", sound(2.75), H264, FLAC)
    ffmpeg("picture_ends_early.mkv", picture(2), sound(4), H264, FLAC)
    ffmpeg("picture_starts_late.mkv", "-itsoffset", "1.5", picture(2.5), sound(4), H264, FLAC)
    ffmpeg("sound_ends_early.mkv", picture(4), sound(2), H264, FLAC)
    ffmpeg("two_sounds.mkv", picture(2), sound(2), sound(2, expressions=("0.9*(1-2*floor(2*mod(3000*t+1e-6,1)))",)),
           "-map", "0", "-map", "1", "-map", "2", H264, FLAC)

    # Pictures of every shape.
    ffmpeg("odd_size.webm", picture(2, "74x46"), sound(2), "-vf", "scale=37:23", "-c:v", "libvpx-vp9", "-b:v", "40k",
           "-c:a", "libvorbis", "-q:a", "2")
    ffmpeg("anamorphic.mkv", picture(2, "80x120"), sound(2), H264, "-vf", "setsar=2/1", FLAC)
    ffmpeg("interlaced.ts", picture(3, "128x96", "50"), sound(3), "-vf",
           "tinterlace=interleave_top,setsar=1,setfield=tff", "-c:v", "mpeg2video", "-q:v", "20",
           "-flags:v", "+ildct+ilme", "-c:a", "mp2", "-b:a", "96k")
    # gst-libav 1.22 crashes on it unless its decoders write into buffers of their own. What
    # comes of it depends on the version; so its name is not one that a folder walk takes.
    ffmpeg("gray10_ffv1.matroska", picture(2, "64x48", "5"), sound(2, rate=8000),
           "-pix_fmt", "gray10le", "-c:v", "ffv1", "-level", "3", FLAC, "-f", "matroska")
    ffmpeg("one_frame_a_second.mp4", picture(4, rate="1"), sound(4), H264, "-c:a", "aac", "-b:a", "48k")
    ffmpeg("still.mkv", "-f", "lavfi", "-i", "color=c=teal:s=64x48:r=10:d=2", sound(2), H264, FLAC)

    # Damage.
    cut(OUT / "whole_3s_aac.mp4", "truncated_no_index.mp4", 0.6)
    cut(CLIPS / "vp8-vorbis-webvtt.webm", "truncated.webm", 0.5)
    ffmpeg("faststart.mp4", picture(4), sound(4), H264, "-c:a", "aac", "-b:a", "48k",
           "-movflags", "+faststart")
    cut(OUT / "faststart.mp4", "truncated_faststart.mp4", 0.6)
    (OUT / "faststart.mp4").unlink()
    (OUT / "text.mp4").write_text("This is no film, whatever its name says.\n" * 20)
    (OUT / "notes.txt").write_text("No media: a walk over the folder passes it by.\n")


if __name__ == "__main__":
    sys.exit(main())
