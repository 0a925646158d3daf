#!/usr/bin/env python3
"""Which structure is right, asked as PRISM's authors ask it: their priors, masks whose exchangeable sticks are not merged.   python3 published_priors.py PRISM-DMRI [--voxels 2000]

Simulates voxels of protocols/published/ball-sticks.yaml on 103 volumes, finds the posterior without a network, and reads it as probabilities of the 15 masks of ball
and three labelled sticks (uniform prior over masks; no data can tell the labels of a mask apart) and of the 7 classes that they merge to. Voxels are drawn uniformly
over classes and weighted to the prior over masks. Published: top-1 0.47 and top-5 0.95 over 15 masks; 0.578 over 7 classes. Needs numpy.
"""
import argparse
import json
import os
import re
import subprocess
import tempfile

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
# Masks of a class with so many sticks.
MASKS = [1, 3, 3, 1]


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("--voxels", type=int, default=2000)
    a = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "report.json")
        subprocess.run([a.program, "validate", "simulations", "--family", f"{ROOT}/protocols/published/ball-sticks.yaml", "--acquisition",
                        f"{ROOT}/protocols/acquisitions/abcd-103.yaml", "--voxels", str(a.voxels), "--smc-voxels", str(a.voxels), "--json", out, "--quiet"],
                       check=True, stdout=subprocess.DEVNULL)
        with open(out) as f:
            report = json.load(f)
    names = report["structureNames"]
    # Noise aside: a ball or none, and how many sticks.
    counts = [re.search(r"(\d)sticks?\b", n) for n in names]
    kinds = [("ball" in n, int(c[1]) if c else 0) for n, c in zip(names, counts)]
    classes = sorted(set(kinds))
    assert len(classes) == 7, names
    place = np.array([classes.index(k) for k in kinds])
    size = np.array([MASKS[sticks] for _, sticks in classes])
    rows = report["agreement"]["perVoxel"]
    truth = place[[r["truth"] for r in rows]]
    for title, key in (("search", "probabilities"), ("wide search", "referenceProbabilities")):
        p_class = np.zeros((len(rows), len(classes)))
        for z, c in enumerate(place):
            p_class[:, c] += [r[key][z] for r in rows]
        # Of a uniform prior over classes; a mask has the same under one over masks, up to a constant.
        weight = size[truth] / size[truth].sum()
        order = np.argsort(-p_class, axis=1)
        first = order[:, 0]
        top1 = (weight * (first == truth) / size[truth]).sum()
        top5 = 0.0
        for v in range(len(rows)):
            left = 5
            for c in order[v]:
                if c == truth[v]:
                    top5 += weight[v] * min(left, size[c]) / size[c]
                    break
                left -= min(left, size[c])
                if left == 0:
                    break
        merged = p_class * size
        right = merged.argmax(1) == truth
        error = np.sqrt((weight**2 * (right - (weight * right).sum()) ** 2).sum())
        flat = (p_class.argmax(1) == truth).mean()
        print(f"{title}: 15 masks top-1 {top1:.3f}, top-5 {top5:.3f}; 7 classes {(weight * right).sum():.3f} ± {error:.3f} (masks alike), {flat:.3f} (classes alike); {len(rows)} voxels")


if __name__ == "__main__":
    main()
