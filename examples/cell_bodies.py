#!/usr/bin/env python3
"""Cell bodies beside their truth, where the family takes them for granted and where it does not.   python3 cell_bodies.py PRISM-DMRI WORK [--voxels 400] [--snr 50]

Simulates SANDI's voxels (dispersed neurites, cell bodies, water outside them; Rician noise) on protocols/acquisitions/sandi-170.yaml by a sum over 4000 directions of
this script's own, fits them with `--family tissue`, which has other slow water to choose from, and `--family sandi`, which has not, and prints the probability of cell
bodies, the root mean square errors of their share, their radius and the neurites' share, and how the evidences compare. Needs nibabel and numpy.
"""
import argparse
import glob
import os
import subprocess

import nibabel as nib
import numpy as np

DELTA, SEPARATION, D_INSIDE = 8.0, 24.0, 3.0  # ms, ms, µm²/ms
ROOTS = np.array([2.0815759778, 5.9403699906, 9.2058401429, 12.4044450219, 15.5792364104, 18.7426455848])


def directions(n):
    """n directions of a Fibonacci lattice."""
    z = (2 * np.arange(n) + 1) / n - 1
    phi = np.arange(n) * np.pi * (3 - np.sqrt(5))
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(phi), r * np.sin(phi), z], 1)


def sphere_diffusivity(radius):
    """What a sphere of this radius (µm) decays with, mm²/s, by the Gaussian phase approximation."""
    a2 = (ROOTS / radius) ** 2
    s = D_INSIDE * a2
    gap, both = SEPARATION - DELTA, SEPARATION + DELTA
    term = 2 * s * DELTA - 2 + 2 * np.exp(-s * DELTA) + 2 * np.exp(-s * SEPARATION) - np.exp(-s * gap) - np.exp(-s * both)
    return 1e-3 * 2 * np.sum(term / (s * s * a2 * (ROOTS**2 - 2))) / (DELTA**2 * (SEPARATION - DELTA / 3))


def simulate(b, g, voxels, snr):
    """Signals, and of each voxel the shares of neurites and cell bodies, and the radius."""
    random, axes = np.random.default_rng(7), directions(4000)
    signals, truth = [], []
    for _ in range(voxels):
        neurites, cells = random.uniform(0.2, 0.5), random.uniform(0.15, 0.4)
        radius, odi = random.uniform(4, 10), random.uniform(0.3, 0.95)
        d_neurites, d_outside = random.uniform(1.5e-3, 2.5e-3), random.uniform(0.8e-3, 1.6e-3)
        mu = random.normal(size=3)
        w = np.exp(((axes @ mu) ** 2 / (mu @ mu) - 1) / np.tan(np.pi * odi / 2))
        e = neurites * np.exp(-b[:, None] * d_neurites * (g @ axes.T) ** 2) @ (w / w.sum())
        e += cells * np.exp(-b * sphere_diffusivity(radius)) + (1 - neurites - cells) * np.exp(-b * d_outside)
        signals.append(1000 * np.hypot(e + random.normal(size=e.size) / snr, random.normal(size=e.size) / snr))
        truth.append([neurites, cells, radius])
    return np.array(signals, np.float32), np.array(truth)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("prism")
    parser.add_argument("work")
    parser.add_argument("--voxels", type=int, default=400)
    parser.add_argument("--snr", type=float, default=50)
    parser.add_argument("--preset", default="balanced")
    a = parser.parse_args()
    scheme = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "protocols", "acquisitions", "sandi-170.yaml")
    table = f"{a.work}/table"
    subprocess.run([a.prism, "simulate", "--out", table, "--size", "1,1,1", "--acquisition", scheme, "--quiet", "--force"], check=True)
    b, g = np.loadtxt(f"{table}/dwi.bval"), np.loadtxt(f"{table}/dwi.bvec").T
    y, truth = simulate(b, g, a.voxels, a.snr)
    # An axis of the image that points left: FSL's vectors are then those of its axes.
    affine = np.diag([-2.0, 2, 2, 1])
    nib.save(nib.Nifti1Image(y.reshape(-1, 1, 1, b.size), affine), f"{a.work}/dwi.nii.gz")
    nib.save(nib.Nifti1Image(np.ones((a.voxels, 1, 1), np.uint8), affine), f"{a.work}/mask.nii.gz")
    for family in ["tissue", "sandi"]:
        out = f"{a.work}/{family}"
        command = [a.prism, "fit", f"{a.work}/dwi.nii.gz", "--mask", f"{a.work}/mask.nii.gz", "--family", family, "--out", out]
        command += ["--bvals", f"{table}/dwi.bval", "--bvecs", f"{table}/dwi.bvec", "--small-delta", f"{DELTA}", "--big-delta", f"{SEPARATION}"]
        subprocess.run(command + ["--preset", a.preset, "--force", "--quiet"], check=True, stderr=subprocess.DEVNULL)

        def read(name):
            return nib.load(glob.glob(f"{out}/dwi/*_param-{name}_dwimap.nii.gz")[0]).get_fdata().ravel()

        there, share = read("somaradius_desc-prob"), read("somafraction_desc-mean")

        def error(values, column):
            wrong = values - truth[:, column]
            return f"{np.sqrt(np.mean(wrong**2)):.3f} (bias {wrong.mean():+.3f})"

        print(f"{family:7s} P(cell bodies) {there.mean():.2f} on average, {np.quantile(there, 0.05):.2f} to {np.quantile(there, 0.95):.2f} in nine of ten voxels")
        print(f"        errors: share {error(share, 1)}, share given cell bodies {error(share / np.maximum(there, 0.01), 1)}, radius in µm {error(read('somaradius_desc-mean'), 2)}, neurites {error(read('ndi_desc-mean'), 0)}")
    print(subprocess.run([a.prism, "compare", f"{a.work}/tissue", f"{a.work}/sandi"], check=True, capture_output=True, text=True).stdout.split("\nfibres")[0])


if __name__ == "__main__":
    main()
