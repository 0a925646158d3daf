#!/usr/bin/env python3
"""How right a fit stays that is read at another λ than it was made for.

    python3 examples/other_lambda.py prism-dmri DWI MASK WORK --family tissue

Fits the voxels of MASK at λ = 0.5 with every preset, reads each fit at λ = 0.5, 1, 2 and 3, and prints the total
variation of P(number of fibres) from what `exact` says there: its mean, 95th percentile and largest over voxels.
Needs nibabel.
"""
import argparse
import pathlib
import subprocess

import nibabel
import numpy

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("program")
parser.add_argument("dwi")
parser.add_argument("mask")
parser.add_argument("work", type=pathlib.Path)
parser.add_argument("--family", default="tissue")
options = parser.parse_args()
options.work.mkdir(parents=True, exist_ok=True)
inside = numpy.asarray(nibabel.load(options.mask).dataobj) > 0


def run(*words):
    subprocess.run([options.program, *map(str, words), "--force", "--quiet"], check=True, stderr=subprocess.DEVNULL)


def counts(fit, factor):
    maps = fit.with_name(f"{fit.name}-{factor}")
    run("maps", fit, "--lambda", factor, "--out", maps)
    (path,) = maps.glob("**/*param-nfibres_desc-prob*.nii.gz")
    return numpy.asarray(nibabel.load(path).dataobj)[inside]


known = {}
for preset in "exact", "balanced", "fast":
    fit = options.work / preset
    run("fit", options.dwi, "--mask", options.mask, "--family", options.family, "--preset", preset, "--out", fit)
    for factor in 0.5, 1, 2, 3:
        found = counts(fit, factor)
        known.setdefault(factor, found)
        distance = 0.5 * numpy.abs(found - known[factor]).sum(-1)
        if preset != "exact":
            print(f"{preset}, λ = {factor}: mean {distance.mean():.4f}, 95 % {numpy.quantile(distance, 0.95):.3f}, "
                  f"largest {distance.max():.3f}")
