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

    # Several tracks: which one is the recording.
    other = sound(2, expressions=("0.02*sin(2*PI*300*t)",))
    ffmpeg("second_default.mp4", picture(2), other, sound(2), "-map", "0", "-map", "1", "-map", "2", H264,
           "-c:a", "aac", "-b:a", "48k", "-disposition:a:0", "0", "-disposition:a:1", "default")
    ffmpeg("second_default.mkv", picture(2), other, sound(2), "-map", "0", "-map", "1", "-map", "2", H264,
           FLAC, "-disposition:a:0", "0", "-disposition:a:1", "default")
    ffmpeg("four_microphones.mov", picture(2), *(sound(2, 8000, (e,)) for e in ("0", STEPS, STEPS, "0")),
           *(w for n in range(5) for w in ("-map", str(n))), H264, PCM)
    ffmpeg("silent_first.mkv", picture(2), sound(2, expressions=("0",)), sound(2),
           "-map", "0", "-map", "1", "-map", "2", H264, FLAC, "-disposition:a", "0")
    ffmpeg("commentary_first.mkv", picture(2), other, sound(2), "-map", "0", "-map", "1", "-map", "2", H264,
           FLAC, "-disposition:a", "0", "-metadata:s:a:0", "title=Director's commentary")
    ffmpeg("cover_first.mkv", "-f", "lavfi", "-i", "testsrc=s=64x64:r=25:d=0.04", picture(2), sound(2),
           "-map", "0", "-map", "1", "-map", "2", "-c:v:0", "mjpeg", "-c:v:1", "libx264", "-crf:v:1", "32",
           "-pix_fmt:v:0", "yuvj420p", "-pix_fmt:v:1", "yuv420p", FLAC,
           "-disposition:v:0", "0", "-disposition:v:1", "default")

    # Transport streams whose tables do not say what the sound is, and Blu-ray's packets.
    for name, codec in (("aac", ["aac", "-b:a", "48k"]), ("mp2", ["mp2", "-b:a", "64k"]),
                        ("mp3", ["libmp3lame", "-b:a", "64k"]), ("dts", ["dca", "-strict", "-2", "-b:a", "256k"])):
        ffmpeg(f"private_{name}.m2ts", picture(2), sound(2), H264, "-c:a", *codec)
    ffmpeg("dts.ts", picture(2), sound(2), H264, "-c:a", "dca", "-strict", "-2", "-b:a", "256k")
    ffmpeg("lpcm_24.m2ts", picture(1), sound(1), H264, "-c:a", "pcm_bluray", "-sample_fmt", "s32")
    for bits, kind in ((16, "s16"), (24, "s32")):
        ffmpeg(f"lpcm_{bits}.vob", picture(1), sound(1), "-ac", "2" if bits == 16 else "1", "-c:v", "mpeg2video", "-q:v", "24",
               "-c:a", "pcm_dvd", "-sample_fmt", kind, "-f", "vob")

    # The clock of 33 bits wraps after 1.3 s; one that starts late.
    for name, begin in (("wrap.mpg", 95_442.4), ("far.mpg", 50_000)):
        ffmpeg(name, picture(4), sound(4), "-c:v", "mpeg2video", "-bf", "2", "-q:v", "24",
               "-c:a", "mp2", "-b:a", "64k", "-output_ts_offset", str(begin), "-f", "vob")

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

    # A sound clock that is 0.3 % slow: blocks are stamped a little further apart than they are long. PyAV takes
    # that for jumps; so its name is not one that a folder walk takes.
    ffmpeg("slow_clock_8khz.flashvideo", picture(14, "64x48"), sound(14, 8000), "-c:v", "flv1", "-q:v", "20", "-c:a", "pcm_alaw",
           "-bsf:a", "setts=ts=round(PTS*1.003)",
           "-f", "flv")

    # To be joined to others. Their names are not ones that a folder walk takes.
    for name, form, video, audio in (
        ("two_seconds.flashvideo", "flv", "flv1", ["pcm_s16le"]),
        ("two_seconds.windowsmedia", "asf", "wmv2", ["wmav2", "-b:a", "64k"]),
        ("two_seconds.oggmedia", "ogg", "libtheora", ["libvorbis", "-q:a", "0"]),
    ):
        rate = 11025 if form == "flv" else 44100
        ffmpeg(name, picture(2, "64x48"), sound(2, rate), "-c:v", video, "-q:v", "10", "-c:a", *audio, "-f", form)
    # The first sound is a commentary by its flag alone.
    ffmpeg("commentary_flag.matroska", picture(2, "64x48"), other, sound(2), "-map", "0", "-map", "1", "-map", "2", H264,
           FLAC, "-disposition:a:0", "default+comment", "-disposition:a:1", "default", "-f", "matroska")

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
