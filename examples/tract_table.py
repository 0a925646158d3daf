#!/usr/bin/env python3
"""Compare the tracts of several fits, for examples/tractography.sh.

    python3 tract_table.py TRACTS REFERENCE OTHER [OTHER…]

Each folder holds NAME.nii.gz, the visits of each voxel by accepted streamlines, and counts.txt: a line 'NAME started
long accepted' a tract. Prints for each tract the correlation of every OTHER's visits with REFERENCE's over the voxels
that either visits, of the visits and of log(1 + visits) at equal totals, and for all folders the share of started
streamlines that reach 40 mm. Needs nibabel and numpy.
"""
import os
import sys

import nibabel as nib
import numpy as np


def main(tracts, folders):
    names = [line.split()[0] for line in open(tracts)]
    counts = {}
    for folder in folders:
        lines = [line.split() for line in open(f"{folder}/counts.txt")]
        counts[folder] = {name: [int(n) for n in numbers] for name, *numbers in lines}
    labels = [os.path.basename(folder.rstrip("/")) for folder in folders]
    reference = folders[0]
    heads = ["tract", f"accepted, {labels[0]}"] + [f"{b} : {labels[0]}, r, r of logs" for b in labels[1:]]
    heads += [f"≥ 40 mm, {a}" for a in labels]
    print("| " + " | ".join(heads) + " |\n|" + "---|" * len(heads))
    rows = []
    for name in names:
        visits = [np.asarray(nib.load(f"{folder}/{name}.nii.gz").dataobj, np.float64) for folder in folders]
        row = []
        for other in visits[1:]:
            either = (visits[0] + other) > 0
            if not (visits[0].any() and other.any()):
                row += [0, 0]
                continue
            a, b = visits[0][either], other[either]
            row.append(np.corrcoef(a, b)[0, 1])
            # A fit that lets more streamlines through is not another tract: the smaller total is brought up to the larger.
            scale = max(a.sum(), b.sum())
            row.append(np.corrcoef(np.log1p(a * scale / a.sum()), np.log1p(b * scale / b.sum()))[0, 1])
        row += [counts[folder][name][1] / counts[folder][name][0] for folder in folders]
        rows.append(row)
        show(f"{name} | {counts[reference][name][2]:,}", row, len(labels) - 1)
    show(f"mean of {len(names)} |", np.mean(rows, 0), len(labels) - 1)


def show(start, row, others):
    cells = [f"{row[2 * i]:.3f}, {row[2 * i + 1]:.3f}" for i in range(others)]
    print(" | ".join([f"| {start}"] + cells + [f"{share:.3f}" for share in row[2 * others:]]) + " |")


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2:])
