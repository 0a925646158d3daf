#!/usr/bin/env python3
"""A simulated brain whose tissue is not ball and sticks.   python3 zeppelin_brain.py BRAIN OUT [SHARE]

BRAIN is what `prism-dmri simulate --out BRAIN` wrote. In OUT every fibre keeps its direction, and nine tenths of the voxel are shared by
the fibres as before: SHARE of it (default 0.55) a stick, the rest an extra-axonal space on the same axis, hindered across it by the
tortuosity of Szafer (d_perp = d (1 - SHARE)); d = 1.7e-3 mm^2/s, the last tenth free water. What fits it with ball and sticks finds
signal that its model lacks. Needs nibabel and numpy.
"""
import shutil
import sys

import nibabel as nib
import numpy as np


def main(brain, out, share=0.55):
    shutil.copytree(brain, out)
    image = nib.load(f"{brain}/dwi.nii.gz")
    b = np.loadtxt(f"{brain}/dwi.bval").ravel()
    # The phantom's determinant is negative: FSL's vectors follow its voxel axes.
    g = np.loadtxt(f"{brain}/dwi.bvec").T @ (image.affine[:3, :3] / 2).T

    def truth(name):
        return np.asarray(nib.load(f"{brain}/truth/{name}.nii.gz").dataobj)

    fraction, s0, snr = truth("fractions"), truth("s0"), truth("snr")
    axis = truth("directions").reshape(fraction.shape[:3] + (3, 3))
    has = fraction.sum(-1) > 0
    water = np.where(has, 0.1, 1 - fraction.sum(-1))
    each = (1 - water)[..., None] * fraction / np.maximum(fraction.sum(-1, keepdims=True), 1e-9)
    own, isotropic = 1.7e-3, np.where(has, 3e-3, truth("diffusivity"))
    signal = np.zeros(fraction.shape[:3] + (len(b),))
    for i in range(len(b)):
        attenuation = water * np.exp(-b[i] * isotropic)
        for k in range(3):
            along = (axis[..., k, :] @ g[i]) ** 2
            attenuation += each[..., k] * (share * np.exp(-b[i] * own * along)
                                           + (1 - share) * np.exp(-b[i] * own * (1 - share + share * along)))
        signal[..., i] = s0 * attenuation
    sigma = np.where(snr > 0, s0 / np.maximum(snr, 1e-9), 0)[..., None]
    noise = np.random.default_rng(1).standard_normal((2,) + signal.shape)
    magnitude = np.hypot(signal + sigma * noise[0], sigma * noise[1]).astype(np.float32)
    nib.save(nib.Nifti1Image(magnitude, image.affine), f"{out}/dwi.nii.gz")


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], *map(float, sys.argv[3:]))
