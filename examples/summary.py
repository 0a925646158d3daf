#!/usr/bin/env python3
"""Say in a few lines what a fit found.   python3 summary.py FIT [XFIBRES]

With XFIBRES, a bedpostX-style folder of the same image (dyads1, mean_f1samples, nodif_brain_mask), the fits are compared in the voxels that both cover: angle between
the main fibres, and correlation of their fractions. Needs nibabel and numpy.
"""
import glob
import sys

import nibabel as nib
import numpy as np


def load(path):
    return np.asarray(nib.load(glob.glob(path)[0]).dataobj)


def main(fit, other=None):
    mask = load(f"{fit}/fsl.bedpostX/nodif_brain_mask.nii.gz") > 0
    p = load(f"{fit}/dwi/*nfibres_desc-prob_dwimap.nii.gz")[mask]
    d = load(f"{fit}/dwi/*diffusivity_desc-mean_dwimap.nii.gz")[mask]
    snr = load(f"{fit}/dwi/*snr_desc-mean_dwimap.nii.gz")[mask]
    share = np.bincount(p.argmax(1), minlength=4) / len(p)
    print(f"voxels                      {len(p)}")
    print("most probable fibre count   " + ", ".join(f"{n}: {100 * s:.1f} %" for n, s in enumerate(share)))
    print(f"diffusivity (mm²/s)         mean {d.mean():.3e}, median {np.median(d):.3e}")
    print(f"SNR, misfit                 median {np.median(snr):.1f}, {np.median(load(f'{fit}/misfit.nii.gz')[mask]):.2f}")
    if other:
        both = mask & (load(f"{other}/nodif_brain_mask.nii.gz") > 0)
        f, g = (load(f"{x}/mean_f1samples.nii.gz")[both] for x in (f"{fit}/fsl.bedpostX", other))
        u, v = (load(f"{x}/dyads1.nii.gz")[both].astype(float) for x in (f"{fit}/fsl.bedpostX", other))
        norm = np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1)
        angle = np.degrees(np.arccos(np.clip(np.abs((u * v).sum(1)) / np.maximum(norm, 1e-12), 0, 1)))
        clear = (g > 0.2) & (f > 0.2)
        print(f"against {other}: {both.sum()} voxels; main fibre where both have f > 0.2: median angle {np.median(angle[clear]):.1f}°, "
              f"90 % below {np.percentile(angle[clear], 90):.1f}°; fraction correlation {np.corrcoef(f, g)[0, 1]:.3f}")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(*sys.argv[1:])
