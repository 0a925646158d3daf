#!/usr/bin/env python3
"""Say in a few lines what a fit found.   python3 summary.py FIT [XFIBRES]

With XFIBRES, a bedpostX-style folder of the same image, the fits are compared in the voxels that both cover: angles between fibres, correlation of their fractions,
ratio of their dispersions, and how many fibres there are. Needs nibabel and numpy.
"""
import glob
import sys

import nibabel as nib
import numpy as np


def load(path):
    return np.asarray(nib.load(glob.glob(path)[0]).dataobj)


def angles(u, v):
    norm = np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1)
    return np.degrees(np.arccos(np.clip(np.abs((u * v).sum(1)) / np.maximum(norm, 1e-12), 0, 1)))


def compare(ours, theirs, mask):
    both = mask & (load(f"{theirs}/nodif_brain_mask.nii.gz") > 0)

    def read(folder, k):
        f, v, s = (load(f"{folder}/{name}.nii.gz")[both].astype(float) for name in (f"mean_f{k}samples", f"dyads{k}", f"dyads{k}_dispersion"))
        return f, v, s

    a, b = ([read(folder, k) for k in (1, 2, 3)] for folder in (ours, theirs))
    print(f"against {theirs}: {both.sum()} voxels")
    clear = (a[0][0] > 0.2) & (b[0][0] > 0.2)
    first = angles(a[0][1], b[0][1])
    # Two fibres of nearly equal fraction may be numbered either way.
    two = (a[1][0] > 0.1) & (b[1][0] > 0.1)
    straight, crossed = ([angles(a[i][1], b[j][1]) for i, j in pairs] for pairs in (((0, 0), (1, 1)), ((0, 1), (1, 0))))
    second = np.where(sum(straight) <= sum(crossed), straight[1], crossed[1])
    for k, name, angle, where in ((0, "main fibre, f > 0.2 in both", first, clear), (1, "second fibre, f > 0.1 in both", second, two)):
        ratio = np.median(a[k][2][where] / np.maximum(b[k][2][where], 1e-6))
        print(f"  {name}: {where.sum()} voxels, angle median {np.median(angle[where]):.1f}°, 90 % below {np.percentile(angle[where], 90):.1f}°, "
              f"dispersion ratio median {ratio:.2f}; fraction correlation (all voxels) {np.corrcoef(a[k][0], b[k][0])[0, 1]:.3f}")
    counts = [sum((x[0] > 0.05).astype(int) for x in side) for side in (a, b)]
    print(f"  fibres with mean f > 0.05: the same number in {100 * np.mean(counts[0] == counts[1]):.0f} %, more in {100 * np.mean(counts[0] > counts[1]):.0f} %")


def main(fit, other=None):
    mask = load(f"{fit}/fsl.bedpostX/nodif_brain_mask.nii.gz") > 0
    p = load(f"{fit}/dwi/*nfibres_desc-prob_dwimap.nii.gz")[mask]
    # Of ball and sticks the sticks' own, of other families the mean of all the voxel's water.
    own = bool(glob.glob(f"{fit}/dwi/*diffusivity_desc-mean_dwimap.nii.gz"))
    d = load(f"{fit}/dwi/*{'diffusivity' if own else 'param-md'}_desc-mean_dwimap.nii.gz")[mask]
    snr = load(f"{fit}/dwi/*snr_desc-mean_dwimap.nii.gz")[mask]
    share = np.bincount(p.argmax(1), minlength=4) / len(p)
    print(f"voxels                      {len(p)}")
    print("most probable fibre count   " + ", ".join(f"{n}: {100 * s:.1f} %" for n, s in enumerate(share)))
    print(f"{'diffusivity' if own else 'mean diffusivity'} (mm²/s)".ljust(28) + f"mean {d.mean():.3e}, median {np.median(d):.3e}")
    print(f"SNR, misfit                 median {np.median(snr):.1f}, {np.median(load(f'{fit}/misfit.nii.gz')[mask]):.2f}")
    if other:
        compare(f"{fit}/fsl.bedpostX", other, mask)


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
