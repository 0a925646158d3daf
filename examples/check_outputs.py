#!/usr/bin/env python3
"""Check that the files of a fit agree with each other, frame by frame, as other tools read them.

    python3 check_outputs.py FIT

Opens every image with nibabel (no NaN, one grid), carries the main fibre of the FSL, MRtrix3, DIPY and BIDS outputs to scanner coordinates and
prints the largest angle between them, and compares fractions. FSL's samples are S draws chosen from weighted ones: their means may differ from
the weighted means by what such a choice costs (2/S in f, or a standard error of S independent draws; 2/S in how often there are 0, 1, 2, 3
fibres, and 0.002 of that on average; four standard errors, by dispersion and number of draws, in direction). Exit status 1 when something disagrees. Needs nibabel and numpy.
"""
import glob
import gzip
import json
import os
import sys

import nibabel as nib
import numpy as np


def mif(path):
    """The numbers of an MRtrix3 image as prism-dmri writes them: x fastest, volume after volume."""
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        data = file.read()
    header = dict(line.split(": ", 1) for line in data[: data.index(b"\nEND\n")].decode().splitlines() if ": " in line)
    kind = {"Float32LE": "<f4", "UInt32LE": "<u4"}[header["datatype"]]
    values = np.frombuffer(data, kind, offset=int(header["file"].split()[1]))
    return values.reshape([int(n) for n in header["dim"].split(",")], order="F")


def main(fit):
    failures = []

    def expect(good, text):
        print(("ok      " if good else "FAILED  ") + text)
        if not good:
            failures.append(text)

    images = sorted(p for p in glob.glob(f"{fit}/**/*.nii*", recursive=True))
    reference = nib.load(f"{fit}/quality.nii.gz")
    affine, shape = reference.affine, reference.shape[:3]
    finite = same = True
    for path in images:
        image = nib.load(path)
        finite &= bool(np.isfinite(np.asanyarray(image.dataobj)).all())
        if "fixels" not in path:
            same &= image.shape[:3] == shape and np.allclose(image.affine, affine, atol=1e-3)
    expect(finite, f"{len(images)} images hold finite numbers only")
    expect(same, "all images lie on the grid of quality.nii.gz")
    for path in glob.glob(f"{fit}/**/*.json", recursive=True):
        with open(path) as file:
            json.load(file)
    expect(True, "every JSON file parses")

    rotation = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    flip = np.diag([-1.0 if np.linalg.det(affine) > 0 else 1.0, 1, 1])
    found = {}
    if os.path.exists(f"{fit}/fsl.bedpostX"):
        data = nib.load(f"{fit}/fsl.bedpostX/dyads1.nii.gz").get_fdata()
        found["fsl dyads1"] = data @ (rotation @ flip).T
        th, ph, f = (nib.load(f"{fit}/fsl.bedpostX/merged_{q}1samples.nii.gz").get_fdata() for q in ("th", "ph", "f"))
        v = np.stack([np.sin(th) * np.cos(ph), np.sin(th) * np.sin(ph), np.cos(th)], -1) * (f > 0)[..., None]
        dyad = np.einsum("xyzsi,xyzsj->xyzij", v, v)
        found["fsl merged samples"] = np.linalg.eigh(dyad)[1][..., -1] @ (rotation @ flip).T
        mean = nib.load(f"{fit}/fsl.bedpostX/mean_f1samples.nii.gz").get_fdata()
        drawn = f.shape[-1]
        apart = np.abs(f.mean(-1) - mean)
        good = (apart < np.maximum(2 / drawn, f.std(-1) / np.sqrt(drawn))).all()
        expect(good, f"FSL: mean_f1samples is the mean of merged_f1samples, but for {apart.max():.4f}")
        shares = glob.glob(f"{fit}/dwi/*_param-nfibres_desc-prob_dwimap.nii.gz")
        if shares:
            files = [f"{fit}/fsl.bedpostX/merged_f{k}samples.nii.gz" for k in (1, 2, 3)]
            number = sum((nib.load(path).get_fdata() > 0).astype(int) for path in files)
            probability = nib.load(shares[0]).get_fdata()
            fitted = probability.sum(-1) > 0.5
            apart = np.stack([(number == k).mean(-1) for k in range(4)], -1)[fitted] - probability[fitted]
            most, bias = np.abs(apart).max(), np.abs(apart.mean(0)).max()
            text = f"FSL: samples have each number of fibres at its probability, but for {most:.4f}, on average {bias:.5f}"
            expect(most < 2 / drawn and bias < 0.002, text)
        dispersion, count = nib.load(f"{fit}/fsl.bedpostX/dyads1_dispersion.nii.gz").get_fdata(), np.maximum(1, (f > 0).sum(-1))
        # A mean axis errs the more the nearer the dyad's second eigenvalue is to the first; without a gap there is none.
        gap = np.clip(1 - 2 * dispersion, 0, 1)
        error = np.degrees(np.sqrt(dispersion / count) / np.maximum(gap, 0.01))
    if os.path.exists(f"{fit}/mrtrix"):
        found["mrtrix peaks"] = nib.load(f"{fit}/mrtrix/peaks.nii.gz").get_fdata()[..., :3]
        index = mif(f"{fit}/mrtrix/fixels/index.mif")
        directions = mif(f"{fit}/mrtrix/fixels/directions.mif")[..., 0]
        v = np.zeros(shape + (3,))
        has = index[..., 0] > 0
        v[has] = directions[index[..., 1][has]]
        found["mrtrix fixels"] = v
        expect(index[..., 0].sum() in (len(directions), 0), "MRtrix3: the index counts as many fixels as there are directions")
    if os.path.exists(f"{fit}/dipy"):
        found["dipy peaks"] = nib.load(f"{fit}/dipy/peaks_dirs.nii.gz").get_fdata()[..., 0, :] @ rotation.T
    if os.path.exists(f"{fit}/mrtrix") and os.path.exists(f"{fit}/dipy"):
        ours, theirs = mif(f"{fit}/mrtrix/fod.mif.gz"), nib.load(f"{fit}/dipy/fod_sh.nii.gz").get_fdata()
        expect(np.isfinite(ours).all(), "the density of fibres holds finite numbers only")
        power = [np.sqrt((d[..., l * (l - 1) // 2 : (l + 1) * (l + 2) // 2] ** 2).sum(-1)) for d in (ours, theirs) for l in (0, 2, 4, 6, 8)]
        apart = max(np.abs(a - b).max() for a, b in zip(power[:5], power[5:]))
        expect(apart < 1e-3, f"MRtrix3's and DIPY's density have the same power in every degree, but for {apart:.5f}")
        if os.path.exists(f"{fit}/fsl.bedpostX"):
            total = sum(nib.load(f"{fit}/fsl.bedpostX/merged_f{k}samples.nii.gz").get_fdata().mean(-1) for k in (1, 2, 3))
            has = total > 0.05
            ratio = ours[..., 0][has] / total[has]
            expect(np.ptp(ratio) < 0.02 * np.median(ratio), "its integral is the sum of the fibres' fractions in FSL's draws")
    for path in glob.glob(f"{fit}/dwi/*_param-vector_desc-mean_dwimap.nii.gz"):
        found["bids vector"] = nib.load(path).get_fdata()[..., :3]
    common = np.all([np.linalg.norm(v, axis=-1) > 0 for v in found.values()], axis=0)
    if os.path.exists(f"{fit}/mrtrix"):
        common &= index[..., 0] > 0
    names = list(found)
    for name in names[1:]:
        a, b = (found[n][common] / np.linalg.norm(found[n][common], axis=-1, keepdims=True) for n in (names[0], name))
        angle = np.degrees(np.arccos(np.clip(np.abs((a * b).sum(-1)), 0, 1))) if common.any() else np.zeros(1)
        good = angle.max() < 0.2 if name != "fsl merged samples" else not common.any() or (angle < 0.2 + 4 * error[common]).all()
        text = f"{name} and {names[0]} agree in scanner space in {common.sum()} voxels: angle {np.median(angle):.3f} degrees in the median, "
        expect(good, text + f"{angle.max():.3f} at most")
    return 1 if failures else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1]))
