"""Trims the golden files that make_fixtures.py writes to what the tests in this folder read.

usage: trim.py FULL_DIR OUT_DIR        (Python's standard library only)

Large tensors that a run *produces* are thinned to every 7th number in flat order and renamed
`NAME%7`: 7 shares no factor with any dimension here, so every channel, row and filter tap is still
sampled. Inputs and operator cases stay whole.
"""
import json
import os
import struct
import sys

STRIDE = 7
THIN_ABOVE = 1024  # elements
SIZE = {"F32": 4, "F64": 8, "I64": 8}
FILES = ["ops", "dcgan_nc3_inputs", "dcgan_nc1_inputs", "dcgan_nc3_f64", "dcgan_nc3_f32", "dcgan_nc1_f64", "dcgan_nc1_f32"]


def read(path):
    with open(path, "rb") as f:
        (length,) = struct.unpack("<Q", f.read(8))
        header = json.loads(f.read(length))
        data = f.read()
    meta = header.pop("__metadata__", {})
    return meta, {k: (v["dtype"], v["shape"], data[slice(*v["data_offsets"])]) for k, v in header.items()}


def write(path, meta, tensors):
    header, at = {"__metadata__": meta}, 0
    # Widest type first keeps every tensor aligned.
    order = sorted(tensors, key=lambda k: (-SIZE[tensors[k][0]], k))
    for name in order:
        dtype, shape, data = tensors[name]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head)
        for name in order:
            f.write(tensors[name][2])


def thin(name, dtype, shape, data):
    width = SIZE[dtype]
    count = len(data) // width
    if count <= THIN_ABOVE:
        return name, (dtype, shape, data)
    kept = b"".join(data[i * width:(i + 1) * width] for i in range(0, count, STRIDE))
    return f"{name}%{STRIDE}", (dtype, [len(kept) // width], kept)


def main(full, out):
    os.makedirs(out, exist_ok=True)
    total = 0
    for file in FILES:
        meta, tensors = read(f"{full}/{file}.safetensors")
        if file.startswith("dcgan") and not file.endswith("inputs"):
            tensors = dict(thin(k, *v) for k, v in tensors.items())
        write(f"{out}/{file}.safetensors", meta, tensors)
        total += os.path.getsize(f"{out}/{file}.safetensors")
    print(f"{total / 1e6:.2f} MB in {out}")


main(*sys.argv[1:])
