#!/usr/bin/env python3
"""Track a fit with DIPY's probabilistic tracker, which follows the density of fibres over all posterior draws.

    python3 dipy_tracks.py FIT SEEDS.nii.gz tracks.tck [SEEDS_A_SIDE]

FIT is a fit's folder (or an export --format dipy). Seeds: so many to a side of every voxel of SEEDS (default 1). A streamline ends where
no lobe is higher than a tenth, as in MRtrix3. Needs dipy and nibabel.
"""
import sys

import nibabel as nib
import numpy as np
from dipy.data import default_sphere
from dipy.io.stateful_tractogram import Space, StatefulTractogram
from dipy.io.streamline import save_tractogram
from dipy.tracking.stopping_criterion import ThresholdStoppingCriterion
from dipy.tracking.tracker import probabilistic_tracking
from dipy.tracking.utils import seeds_from_mask


def track(fit, seeds, side=1):
    image = nib.load(f"{fit}/dipy/fod_sh.nii.gz")
    density = np.ascontiguousarray(image.get_fdata(dtype=np.float64))
    # The first coefficient is proportional to the sum of the fibres' mean fractions: 0.05 of it ends a streamline.
    values = nib.load(f"{fit}/dipy/peaks_values.nii.gz").get_fdata().sum(axis=3)
    points = seeds_from_mask(nib.load(seeds).get_fdata() > 0, image.affine, density=side)
    return list(
        probabilistic_tracking(
            points, ThresholdStoppingCriterion(values, 0.05), image.affine, sh=density, sphere=default_sphere, max_angle=30,
            step_size=0.5, pmf_threshold=0.1, min_len=10, random_seed=1, nbr_threads=2))


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    lines = track(sys.argv[1], sys.argv[2], int(sys.argv[4]) if len(sys.argv) == 5 else 1)
    tractogram = StatefulTractogram(lines, nib.load(f"{sys.argv[1]}/dipy/fod_sh.nii.gz"), Space.RASMM)
    save_tractogram(tractogram, sys.argv[3], bbox_valid_check=False)
    print(f"{len(lines)} streamlines")
