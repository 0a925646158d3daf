#!/usr/bin/env python3
"""The steps of side_by_side.sh that need Python.

    side_by_side.py time TIMES NAME COMMAND…     run, append name, wall seconds, processor seconds and peak memory (MiB) to TIMES
    side_by_side.py tensor|csd DATA PEAKS        DIPY's fit; main directions to PEAKS, 3 numbers a peak, scanner frame
    side_by_side.py table DATA OUT               what was noted, and how far the main directions lie apart

Needs nibabel and numpy; the fits need dipy.
"""
import glob
import os
import resource
import subprocess
import sys
import time


def run(times, name, *command):
    start = time.monotonic()
    subprocess.run(command, check=True)
    wall, usage = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    # Of the largest process: DIPY's workers each have as much again.
    line = f"{name}\t{wall:.2f}\t{usage.ru_utime + usage.ru_stime:.2f}\t{usage.ru_maxrss / 1024:.0f}"
    with open(times, "a") as file:
        file.write(line + "\n")
    print(line, flush=True)


def rotation(affine):
    """Voxel axes to scanner axes."""
    import numpy as np

    return affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)


def dipy_fit(kind, data, out):
    import nibabel as nib
    import numpy as np
    from dipy.core.gradients import gradient_table

    image = nib.load(f"{data}/dwi.nii.gz")
    mask = np.asarray(nib.load(f"{data}/mask.nii.gz").dataobj) > 0
    bvals, bvecs = np.loadtxt(f"{data}/dwi.bval"), np.loadtxt(f"{data}/dwi.bvec")
    bvecs = bvecs.T if bvecs.shape[0] == 3 else bvecs
    # FSL's x runs backwards where det(affine) > 0; DIPY takes directions along the voxel axes.
    if np.linalg.det(image.affine) > 0:
        bvecs = bvecs * [-1, 1, 1]
    signals, table = image.get_fdata(dtype=np.float32), gradient_table(bvals, bvecs=bvecs, b0_threshold=100)
    if kind == "tensor":
        from dipy.reconst.dti import TensorModel

        directions = TensorModel(table).fit(signals, mask=mask).evecs[..., None, :, 0]
    else:
        from dipy.data import default_sphere
        from dipy.direction import peaks_from_model
        from dipy.reconst.csdeconv import ConstrainedSphericalDeconvModel, auto_response_ssst

        response, _ = auto_response_ssst(table, signals, roi_radii=10, fa_thr=0.7)
        model = ConstrainedSphericalDeconvModel(table, response, sh_order_max=8)
        # Processes of one core each.
        directions = peaks_from_model(
            model, signals, default_sphere, relative_peak_threshold=0.2, min_separation_angle=25, mask=mask, npeaks=3, parallel=True,
            num_processes=len(os.sched_getaffinity(0))).peak_dirs
    directions = np.nan_to_num(directions) @ rotation(image.affine).T
    nib.save(nib.Nifti1Image((directions * mask[..., None, None]).reshape(*mask.shape, -1).astype(np.float32), image.affine), out)


def table(data, out):
    import nibabel as nib
    import numpy as np

    def load(path):
        return np.asarray(nib.load(path).dataobj)

    def peaks(path):
        v = load(path).astype(float)
        v = np.nan_to_num(v.reshape(*v.shape[:3], -1, 3))
        return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12), np.linalg.norm(v, axis=-1)

    def angle(u, v):
        return np.degrees(np.arccos(np.clip(np.abs((u * v).sum(-1)), 0, 1)))

    mask = load(f"{data}/mask.nii.gz") > 0
    print(f"\n| {mask.sum()} voxels | wall s | processor s | voxels/s | peak memory, MiB |\n|---|---|---|---|---|")
    for line in open(f"{out}/times.tsv"):
        name, wall, cpu, memory = line.rstrip("\n").split("\t")
        print(f"| {name} | {float(wall):.1f} | {float(cpu):.1f} | {mask.sum() / float(wall):,.0f} | {memory} |")
    fit = f"{out}/prism-balanced"
    ours, length = peaks(f"{fit}/mrtrix/peaks.nii.gz")
    fraction = length / 2
    probability = load(glob.glob(f"{fit}/dwi/*nfibres_desc-prob_dwimap.nii.gz")[0])
    one = mask & (probability[..., 1] > 0.7) & (fraction[..., 0] > 0.3)
    two = mask & (probability[..., 2] > 0.7) & (fraction[..., 1] > 0.2)
    print(f"\nOne fibre: {one.sum()} voxels where balanced gives it more than 70 % and f > 0.3; two: {two.sum()} where more than 70 % and both f > 0.2.\n")
    print("| main direction against balanced's | one fibre: median, 90 % below | two: the first, the second found within 20° |\n|---|---|---|")
    others = {"prism-dmri fast": f"{out}/prism-fast/mrtrix/peaks.nii.gz"} | {
        name: f"{out}/{file}.nii.gz" for name, file in {
            "MRtrix3 tensor": "mrtrix-tensor", "MRtrix3 CSD": "mrtrix-csd", "DIPY tensor": "dipy-tensor", "DIPY CSD": "dipy-csd"}.items()}
    for name, path in others.items():
        if not os.path.exists(path):
            continue
        theirs, size = peaks(path)
        main = angle(ours[one][:, 0], theirs[one][:, 0])
        # Of a crossing, whichever of their peaks is nearest, in any order.
        near = [np.where(size[two] > 0, angle(ours[two][:, k, None], theirs[two]), 90).min(1) for k in (0, 1)]
        found = ", ".join(f"{100 * np.mean(a < 20):.0f} %" for a in near) if two.any() else "–"
        print(f"| {name} | {np.median(main):.1f}°, {np.percentile(main, 90):.1f}° | {found} |")


if __name__ == "__main__":
    words = sys.argv[1:]
    if len(words) >= 4 and words[0] == "time":
        try:
            run(*words[1:])
        except subprocess.CalledProcessError as error:
            sys.exit(error.returncode)
    elif len(words) == 3 and words[0] in ("tensor", "csd"):
        dipy_fit(*words)
    elif len(words) == 3 and words[0] == "table":
        table(*words[1:])
    else:
        sys.exit(__doc__)
