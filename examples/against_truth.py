#!/usr/bin/env python3
"""Hold a fit of a simulated phantom against its truth.   python3 against_truth.py FIT PHANTOM

Prints how often each true number of fibres is called which (most probable number), and for each true fibre, strongest first, the median angle to the nearest
peak and the share that has a peak within 20 degrees. Needs nibabel and numpy.
"""
import glob
import sys

import nibabel as nib
import numpy as np


def load(path):
    return np.asarray(nib.load(glob.glob(path)[0]).dataobj)


def main(fit, phantom):
    mask = load(f"{phantom}/mask.nii.gz") > 0
    truth = load(f"{phantom}/truth/nfibres.nii.gz")[mask].astype(int)
    called = load(f"{fit}/dwi/*nfibres_desc-prob_dwimap.nii.gz")[mask].argmax(1)
    peaks = load(f"{fit}/mrtrix/peaks.nii.gz")[mask].reshape(len(truth), -1, 3)
    axes = load(f"{phantom}/truth/directions.nii.gz")[mask].reshape(len(truth), -1, 3)
    norm = np.linalg.norm(peaks, axis=2, keepdims=True)
    unit = np.divide(peaks, norm, out=np.zeros_like(peaks), where=norm > 0)
    print("true  voxels   called 0      1      2      3    median angle and share recalled of fibre 1, 2, 3")
    for n in range(4):
        k = truth == n
        if not k.any():
            continue
        share = 100 * np.bincount(called[k], minlength=4) / k.sum()
        text = ""
        for f in range(n):
            cosine = np.abs(np.einsum("vpi,vi->vp", unit[k], axes[k, f])).max(1)
            angle = np.degrees(np.arccos(np.clip(cosine, 0, 1)))
            text += f"   {np.median(angle):.1f}° {100 * (angle < 20).mean():.1f} %"
        print(f"{n:4d} {k.sum():7d}    " + " ".join(f"{s:5.1f}%" for s in share) + text)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
