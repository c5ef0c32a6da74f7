"""Which combinations of container, codecs, rate, channels and timing are tried.

A full product has tens of thousands. Chosen are as few as cover each pair of a
container with each codec and timing that it can hold, of a sound codec with each
rate and layout (common ones: and timing), and of a picture codec with each timing and
rate of frames; then what only some containers have (cuts, rotation, other zeros).
"""

import itertools
import zlib

SECONDS = 3.3
LONG = 8.0

PCM_RATES = (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000)
ALL = ("mono", "stereo", "left", "5.1")
TWO = ("mono", "stereo", "left")

# Sound codec: ffmpeg's options, sampling rates, layouts.
SOUND = {
    "aac": ("aac -b:a 96k", (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 96000), ALL),
    "mp3": ("libmp3lame -b:a 64k", (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000), TWO),
    "mp3_flv": ("libmp3lame -b:a 64k", (11025, 22050, 44100), TWO),
    "mp2": ("mp2 -b:a 96k", (16000, 22050, 24000, 32000, 44100, 48000), TWO),
    "ac3": ("ac3 -b:a 192k", (32000, 44100, 48000), ALL),
    "eac3": ("eac3 -b:a 192k", (32000, 44100, 48000), ALL),
    "opus": ("libopus -b:a 96k", (8000, 12000, 16000, 24000, 48000), ALL),
    "vorbis": ("libvorbis -q:a 6", (8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000, 192000), ALL),
    "speex": ("libspeex", (8000, 16000, 32000), ("mono", "stereo")),
    "flac": ("flac", PCM_RATES, ALL),
    "alac": ("alac", PCM_RATES, ALL),
    "wavpack": ("wavpack", PCM_RATES, TWO),
    "truehd": ("truehd -strict -2", (44100, 48000, 96000), ("stereo",)),
    "dca": ("dca -strict -2 -b:a 768k", (16000, 22050, 32000, 44100, 48000), ("mono", "stereo", "left", "5.1")),
    "wmav1": ("wmav1 -b:a 96k", (8000, 16000, 22050, 32000, 44100, 48000), TWO),
    "wmav2": ("wmav2 -b:a 96k", (8000, 16000, 22050, 32000, 44100, 48000), TWO),
    "pcm_u8": ("pcm_u8", PCM_RATES, TWO),
    "pcm_s8": ("pcm_s8", PCM_RATES, TWO),
    "pcm_s16le": ("pcm_s16le", PCM_RATES, ALL),
    "pcm_s16be": ("pcm_s16be", PCM_RATES, ALL),
    "pcm_s24le": ("pcm_s24le", PCM_RATES, ALL),
    "pcm_s24be": ("pcm_s24be", PCM_RATES, ALL),
    "pcm_s32le": ("pcm_s32le", PCM_RATES, ALL),
    "pcm_s32be": ("pcm_s32be", PCM_RATES, ALL),
    "pcm_f32le": ("pcm_f32le", PCM_RATES, ALL),
    "pcm_f32be": ("pcm_f32be", PCM_RATES, ALL),
    "pcm_f64le": ("pcm_f64le", PCM_RATES, ALL),
    "pcm_f64be": ("pcm_f64be", PCM_RATES, ALL),
    "pcm_alaw": ("pcm_alaw", (8000, 16000, 44100, 48000), TWO),
    "pcm_mulaw": ("pcm_mulaw", (8000, 16000, 44100, 48000), TWO),
    "pcm_alaw_flv": ("pcm_alaw", (8000,), ("mono",)),
    "pcm_mulaw_flv": ("pcm_mulaw", (8000,), ("mono",)),
    "pcm_s16le_flv": ("pcm_s16le", (11025, 22050, 44100), TWO),
    "pcm_dvd": ("pcm_dvd -sample_fmt s16", (48000, 96000), ("mono", "stereo", "left")),
    "pcm_dvd24": ("pcm_dvd -sample_fmt s32", (48000,), ("mono", "stereo")),
    "pcm_bluray": ("pcm_bluray -sample_fmt s16", (48000, 96000, 192000), ("mono", "stereo", "left", "5.1")),
    "pcm_bluray24": ("pcm_bluray -sample_fmt s32", (48000, 96000), ("mono", "stereo", "5.1")),
    "pcm_mxf16": ("pcm_s16le", (48000,), TWO),
    "pcm_mxf24": ("pcm_s24le", (48000,), TWO),
    "s302m": ("s302m -strict -2", (48000,), ("stereo", "left")),
    "adpcm_ima_wav": ("adpcm_ima_wav", (8000, 11025, 22050, 44100, 48000), TWO),
    "adpcm_ima_qt": ("adpcm_ima_qt", (8000, 11025, 22050, 44100, 48000), TWO),
    "adpcm_ms": ("adpcm_ms", (8000, 11025, 22050, 44100, 48000), TWO),
    "adpcm_swf": ("adpcm_swf", (11025, 22050, 44100), TWO),
    "nellymoser": ("nellymoser", (8000, 11025, 22050, 44100), ("mono",)),
}

# Picture codec: ffmpeg's options, frames a second.
PICTURE = {
    "h264": ("libx264 -preset veryfast -pix_fmt yuv420p", (5, 10, 15, 25)),
    "h264_b0": ("libx264 -preset veryfast -bf 0 -pix_fmt yuv420p", (10, 25)),
    "h264_opengop": ("libx264 -preset medium -bf 4 -g 12 -x264-params open-gop=1:b-pyramid=normal -pix_fmt yuv420p", (10, 25)),
    "hevc": ("libx265 -preset ultrafast -bf 2 -x265-params log-level=error -pix_fmt yuv420p", (10, 25)),
    "av1": ("libsvtav1 -preset 12 -pix_fmt yuv420p", (10, 25)),
    "vp8": ("libvpx -deadline realtime -cpu-used 8 -b:v 400k", (5, 10, 25)),
    "vp9": ("libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 400k -pix_fmt yuv420p", (5, 10, 25)),
    "mpeg4": ("mpeg4 -q:v 4", (5, 10, 25)),
    "mpeg4_b": ("mpeg4 -q:v 4 -bf 2", (10, 25)),
    "mpeg1video": ("mpeg1video -q:v 4", (25,)),
    "mpeg2video": ("mpeg2video -q:v 4 -bf 2", (25,)),
    "theora": ("libtheora -q:v 7", (5, 10, 25)),
    "ffv1": ("ffv1 -pix_fmt yuv420p", (5, 10, 25)),
    "huffyuv": ("huffyuv -pix_fmt yuv422p", (10, 25)),
    "mjpeg": ("mjpeg -q:v 4 -pix_fmt yuvj420p", (5, 10, 25)),
    "prores": ("prores_ks -profile:v 0 -pix_fmt yuv422p10le", (10, 25)),
    "dnxhr": ("dnxhd -profile:v dnxhr_lb -s 288x192 -pix_fmt yuv422p", (10, 25)),
    "png": ("png -pix_fmt rgb24", (5, 10)),
    "qtrle": ("qtrle -pix_fmt rgb24", (10,)),
    "svq1": ("svq1", (10,)),
    "rawvideo": ("rawvideo -pix_fmt yuv420p", (5, 10)),
    "raw_uyvy": ("rawvideo -pix_fmt uyvy422", (5, 10)),
    "wmv1": ("wmv1 -q:v 4", (10, 25)),
    "wmv2": ("wmv2 -q:v 4", (10, 25)),
    "msmpeg4": ("msmpeg4 -q:v 4", (10, 25)),
    "flv1": ("flv -q:v 4", (5, 10, 25)),
    "h263": ("h263 -q:v 4 -s 176x144", (10, 25)),
    "jpeg2000": ("jpeg2000 -q:v 4 -pix_fmt yuv420p", (10,)),
    "dv": ("dvvideo -s 720x576 -pix_fmt yuv420p", (25,)),
}

PLAIN = ("plain", "whole", "sound+0.3", "sound+0.5", "sound+1.0", "picture+0.3", "picture+0.5", "picture+1.1",
         "sound-0.3", "sound_short", "picture_short", "vfr")
FIXED = tuple(t for t in PLAIN if t not in ("vfr",))
FRAGMENTS = ("faststart", "frag", "frag_moof")

WIDE = ("pcm_u8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be",
        "pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw")

# Container: ending, muxer and its options, pictures, sounds, timings.
CONTAINER = {
    "mp4": ("mp4", "mp4 -strict -2",
            "h264 h264_b0 h264_opengop hevc av1 vp9 mpeg4 mpeg4_b mpeg1video mpeg2video mjpeg",
            "aac mp3 mp2 ac3 eac3 opus flac alac dca vorbis", PLAIN + FRAGMENTS),
    "mov": ("mov", "mov", "h264 h264_b0 h264_opengop hevc mpeg4 mpeg2video mjpeg prores png qtrle svq1 raw_uyvy h263 dv",
            " ".join(("aac mp3 alac ac3 adpcm_ima_qt pcm_s8",) + WIDE), PLAIN + FRAGMENTS),
    "3gp": ("3gp", "3gp", "h264 h263 mpeg4", "aac", PLAIN),
    "mkv": ("mkv", "matroska -strict -2",
            "h264 h264_b0 h264_opengop hevc av1 vp8 vp9 mpeg4 mpeg4_b mpeg1video mpeg2video theora ffv1 huffyuv mjpeg "
            "prores rawvideo png wmv1 wmv2 msmpeg4 flv1",
            " ".join(("aac mp3 mp2 ac3 eac3 opus vorbis flac alac wavpack truehd dca wmav2 adpcm_ima_wav adpcm_ms",
                      "pcm_u8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_f32le pcm_f64le pcm_alaw pcm_mulaw")),
            PLAIN),
    "webm": ("webm", "webm", "vp8 vp9 av1", "opus vorbis", PLAIN),
    "avi": ("avi", "avi", "h264_b0 mpeg4 mpeg4_b mjpeg ffv1 huffyuv rawvideo wmv1 wmv2 msmpeg4 flv1 mpeg2video dv png",
            "mp3 mp2 ac3 aac wmav2 pcm_u8 pcm_s16le pcm_s24le pcm_s32le pcm_f32le pcm_alaw pcm_mulaw adpcm_ima_wav "
            "adpcm_ms", FIXED),
    "ts": ("ts", "mpegts", "h264 h264_b0 h264_opengop hevc mpeg4 mpeg1video mpeg2video",
           "aac mp3 mp2 ac3 eac3 opus dca s302m", PLAIN),
    "m2ts": ("m2ts", "mpegts -mpegts_m2ts_mode 1", "h264 h264_opengop hevc mpeg2video",
             "aac mp3 mp2 ac3 eac3 dca pcm_bluray pcm_bluray24", PLAIN),
    "mpg": ("mpg", "mpeg", "mpeg1video mpeg2video", "mp2 mp3 ac3", FIXED),
    "vob": ("vob", "vob", "mpeg1video mpeg2video", "mp2 mp3 ac3 dca pcm_dvd pcm_dvd24", FIXED),
    "flv": ("flv", "flv", "flv1 h264 h264_b0",
            "aac mp3_flv pcm_s16le_flv pcm_alaw_flv pcm_mulaw_flv adpcm_swf nellymoser speex", PLAIN),
    "ogv": ("ogv", "ogg", "theora vp8", "vorbis opus flac speex", PLAIN),
    "mxf": ("mxf", "mxf", "mpeg2video dnxhr h264 jpeg2000", "pcm_mxf16 pcm_mxf24", FIXED),
    "wmv": ("wmv", "asf", "wmv1 wmv2 msmpeg4 mpeg4 h264_b0 mjpeg",
            "wmav1 wmav2 mp3 aac ac3 pcm_s16le pcm_u8 pcm_alaw adpcm_ms", PLAIN),
}

# Sounds that are tried with each timing.
COMMON = ("aac", "mp3", "ac3", "opus", "flac", "pcm_s16le")


# What a muxer or an encoder refuses, or writes so that no decoder reads it.
def is_valid(container, picture, sound, rate, layout, timing, fps):
    if sound == "speex" and (container == "flv") and (rate != 16000 or layout != "mono"):
        return False
    if picture == "dv":
        return sound == "pcm_s16le" and rate == 48000 and layout in ("stereo", "left") and timing == "plain"
    if container == "mxf" and picture in ("h264", "mpeg2video", "jpeg2000", "dnxhr") and fps != 25:
        return False
    # FFmpeg itself reads a jump after the first packet there.
    if container == "ogv" and sound == "flac" and timing.startswith("sound") and timing != "sound_short":
        return False
    if timing == "vfr" and picture in ("mpeg1video", "mpeg2video", "dv"):
        return False
    if sound == "aac" and layout == "5.1" and rate < 16000:
        return False
    if sound == "vorbis" and layout == "5.1" and rate < 32000:
        return False
    if picture == "jpeg2000":
        return fps == 25
    return True


def rows():
    """Rows of (container, picture, sound, rate, layout, timing, fps), greedily covering."""
    everything = []
    for container, (_, _, pictures, sounds, timings) in CONTAINER.items():
        for picture, sound, timing in itertools.product(pictures.split(), sounds.split(), timings):
            _, rates, layouts = SOUND[sound]
            frame_rates = PICTURE[picture][1] if container != "mxf" else (25,)
            for rate, layout, fps in itertools.product(rates, layouts, frame_rates):
                row = (container, picture, sound, rate, layout, timing, fps)
                if is_valid(*row):
                    everything.append(row)
    wanted = {pair for row in everything for pair in pairs(row)}
    by_pair = {}
    for number, row in enumerate(everything):
        for pair in pairs(row):
            by_pair.setdefault(pair, []).append(number)
    chosen = []
    for pair in sorted(wanted, key=lambda p: (len(by_pair[p]), str(p))):
        if pair not in wanted:
            continue
        # The best of some rows that have this pair; the same ones each time.
        best, gain = None, -1
        candidates = by_pair[pair]
        for i in range(60):
            row = everything[candidates[zlib.crc32(f"{pair} {i}".encode()) % len(candidates)]]
            new = sum(p in wanted for p in pairs(row))
            if new > gain:
                best, gain = row, new
        chosen.append(best)
        wanted -= set(pairs(best))
    return sorted(chosen)


def pairs(row):
    container, picture, sound, rate, layout, timing, fps = row
    covered = [
        (container, "picture", picture), (container, "sound", sound), (container, "timing", timing),
        (sound, "rate", rate), (sound, "layout", layout), (picture, "timing", timing), (picture, "fps", fps),
    ]
    if sound in COMMON:
        covered.append((sound, "timing", timing))
    return covered


def tone(rate):
    """Second n is 2 dB softer than the one before; the pitch rises, and so tells the time to a millisecond."""
    pitch = "0.5*pow(10\\,-0.1*floor(t))*sin(2*PI*(400*t+100*t*t))"
    return f"-f lavfi -i aevalsrc={pitch}:s={rate}:d={LONG} -c:a pcm_f32le -f wav tone_{rate}.wav"


def frames():
    """128 frames whose number is written as bits, white for 1: nine cells, the first white, the last black."""
    cell = "floor(X/16)"
    bit = f"mod(floor(N/pow(2\\,7-{cell}))\\,2)"
    lum = f"255*if(eq({cell}\\,0)\\,1\\,if(eq({cell}\\,8)\\,0\\,{bit}))"
    return f"-f lavfi -i color=s=144x96:r=25:d=5.12,format=gray,geq=lum={lum} -f rawvideo frames.gray"


PAN = {
    "mono": "",
    "stereo": "-af pan=stereo|c0=c0|c1=c0 ",
    "left": "-af pan=stereo|c0=c0 ",
    "5.1": "-af pan=5.1|" + "|".join(f"c{i}=c0" for i in range(6)) + " ",
}


def command(row):
    """ffmpeg's arguments for a row, and the file's name."""
    container, picture, sound, rate, layout, timing, fps = row
    ending, muxer, *_ = CONTAINER[container]
    seconds = 3 if timing == "whole" else SECONDS
    sound_seconds = 2.3 if timing == "sound_short" else seconds
    picture_seconds = 2.3 if timing == "picture_short" else seconds
    offset = {"sound": "", "picture": ""}
    for who in offset:
        if timing.startswith(who) and timing[len(who)] in "+-":
            offset[who] = f"-itsoffset {timing[len(who):].lstrip('+')} "
    picture_options, _ = PICTURE[picture]
    more = {
        "vfr": "-vf select=not(eq(mod(n\\,7)\\,2)+eq(mod(n\\,7)\\,3)) -fps_mode vfr ",
        "faststart": "-movflags +faststart ",
        "frag": "-g 10 -movflags +frag_keyframe+delay_moov+default_base_moof ",
        "frag_moof": "-movflags +empty_moov+delay_moov -frag_duration 700000 ",
    }.get(timing, "")
    if timing.startswith("picture+") and container not in ("avi", "mxf"):
        # Or ffmpeg fills the time before it with the first frame.
        more = "-fps_mode vfr "
    name = f"{container}_{picture}_{fps}_{sound}_{rate}_{layout}_{timing}.{ending}"
    text = (
        f"{offset['picture']}-f rawvideo -pix_fmt gray -s 144x96 -framerate {fps} -t {picture_seconds} -i frames.gray "
        f"{offset['sound']}-t {sound_seconds} -i tone_{rate}.wav "
        f"-c:v {picture_options} {more}{PAN[layout]}-c:a {SOUND[sound][0]} -f {muxer} {name}"
    )
    return name, text


def films():
    """Longer films to cut from: (name, arguments)."""
    made = []
    for ending, picture, sound in (
        ("mp4", "h264", "aac"), ("mov", "h264", "pcm_s16le"), ("mp4", "mpeg4", "mp3"), ("mov", "h264_opengop", "alac"),
        ("mp4", "hevc", "ac3"), ("mp4", "h264", "opus"), ("mkv", "h264", "flac"), ("mkv", "h264", "aac"),
        ("ts", "h264", "aac"), ("ts", "mpeg2video", "mp2"), ("mpg", "mpeg2video", "ac3"), ("webm", "vp8", "vorbis"),
        ("avi", "mpeg4", "mp3"), ("flv", "h264", "aac"), ("wmv", "wmv2", "wmav2"),
    ):
        fps = 25 if picture == "mpeg2video" else 10
        film_seconds = 5 if fps == 25 else LONG
        name = f"film_{picture}_{sound}.{ending}"
        key = " -sc_threshold 0 -g 30" if picture.startswith("h264") else " -g 30"
        made.append((name, f"-f rawvideo -pix_fmt gray -s 144x96 -framerate {fps} -t {film_seconds} -i frames.gray "
                           f"-t {film_seconds} -i tone_48000.wav -c:v {PICTURE[picture][0]}{key} -c:a {SOUND[sound][0]} "
                           f"-f {CONTAINER[ending][1]} {name}"))
    return made


def specials():
    """What only some containers have: (name, arguments)."""
    made = []
    for film, _ in films():
        stem, ending = film.split(".")
        for start in ("1.17", "2.5"):
            name = f"cut_{start}_{stem[5:]}.{ending}"
            made.append((name, f"-ss {start} -i {film} -t 2.4 -c copy -f {CONTAINER[ending][1]} {name}"))
    base = ("-f rawvideo -pix_fmt gray -s 144x96 -framerate 10 -t 3.3 -i frames.gray -t 3.3 -i tone_44100.wav "
            "-c:v libx264 -preset veryfast -pix_fmt yuv420p -c:a aac")
    for ending in ("mp4", "mov", "mkv"):
        for turn in (90, 180, 270):
            name = f"rotate{turn}.{ending}"
            made.append((name, f"{base} -metadata:s:v:0 rotate={turn} -f {CONTAINER[ending][1]} {name}"))
    # Times that do not begin at zero.
    for ending in ("mp4", "mov", "mkv", "webm", "ts", "m2ts", "flv", "avi", "ogv", "wmv"):
        codecs = {"webm": "-c:v libvpx -deadline realtime -cpu-used 8 -c:a libopus", "ogv": "-c:v libtheora -c:a libvorbis",
                  "avi": "-c:v mpeg4 -c:a pcm_s16le", "wmv": "-c:v wmv2 -c:a wmav2"}.get(ending)
        line = base if codecs is None else base[: base.index("-c:v")] + codecs
        # AVI has no times; ffmpeg fills what is before the start.
        for offset in ("5", "-0.2") if ending != "avi" else ("-0.2",):
            name = f"begin_at_{offset}.{ending}"
            made.append((name, f"{line} -output_ts_offset {offset} -f {CONTAINER[ending][1]} {name}"))
    # Edit lists: none, with composition times that start below zero.
    for flags in ("negative_cts_offsets", "disable_chpl"):
        for ending in ("mp4", "mov"):
            name = f"{flags}.{ending}"
            made.append((name, f"{base} -movflags +{flags} -f {ending} {name}"))
    # The channels of PCM on Blu-ray are padded to an even number.
    for rate, layout, bits in itertools.product((48000, 96000), ("mono", "stereo", "5.1"), ("s16", "s32")):
        name = f"lpcm_{bits}_{rate}_{layout}.m2ts"
        line = base[: base.index("-c:a")].replace("44100", str(rate))
        made.append((name, f"{line}{PAN[layout]}-c:a pcm_bluray -sample_fmt {bits} -f mpegts -mpegts_m2ts_mode 1 {name}"))
    # What GStreamer has no decoder, or no name, for.
    for name, codecs in (("tta.mkv", "-c:v mpeg4 -c:a tta"), ("dnxhr.mkv", f"-c:v {PICTURE['dnxhr'][0]} -c:a flac"),
                         ("dnxhr.mov", f"-c:v {PICTURE['dnxhr'][0]} -c:a pcm_s16le")):
        made.append((name, f"{base[: base.index('-c:v')]}{codecs} -f {CONTAINER[name[-3:]][1]} {name}"))
    for ending in ("mp4", "mov"):
        name = f"no_edit_list.{ending}"
        made.append((name, f"{base} -use_editlist 0 -f {ending} {name}"))
    return made


def sources():
    """(name, arguments) of what the others are made from."""
    rates = sorted({rate for _, rates, _ in SOUND.values() for rate in rates})
    made = [(f"tone_{rate}.wav", tone(rate)) for rate in rates]
    made.append(("frames.gray", frames()))
    return made


if __name__ == "__main__":
    chosen = rows()
    print(len(chosen), len(specials()), len(films()))
