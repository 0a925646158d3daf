#!/usr/bin/env python3
"""White matter and the masks of eighteen tracts, for examples/tractography.sh.

    python3 tract_masks.py DATA FOLDER

DATA holds dwi.nii.gz, dwi.bval, dwi.bvec and mask.nii.gz of an adult's head whose voxel axes run left-right,
back-front, down-up (either way round). Writes white-matter.nii.gz (FA above 0.25 in the mean of a voxel and its
neighbours, away from the brain's edge), a seed mask, way-point masks and an exclusion mask for each tract, and
tracts.txt: a line 'name seed ways exclusion' each. Tracts are boxes in fractions of the brain mask's box, narrowed
by the tensor's main direction: rough, but the same for all fits compared. Needs nibabel and numpy.
"""
import os
import sys

import nibabel as nib
import numpy as np

# |lateral| 0 (midline) … 1 (edge), back … front 0 … 1, down … up 0 … 1; of a seed box further which component of the
# main direction must exceed 0.6, and the least FA. 'both': left and right way-points of one tract; else two tracts.
MIDLINE = ((0, 0.04), (0, 1), (0, 1))
TRACTS = {
    "genu": dict(
        both=True, seed=((0, 0.12), (0.62, 0.85), (0.40, 0.62), 0, 0.4), ways=[((0.12, 0.6), (0.82, 1), (0.3, 0.8))]),
    "body": dict(
        both=True, seed=((0, 0.12), (0.42, 0.72), (0.60, 0.75), 0, 0.4), ways=[((0.12, 0.7), (0.35, 0.8), (0.80, 1))]),
    "splenium": dict(
        both=True, seed=((0, 0.12), (0.25, 0.45), (0.40, 0.65), 0, 0.4), ways=[((0.12, 0.7), (0, 0.24), (0.2, 0.8))]),
    "MCP": dict(
        both=True, seed=((0, 0.14), (0.40, 0.65), (0.12, 0.30), 0, 0.25),
        ways=[((0.2, 0.7), (0.15, 0.42), (0.02, 0.30))], exclude=((0, 1), (0, 1), (0.36, 1))),
    "CST": dict(
        seed=((0.08, 0.42), (0.40, 0.66), (0.32, 0.40), 2, 0.3),
        ways=[((0.04, 0.6), (0.35, 0.75), (0.82, 0.84)), ((0, 0.3), (0.3, 0.7), (0.20, 0.22))],
        exclude=((0, 0.04), (0, 1), (0.4, 1))),
    "cingulum": dict(
        seed=((0.05, 0.22), (0.48, 0.62), (0.66, 0.84), 1, 0.25),
        ways=[((0, 0.3), (0.42, 0.44), (0.6, 0.9)), ((0, 0.3), (0.66, 0.68), (0.6, 0.9))]),
    "SLF": dict(
        seed=((0.40, 0.75), (0.40, 0.58), (0.52, 0.70), 1, 0.3),
        ways=[((0.3, 1), (0.34, 0.36), (0.3, 0.8)), ((0.3, 1), (0.62, 0.64), (0.45, 0.8))]),
    "ILF": dict(
        seed=((0.35, 0.75), (0.28, 0.42), (0.30, 0.46), 1, 0.3),
        ways=[((0.1, 0.8), (0.18, 0.20), (0.2, 0.6)), ((0.3, 0.9), (0.52, 0.54), (0.1, 0.40))]),
    "IFOF": dict(
        seed=((0.25, 0.60), (0.50, 0.62), (0.30, 0.42), 1, 0.3),
        ways=[((0.1, 0.8), (0.20, 0.22), (0.2, 0.6)), ((0.1, 0.7), (0.80, 0.82), (0.2, 0.7))]),
    "ATR": dict(
        seed=((0.12, 0.40), (0.60, 0.74), (0.40, 0.54), 1, 0.3),
        ways=[((0.04, 0.35), (0.50, 0.54), (0.36, 0.56)), ((0.05, 0.7), (0.82, 0.84), (0.3, 0.8))]),
    "UF": dict(
        seed=((0.25, 0.60), (0.62, 0.72), (0.26, 0.38), None, 0.25),
        ways=[((0.3, 0.8), (0.55, 0.85), (0.10, 0.26)), ((0.05, 0.6), (0.76, 0.78), (0.2, 0.5))]),
}


def shifted(image, axis, step):
    """The image moved by one voxel, with zeros (False) coming in."""
    out = np.zeros_like(image)
    a, b = [slice(None)] * 3, [slice(None)] * 3
    a[axis], b[axis] = (slice(1, None), slice(None, -1)) if step > 0 else (slice(None, -1), slice(1, None))
    out[tuple(a)] = image[tuple(b)]
    return out


def erode(mask, times):
    for _ in range(times):
        mask = mask & np.logical_and.reduce([shifted(mask, axis, step) for axis in range(3) for step in (-1, 1)])
    return mask


def tensor(data, mask):
    """FA, and the size of the main direction's components along the voxel axes, by least squares on logarithms."""
    b = np.loadtxt(f"{data}/dwi.bval").ravel()
    g = np.loadtxt(f"{data}/dwi.bvec")
    g = g if g.shape[0] == 3 else g.T
    near = b < 1600
    signal = np.asarray(nib.load(f"{data}/dwi.nii.gz").dataobj)[mask][:, near].astype(np.float32)
    b, (x, y, z) = b[near] * 1e-3, g[:, near]
    products = [x * x, y * y, z * z, 2 * x * y, 2 * x * z, 2 * y * z]
    design = np.stack([np.ones_like(b)] + [-b * product for product in products], 1)
    logs = np.log(np.maximum(signal, 1e-3 * signal.max()))
    _, xx, yy, zz, xy, xz, yz = np.linalg.pinv(design).astype(np.float32) @ logs.T
    values, vectors = np.linalg.eigh(np.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], 1).reshape(-1, 3, 3))
    values = np.maximum(values, 0)
    spread = ((values - values.mean(1, keepdims=True)) ** 2).sum(1)
    fa, main = np.zeros(mask.shape, np.float32), np.zeros(mask.shape + (3,), np.float32)
    fa[mask] = np.sqrt(1.5 * spread / np.maximum((values**2).sum(1), 1e-12))
    main[mask] = np.abs(vectors[:, :, 2])
    return fa, main


def main(data, out):
    os.makedirs(out, exist_ok=True)
    image = nib.load(f"{data}/mask.nii.gz")
    if tuple(np.abs(image.affine[:3, :3]).argmax(0)) != (0, 1, 2):
        sys.exit(f"{data}/mask.nii.gz: its voxel axes are not left-right, back-front, down-up in this order")
    brain = np.asarray(image.dataobj).squeeze() > 0
    fa, main = tensor(data, brain)
    mean = fa
    for axis in range(3):
        mean = (shifted(mean, axis, -1) + mean + shifted(mean, axis, 1)) / 3
    white = (mean > 0.25) & (fa > 0.12) & erode(brain, 2)

    def save(name, mask):
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), image.affine), f"{out}/{name}.nii.gz")
        return f"{out}/{name}.nii.gz"

    save("white-matter", white)
    inside = np.argwhere(brain)
    low, high = inside.min(0), inside.max(0)
    place = [(np.arange(n) - l) / (h - l) for n, l, h in zip(brain.shape, low, high)]
    place = [p if image.affine[a, a] > 0 else 1 - p for a, p in enumerate(place)]
    lateral, right = np.abs(2 * place[0] - 1), place[0] > 0.5

    def box(ranges, side=None):
        parts = [(p >= r[0]) & (p <= r[1]) for p, r in zip((lateral, place[1], place[2]), ranges)]
        if side is not None:
            parts[0] &= right == side
        return white & parts[0][:, None, None] & parts[1][None, :, None] & parts[2][None, None, :]

    with open(f"{out}/tracts.txt", "w") as table:
        for tract, parts in TRACTS.items():
            for side in ([None] if parts.get("both") else [False, True]):
                name = tract + {None: "", False: "-left", True: "-right"}[side]
                *ranges, component, least = parts["seed"]
                seed = box(ranges, side) & (fa > least)
                if component is not None:
                    seed &= main[..., component] > 0.6
                sides = [False, True] if side is None else [side]
                ways = [save(f"{name}-way{n}-{int(s)}", box(w, s)) for n, w in enumerate(parts["ways"], 1) for s in sides]
                exclude = parts.get("exclude", None if side is None else MIDLINE)
                exclude = save(f"{name}-exclude", box(exclude)) if exclude else "-"
                table.write(f"{name} {save(f'{name}-seed', seed)} {','.join(ways)} {exclude}\n")
                print(f"{name}: {seed.sum()} seeds")
    print(f"white matter: {white.sum()} voxels")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
