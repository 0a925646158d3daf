#!/usr/bin/env python3
"""Answers from real-valued data, whose noise is Gaussian of zero mean.   python3 examples/real_valued.py PRISM-DMRI [--voxels N] [ENGINE ...]

ENGINE: fast, balanced (default: both), exact, smc, mcmc. Simulates free water (b to 3000 s/mm²) and fibres that cross at
60 and 90 degrees (b to 6000), fits them, and prints how far the answers are from the truth. Needs nibabel and numpy.
"""
import argparse
import glob
import json
import subprocess
import tempfile

import nibabel as nib
import numpy as np

ACQUISITION = {3000: [1000, 2000, 3000], 6000: [1000, 3000, 6000]}


def half_sphere(n, turn):
    """n directions spread evenly over half a sphere."""
    z = (np.arange(n) + 0.5) / n
    phi = np.pi * (1 + 5**0.5) * np.arange(n) + turn
    return np.stack([np.sqrt(1 - z * z) * np.cos(phi), np.sqrt(1 - z * z) * np.sin(phi), z])


def table(folder, top):
    """Nine b=0 volumes and 30 directions on each of three shells."""
    b = np.r_[np.zeros(9), np.repeat(ACQUISITION[top], 30)]
    g = np.concatenate([np.zeros((3, 9))] + [half_sphere(30, k) for k in range(3)], axis=1)
    np.savetxt(f"{folder}/bvals", b[None], fmt="%d")
    np.savetxt(f"{folder}/bvecs", g, fmt="%.6f")
    return ["--bvals", f"{folder}/bvals", "--bvecs", f"{folder}/bvecs"]


def load(pattern, mask):
    return np.asarray(nib.load(glob.glob(pattern)[0]).dataobj)[mask].astype(float)


def study(program, engine, folder, simulate):
    """Simulates and fits; gives what is needed to judge: true and fitted maps of the voxels."""
    data, out = f"{folder}/data", f"{folder}/out"
    subprocess.run([program, "simulate", "--out", data, "--force", "--noise", "gaussian", *simulate], check=True, capture_output=True)
    how = ["--preset", engine] if engine in ("fast", "balanced", "exact") else ["--engine", engine] + ([])
    subprocess.run(
        [program, "fit", f"{data}/dwi.nii.gz", "--mask", f"{data}/mask.nii.gz", "--family", "ball-sticks", "--out", out, "--force", "--quiet", *how], check=True, capture_output=True)
    mask = np.asarray(nib.load(f"{data}/mask.nii.gz").dataobj) > 0
    maps = {p: load(f"{out}/dwi/*_param-diffusivity_desc-{p}_dwimap.nii.gz", mask) for p in ("mean", "q05", "q95")}
    maps["fibres"] = load(f"{out}/dwi/*nfibres_desc-map_dwimap.nii.gz", mask)
    maps["misfit"] = load(f"{out}/misfit.nii.gz", mask)
    maps["f"] = load(f"{out}/dwi/*_param-vf_desc-mean_dwimap.nii.gz", mask).mean(0)
    maps["peaks"] = load(f"{out}/mrtrix/peaks.nii.gz", mask).reshape(mask.sum(), -1, 3)
    maps["axes"] = load(f"{data}/truth/directions.nii.gz", mask).reshape(mask.sum(), -1, 3)
    maps["warnings"] = json.load(open(f"{out}/fit.json"))["warnings"]
    return maps


def coverage(maps, d):
    return 100 * ((maps["q05"] < d) & (maps["q95"] > d)).mean()


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("engines", nargs="*")
    arguments.add_argument("--voxels", type=int, default=400)
    given = arguments.parse_intermixed_args()
    with tempfile.TemporaryDirectory() as folder:
        for engine in given.engines or ["fast", "balanced"]:
            print(f"{engine}\n  free water, d 3e-3      mean d     90 % interval covers   given fibres   misfit")
            size = ["--size", f"{given.voxels},1,1"]
            for snr in (15, 20, 25, 30, 50):
                m = study(given.program, engine, folder, ["--kind", "water", "--diffusivity", "3e-3", "--snr", str(snr), *size, *table(folder, 3000)])
                print(
                    f"  SNR {snr:2d}               {m['mean'].mean():.2e}     {coverage(m, 3e-3):5.1f} %              {100 * (m['fibres'] > 0).mean():5.1f} %"
                    f"       {m['misfit'].mean():.2f}", flush=True)
            m = study(
                given.program, engine, folder,
                ["--kind", "crossings", "--angles", "60,90", "--fractions", "0.4,0.35", "--diffusivity", "1.7e-3", "--snr", "8", "--size",
                 f"2,{max(1, given.voxels // 2)},1", *table(folder, 6000)])
            unit = m["peaks"] / np.maximum(np.linalg.norm(m["peaks"], axis=2, keepdims=True), 1e-9)
            angle = np.degrees(np.arccos(np.clip(np.abs(np.einsum("vpi,vki->vpk", unit, m["axes"][:, :2])).max(1), 0, 1)))
            called = 100 * np.bincount(m["fibres"].astype(int), minlength=4) / len(m["fibres"])
            print(
                f"  two fibres, b to 6000, SNR 8: mean d {m['mean'].mean():.2e} (1.7e-3), covered {coverage(m, 1.7e-3):.1f} %; called 0/1/2/3 fibres "
                + "/".join(f"{c:.0f}" for c in called) + f" %; angle to nearest peak {np.median(angle[:, 0]):.1f}° and {np.median(angle[:, 1]):.1f}°"
                + f"; fractions {m['f'][0]:.2f} (0.40), {m['f'][1]:.2f} (0.35); misfit {m['misfit'].mean():.2f}")
            print(f"  said: {m['warnings'][0] if m['warnings'] else 'nothing'}", flush=True)


if __name__ == "__main__":
    main()
