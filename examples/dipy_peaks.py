#!/usr/bin/env python3
"""Make a DIPY peaks file (pam5) of a fit's dipy/ folder, for DIPY's trackers and viewers.

    python3 dipy_peaks.py FIT/dipy peaks.pam5

Directions are along the voxel axes, as DIPY wants them; values are fibre fractions. With the density of fibres in it, which dipy_nifti2pam
leaves out, dipy_track --tracking_method prob works on the file too. Needs dipy, nibabel and tables.
"""
import sys

import nibabel as nib
import numpy as np
from dipy.data import default_sphere
from dipy.direction.peaks import PeaksAndMetrics
from dipy.io.peaks import save_pam


def load(folder):
    """The peaks of FOLDER as DIPY's PeaksAndMetrics."""
    dirs = nib.load(f"{folder}/peaks_dirs.nii.gz")
    values = nib.load(f"{folder}/peaks_values.nii.gz")
    pam = PeaksAndMetrics()
    pam.affine = dirs.affine
    pam.sphere = default_sphere
    pam.peak_dirs = np.ascontiguousarray(dirs.get_fdata(dtype=np.float64))
    pam.peak_values = np.ascontiguousarray(values.get_fdata(dtype=np.float64))
    # The sphere's nearest vertex stands for a peak where DIPY asks for indices; peak_dirs keeps the exact direction.
    pam.peak_indices = np.asarray(nib.load(f"{folder}/peaks_indices.nii.gz").dataobj).astype(np.int32)
    pam.gfa = np.zeros(values.shape[:3])
    pam.qa = np.zeros(values.shape)
    # All posterior draws together, which dipy_track's probabilistic tracker follows.
    pam.shm_coeff = np.ascontiguousarray(nib.load(f"{folder}/fod_sh.nii.gz").get_fdata(dtype=np.float64))
    pam.B = pam.odf = None
    pam.total_weight = 0.5
    pam.ang_thr = 60.0
    return pam


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    save_pam(sys.argv[2], load(sys.argv[1]), affine=load(sys.argv[1]).affine)
