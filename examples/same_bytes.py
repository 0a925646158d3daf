#!/usr/bin/env python3
"""Compares two folders of outputs byte for byte, but for what changes from run to run.

Usage: python3 examples/same_bytes.py BASE HEAD

Images are compared unpacked. Of safetensors archives the tensors must be the same bytes; metadata that only one of them has is told and
allowed, metadata that differs is not. Of JSON files, times, memory, paths and the command line are left out, and so is what only one of
them has. The report page is compared by the data in it. Ends with 1 when something differs.
"""
import gzip
import json
import re
import struct
import sys
from pathlib import Path

VOLATILE = {"startedAt", "finishedAt", "timings", "peakMemoryBytes", "commandLine", "CommandLine", "inputs", "sources", "version", "Sources", "seconds"}


def archive(data):
    """Metadata and tensors of a safetensors file."""
    size = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + size])
    metadata = header.pop("__metadata__", {})
    return metadata, {k: (v["dtype"], v["shape"], data[8 + size :][slice(*v["data_offsets"])]) for k, v in header.items()}


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
files = [{p.relative_to(f): p for p in f.rglob("*") if p.is_file() and not p.name.startswith(".")} for f in (base, head)]
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
