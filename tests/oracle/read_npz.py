#!/usr/bin/env python3
"""Reads a .npz as numpy.load does (numpy.lib.format, version 1.0), with nothing but
Python, and prints its arrays as JSON; tests/embed.rs holds them against what the
program says elsewhere, and tests/openl3.rs against OpenL3. Where numpy is there, it has to say the same.

    tests/oracle/read_npz.py FILE.npz
"""

import ast
import json
import struct
import sys
import zipfile


def array(bytes):
    """Kind, shape and flat values of a .npy."""
    assert bytes[:8] == b"\x93NUMPY\x01\x00", bytes[:8]
    (length,) = struct.unpack("<H", bytes[8:10])
    head = ast.literal_eval(bytes[10 : 10 + length].decode("latin1"))
    assert head["fortran_order"] is False
    kind, shape = head["descr"], head["shape"]
    count = 1
    for size in shape:
        count *= size
    body = bytes[10 + length :]
    if kind.startswith("<U"):
        width = 4 * int(kind[2:])
        assert len(body) == count * width
        texts = (body[i * width : (i + 1) * width] for i in range(count))
        values = [text.decode("utf-32-le").rstrip("\0") for text in texts]
    else:
        values = list(struct.unpack(f"<{count}{ {'<f4': 'f', '<f8': 'd', '<i8': 'q'}[kind] }", body))
    return kind, list(shape), values


def main(path):
    with zipfile.ZipFile(path) as file:
        assert file.testzip() is None
        names = [name.removesuffix(".npy") for name in file.namelist()]
        arrays = {name: array(file.read(f"{name}.npy")) for name in names}
    try:
        import numpy
    except ImportError:
        numpy = None
    if numpy:
        with numpy.load(path, allow_pickle=False) as loaded:
            assert sorted(loaded.files) == sorted(names)
            for name, (_, shape, values) in arrays.items():
                assert list(loaded[name].shape) == shape
                assert loaded[name].ravel().tolist() == values, name
    fields = ("kind", "shape", "values")
    json.dump({name: dict(zip(fields, found)) for name, found in arrays.items()}, sys.stdout)


main(sys.argv[1])
