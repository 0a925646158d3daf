#!/usr/bin/env python3
"""At which λ a fit of a simulated brain calls fibres right.   python3 lambda_truth.py FIT BRAIN

For each λ from 0 to 3 the share of voxels whose most probable number of fibres is the true one, in all and where there are fibres, and the
mean log probability of the true number: what nobody knows of a real scan, beside which `prism-dmri lambda` can be held. Needs nibabel.
"""
import os
import sys

import nibabel as nib
import numpy as np

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from prism_dmri import Fit

if len(sys.argv) != 3:
    sys.exit(__doc__)
fit = Fit(sys.argv[1])
truth = np.asarray(nib.load(f"{sys.argv[2]}/truth/nfibres.nii.gz").dataobj).reshape(-1, order="F")[fit.voxel].astype(int)
print("lambda\tright\tright_with_fibres\tlog_score")
for value in (0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3):
    p = fit.fibres(value)
    right = p.argmax(1) == truth
    score = np.log(np.maximum(p[np.arange(len(truth)), truth], 1e-9))
    print(f"{value:g}\t{right[fit.fitted].mean():.4f}\t{right[fit.fitted & (truth > 0)].mean():.4f}\t{score[fit.fitted].mean():.4f}")
