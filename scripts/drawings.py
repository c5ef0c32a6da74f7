#!/usr/bin/env python3
"""Cut-out drawings of things that sound, in nine styles, as folders of classes.

    scripts/drawings.py OUT

Fetches the sets of emoji and map icons below from npm (Iconify's packages, each with the licence of
its artists) and draws what is named here as OUT/<class>/<style>_<name>.png, 256 pixels
high, with transparent ground. Sets by the artists of Emojitwo are left out: its
drawings are held out. Needs npm, and rsvg-convert from librsvg2-bin.
"""
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import tarfile
import tempfile

# Package, version, prefix of the files. Their licences: models/l3net-base.md.
SETS = [
    ("noto", "1.2.9", "noto"),
    ("noto-v1", "1.2.5", "notov1"),
    ("twemoji", "1.2.5", "twemoji"),
    ("openmoji", "1.2.29", "openmoji"),
    ("fluent-emoji", "1.2.7", "fluent"),
    ("fluent-emoji-flat", "1.2.6", "fluentflat"),
    ("fluent-emoji-high-contrast", "1.2.6", "fluentline"),
    ("streamline-emojis", "1.2.4", "streamline"),
    ("pinhead", "1.2.28", "pinhead"),
]

TONES = ["", "-light", "-medium-light", "-medium", "-medium-dark", "-dark"]
HOURS = "one two three four five six seven eight nine ten eleven twelve".split()

# Class: names in the sets. A set need not have all of them.
THINGS = {
    "airplane": ["airplane", "airplane-departure", "airplane-arrival", "small-airplane",
                 "plane-up", "propeller-plane"],
    "baby_cry": [f"baby{tone}{end}" for tone in TONES for end in ["-skin-tone", ""]]
                + ["baby-1", "baby-2", "baby-3", "baby-crawling", "baby-in-swaddle"],
    "bear": ["bear"],
    "bird": ["bird", "front-facing-baby-chick"],
    "car": ["automobile", "car", "oncoming-automobile", "racing-car"],
    "chainsaw": ["carpentry-saw", "chainsaw", "jigsaw", "saw"],
    "church_bells": ["bell", "church"],
    "clock_tick": [f"{hour}-oclock" for hour in HOURS]
                  + ["alarm-clock", "mantelpiece-clock", "stopwatch", "timer-clock", "watch",
                     "analog-watch", "clock-face"],
    "cow": ["cow", "cow-face", "ox"],
    "dog_bark": ["dog", "dog-face", "dog-sitting", "dog-wearing-collar-on-leash", "guide-dog",
                 "poodle", "service-dog"],
    "duck_quack": ["duck"],
    "elephant": ["elephant"],
    "ferry": ["ferry", "passenger-ship", "ship"],
    "fire_crackling": ["campfire", "fire", "wild-fire", "structural-fire"],
    "fireworks": ["fireworks"],
    "goat_bleat": ["goat"],
    "guitar": ["guitar"],
    "helicopter": ["helicopter"],
    "horse": ["horse", "horse-face", "horse-racing"],
    "monkey": ["monkey", "monkey-face"],
    "motorbike": ["motorcycle", "motor-scooter"],
    "parrot": ["parrot"],
    "person_sneeze": ["sneezing-face", "person-sneezing-into-elbow",
                      "woman-sneezing-into-elbow", "man-sneezing-into-elbow"],
    "piano": ["musical-keyboard", "piano-keys"],
    "pigeon": ["dove"],
    "rain": ["cloud-with-rain", "cloud-with-rain-1", "cloud-with-rain-2", "sun-behind-rain-cloud",
             "umbrella-with-rain-drops", "cloud-with-lightning-and-rain"],
    "rooster": ["rooster", "rooster-fighting", "chicken"],
    "saxophone": ["saxophone"],
    "sea_waves": ["water-wave"],
    "sheep": ["ewe", "ram"],
    "thunder": ["cloud-with-lightning", "high-voltage"],
} | {f"digit_{digit}": [f"keycap-{digit}"] for digit in range(10)}


def fetch(package, version, folder):
    """The set's icons and how large they are, as Iconify's JSON has them."""
    name = f"@iconify-json/{package}@{version}"
    done = subprocess.run(["npm", "pack", "--silent", name], cwd=folder, check=True,
                          capture_output=True, text=True)
    with tarfile.open(pathlib.Path(folder) / done.stdout.split()[-1]) as tar:
        return json.load(tar.extractfile("package/icons.json"))


def svg(icons, name):
    """The icon as a file of its own, or None if the set has none of this name."""
    icon = icons["icons"].get(name)
    if icon is None:
        return None
    width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
    left, top = icon.get("left", 0), icon.get("top", 0)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{left} {top} {width} {height}" width="256" height="256">{icon["body"]}</svg>')


def main(out):
    out, drawn = pathlib.Path(out), {}
    with tempfile.TemporaryDirectory() as folder:
        for package, version, prefix in SETS:
            icons = fetch(package, version, folder)
            for thing, names in THINGS.items():
                for name in names:
                    body = svg(icons, name)
                    if body is not None:
                        drawn[out / thing / f"{prefix}_{name}.png"] = body

    def draw(item):
        place, body = item
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"part-{place.name}")
        done = subprocess.run(["rsvg-convert", "--height", "256", "--unlimited", "-o", part],
                              input=body.encode(), capture_output=True)
        if done.returncode == 0:
            part.rename(place)
        else:  # Blurs of some are larger than the library allows.
            part.unlink(missing_ok=True)
            print(f"left out: {place.name}: {done.stderr.decode().strip()}", file=sys.stderr)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(draw, drawn.items()))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
