#!/usr/bin/env python3
"""MD, FA and µFA of fits beside a tensor and a kurtosis tensor fitted to the same voxels.   python3 tensor_beside.py DWI MASK FIT [FIT...]

The tensor: weighted least squares of the log signals up to b = 1100 s/mm² (weights: the signal predicted by the last round, squared; three rounds). The kurtosis
tensor: the same with 15 numbers more and all volumes up to 2600. Of each fit, over the voxels whose tensor has MD < 1.5e-3 mm²/s (no free water to speak of):
correlation with, mean difference from and root mean square difference from either, in 1e-3 mm²/s for MD; and the same of a tensor fitted to the signals up to
b = 1100 that the fit predicts, which is what kurtosis makes of it. DWI.bval and DWI.bvec lie beside the image. Needs numpy, nibabel and safetensors.
"""
import argparse
import glob
import itertools

import nibabel as nib
import numpy as np
from safetensors.numpy import load_file


def design(b, g, kurtosis):
    """ln S = ln S0 − b gᵀDg [+ b² Σ W ĝĝĝĝ, a symmetric tensor's 15 numbers]."""
    pairs = list(itertools.combinations_with_replacement(range(3), 2))
    columns = [np.ones_like(b)] + [-b * g[:, i] * g[:, j] * (1 if i == j else 2) for i, j in pairs]
    if kurtosis:
        columns += [(b * 1e-3) ** 2 * np.prod(g[:, list(q)], axis=1) for q in itertools.combinations_with_replacement(range(3), 4)]
    return np.stack(columns, 1)


def tensor(signal, b, g, most, kurtosis):
    use = b <= most
    x, y = design(b[use], g[use], kurtosis), np.maximum(signal[:, use], 1e-3 * signal[:, b < 50].mean(1, keepdims=True))
    weight, log = y**2, np.log(y)
    for _ in range(3):
        a = np.einsum("vm,mi,mj->vij", weight, x, x)
        fit = np.linalg.solve(a, np.einsum("vm,mi,vm->vi", weight, x, log)[..., None])[..., 0]
        weight = np.exp(np.clip(2 * (fit @ x.T), -40, 40))
    xx, xy, xz, yy, yz, zz = fit[:, 1:7].T
    d = np.stack([np.stack([xx, xy, xz], -1), np.stack([xy, yy, yz], -1), np.stack([xz, yz, zz], -1)], -2)
    value = np.maximum(np.linalg.eigvalsh(d), 0)
    mean = value.mean(1)
    return mean, np.sqrt(1.5 * ((value - mean[:, None]) ** 2).sum(1) / np.maximum((value**2).sum(1), 1e-20))


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dwi")
    p.add_argument("mask")
    p.add_argument("fits", nargs="+")
    a = p.parse_args()
    stem = a.dwi.removesuffix(".gz").removesuffix(".nii")
    b, g = np.loadtxt(stem + ".bval").ravel(), np.loadtxt(stem + ".bvec")
    g = g.T if g.shape[0] == 3 else g
    mask = nib.load(a.mask).get_fdata() > 0
    signal = np.asarray(nib.load(a.dwi).dataobj)[mask].astype(float)
    plain, curved = tensor(signal, b, g, 1100, False), tensor(signal, b, g, 2600, True)
    tissue = plain[0] < 1.5e-3
    print(f"{mask.sum()} voxels, {tissue.sum()} with MD < 1.5e-3; their median MD by the tensor {1e3 * np.median(plain[0][tissue]):.3f}, by the kurtosis tensor "
          f"{1e3 * np.median(curved[0][tissue]):.3f}")
    for fit in a.fits:
        def column(name, kind="mean"):
            return nib.load(glob.glob(f"{fit}/dwi/*param-{name}_desc-{kind}_dwimap.nii.gz")[0]).get_fdata()[mask]
        md, fa, ufa = column("md"), column("fa"), column("ufa")
        kept = load_file(f"{fit}/residuals.safetensors")
        place = np.full(mask.size, -1)
        place[kept["voxel"]] = np.arange(len(kept["voxel"]))
        place = place.reshape(mask.shape[::-1]).T[mask]
        predicted = tensor(kept["mean"][place], b, g, 1100, False)
        use = tissue & (place >= 0)
        # By the tensor of the predictions: by that of the data, noise would choose.
        white = use & (predicted[1] > 0.3)
        print(f"{fit}: median MD {1e3 * np.median(md[use]):.3f}, its sd {1e3 * np.median(column('md', 'std')[use]):.3f}")
        for name, one, two in (("itself beside the tensor", (md, fa), plain), ("itself beside the kurtosis tensor", (md, fa), curved),
                               ("the tensor of its predictions beside the tensor", predicted, plain)):
            text = []
            for label, x, y, unit in (("MD", one[0], two[0], 1e3), ("FA", one[1], two[1], 1)):
                x, y = unit * x[use], unit * y[use]
                text.append(f"{label} r {np.corrcoef(x, y)[0, 1]:.3f}, {np.mean(x - y):+.3f}, {np.sqrt(np.mean((x - y) ** 2)):.3f}")
            print(f"  {name}: " + "; ".join(text))
        for name, w in (("FA > 0.3", white), ("FA < 0.15", use & (predicted[1] < 0.15))):
            print(f"  the {w.sum()} voxels whose predictions' tensor has {name}, means: " + "; ".join(
                f"{label} MD {1e3 * x[w].mean():.3f}, FA {y[w].mean():.3f}" for label, (x, y) in
                (("tensor", plain), ("of predictions", predicted), ("itself", (md, fa)))) + f", µFA {ufa[w].mean():.3f}")


if __name__ == "__main__":
    main()
