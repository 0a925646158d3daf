#!/usr/bin/env python3
"""Compares two folders of outputs byte for byte, but for what changes from run to run.

Usage: python3 examples/same_bytes.py BASE HEAD

Images are compared unpacked. Of safetensors archives the tensors must be the same bytes; metadata that only one of them has is told and
allowed, metadata that differs is not. Posterior archives of two formats are compared by what they hold: voxels, every draw with its
structure and numbers, and the log-probability of every structure. Of JSON files, times, memory, paths and the command line are left out, and so is what only one of
them has. The report page is compared by the data in it. Ends with 1 when something differs.
"""
import gzip
import json
import re
import struct
import sys
from pathlib import Path

import numpy as np

VOLATILE = {"startedAt", "finishedAt", "timings", "peakMemoryBytes", "commandLine", "CommandLine", "inputs", "sources", "version", "commit", "Sources", "seconds"}


def archive(data):
    """Metadata and tensors of a safetensors file."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    return metadata, {k: (v["dtype"], v["shape"], data[8 + size :][slice(*v["data_offsets"])]) for k, v in header.items()}


TYPES = {"F32": "<f4", "F16": "<f2", "I32": "<i4", "U8": "u1", "U16": "<u2", "U32": "<u4", "U64": "<u8"}


def posterior(metadata, tensors):
    """Log-probabilities (V x Z, -inf where not listed), structures of draws (V x D) and draws (V x D x P), -1 and 0 where not fitted."""
    t = {k: np.frombuffer(data, TYPES[kind]).reshape(shape) for k, (kind, shape, data) in tensors.items()}
    fitted, d = t["quality"] < 128, int(metadata["draws"])
    if metadata["format"].endswith(" 2"):
        z = np.where(fitted[:, None], t["draw_structure"].astype(int), -1)
        return np.where(fitted[:, None], t["logprob"], -np.inf), z, np.where(fitted[:, None, None], t["draws"], 0)
    # Ball and sticks: bits 0-2 sticks, 3 spread, 4 Rician; rows of format 2 in that order.
    rows = np.array([4 * sum(int(b) >> i & 1 for i in range(3)) + 2 * (int(b) >> 3 & 1) + (int(b) >> 4 & 1) for b in t["structure"][:, 0]])
    voxels, columns = np.arange(len(fitted)), t["structure_columns"] != 0
    owner = np.repeat(voxels, t["list_count"])
    listed = np.full((len(fitted), 16), -np.inf, np.float32)
    listed[owner, rows[t["list_structure"]]] = t["list_logprob"]
    first = np.cumsum(t["list_count"].astype(int)) - t["list_count"]
    structure = t["list_structure"][np.repeat(first, t["draw_count"]) + t["draw_place"]]
    z, draws = np.full((len(fitted), d), -1), np.zeros((len(fitted), d, columns.shape[1]), np.float16)
    z[fitted] = rows[structure].reshape(-1, d)
    packed = np.zeros((len(structure), columns.shape[1]), np.float16)
    packed[columns[structure]] = t["draws"]
    draws[fitted] = packed.reshape(-1, d, columns.shape[1])
    return listed, z, draws


def posterior_differences(ma, ta, mb, tb):
    yield from (f"tensor {k}" for k in ("voxel", "quality", "b0", "misfit") if ta[k] != tb[k])
    (la, za, xa), (lb, zb, xb) = posterior(ma, ta), posterior(mb, tb)
    if not np.array_equal(za, zb):
        yield "structures of draws"
    elif not np.array_equal(xa, xb):
        yield "draws"
    if not np.array_equal(la, lb):
        yield "log-probabilities"


def strip(value):
    if isinstance(value, dict):
        return {k: strip(v) for k, v in value.items() if k not in VOLATILE and "second" not in k.lower()}
    return [strip(v) for v in value] if isinstance(value, list) else value


def json_differences(a, b, place=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(a.keys() | b.keys()):
            if key not in a or key not in b:
                notes.add(f"{place}/{key} is in one of the two only")
            else:
                yield from json_differences(a[key], b[key], f"{place}/{key}")
    elif a != b:
        yield f"{place}: {str(a)[:60]} became {str(b)[:60]}"


def differences(a, b):
    """Why two files differ: nothing when they are the same."""
    x, y = a.read_bytes(), b.read_bytes()
    if x == y:
        return
    name = a.name
    if name.endswith(".gz"):
        if gzip.decompress(x) != gzip.decompress(y):
            yield "other contents"
    elif name.endswith(".safetensors"):
        (ma, ta), (mb, tb) = archive(x), archive(y)
        if ma.get("format") != mb.get("format"):
            notes.add(f"archives are of '{ma.get('format')}' and '{mb.get('format')}'")
            yield from posterior_differences(ma, ta, mb, tb)
            skip = ("format", "family", "structures", "columns", "checksum")
            ma, mb = ({k: v for k, v in m.items() if k not in skip} for m in (ma, mb))
            yield from json_differences(ma, mb, "metadata")
            return
        yield from (f"tensor {k}" for k in sorted(ta.keys() | tb.keys()) if ta.get(k) != tb.get(k))
        yield from json_differences(ma, mb, "metadata")
    elif name.endswith(".json"):
        yield from json_differences(strip(json.loads(x)), strip(json.loads(y)))
    elif name.endswith(".html"):
        # What draws the page: long runs of encoded numbers. Text holds times and paths.
        encoded = [sorted(re.findall(rb"[A-Za-z0-9+/=]{200,}", page)) for page in (x, y)]
        if encoded[0] != encoded[1]:
            yield "other data in the page"
    else:
        yield "other bytes"


notes = set()
base, head = map(Path, sys.argv[1:3])
files = [{p.relative_to(f): p for p in f.rglob("*") if p.is_file() and not p.name.startswith(".") and p.name != "commands.txt"} for f in (base, head)]
count = 0
for path in sorted(files[0].keys() | files[1].keys()):
    if path not in files[0] or path not in files[1]:
        notes.add(f"{path} is written by {'head' if path in files[1] else 'base'} only")
        continue
    for why in differences(files[0][path], files[1][path]):
        count += 1
        print(f"{path}: {why}")
for note in sorted(notes):
    print("note:", note)
same = len(files[0].keys() & files[1].keys())
print(f"{same} files in both, {count} differences" if count else f"{same} files, all the same")
sys.exit(count > 0)
