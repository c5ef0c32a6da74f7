#!/usr/bin/env python3
"""Takes off tests/data/combinations_known.json what has become right.

    tests/oracle/combinations/shrink.py target/tmp/combinations-*/report.txt

The report is what the test leaves. The list never grows here: what newly differs is
mended, or added by hand with its reason.
"""

import json
import pathlib
import sys

KNOWN = pathlib.Path(__file__).resolve().parents[2] / "data" / "combinations_known.json"


def main():
    wrong = set()
    for line in pathlib.Path(sys.argv[1]).read_text().splitlines():
        name, said, _ = line.split("\t", 2)
        if said != "right":
            wrong.add(name)
    known = json.loads(KNOWN.read_text())
    kept = {why: [name for name in names if name in wrong] for why, names in known.items()}
    kept = {why: names for why, names in kept.items() if names}
    KNOWN.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"{sum(map(len, known.values()))} -> {sum(map(len, kept.values()))}")


if __name__ == "__main__":
    sys.exit(main())
