#!/usr/bin/env python3
"""NODDI's numbers beside their truth, AMICO's and a least-squares fit's.   python3 noddi.py PRISM-DMRI BVAL BVEC WORK [--voxels 1000] [--snr 30] [--scan DWI MASK]

Simulates voxels of NODDI with both definitions of the water outside axons (one tensor averaged over the axons' directions, as the original toolbox and AMICO have
it; dispersed zeppelins, as dmipy has it) by a sum over 20,000 directions of this script's own, half of them without free water, with Rician noise; fits them with
`--family noddi` (and its dispersed definition), `--family tissue`, AMICO where it can be imported (pip install dmri-amico), and least squares from four starts; and
prints correlation, bias and root mean square error of NDI, ODI and FWF, and voxels a second. With --scan it fits a scan and prints how well the fits agree with
least squares there. Needs nibabel, numpy and scipy.
"""
import argparse
import glob
import os
import subprocess
import sys
import time

import nibabel as nib
import numpy as np
from scipy.optimize import least_squares

D_PAR, D_ISO = 1.7e-3, 3.0e-3


def sphere(n):
    """n directions of a Fibonacci lattice."""
    z = (2 * np.arange(n) + 1) / n - 1
    phi = np.arange(n) * np.pi * (3 - np.sqrt(5))
    r = np.sqrt(1 - z * z)
    return np.stack([r * np.cos(phi), r * np.sin(phi), z], 1)


def truth_signal(b, g, ndi, odi, fwf, mu, dispersed, directions):
    """A NODDI voxel's signal over S0, as a plain sum over directions of Watson's density."""
    kappa = 1 / np.tan(np.pi * odi / 2)
    w = np.exp(kappa * ((directions @ mu) ** 2 - 1))
    w /= w.sum()
    c2 = (g @ directions.T) ** 2
    d_perp = D_PAR * (1 - ndi)
    inside = np.exp(-b[:, None] * D_PAR * c2) @ w
    if dispersed:
        outside = np.exp(-b[:, None] * (d_perp + (D_PAR - d_perp) * c2)) @ w
    else:
        outside = np.exp(-b * (d_perp + (D_PAR - d_perp) * (c2 @ w)))
    return fwf * np.exp(-b * D_ISO) + (1 - fwf) * (ndi * inside + (1 - ndi) * outside)


class LeastSquares:
    """NODDI (averaged tensor) by Levenberg-Marquardt on S0, NDI, ODI, FWF and the axis, with Watson's integral by Gauss-Legendre nodes."""

    def __init__(self, b, g):
        t, self.tw = np.polynomial.legendre.leggauss(24)
        self.t, self.tw = (t + 1) / 2, self.tw / 2
        self.b, self.g = b, g
        self.phi = np.pi * (np.arange(8) + 0.5) / 8

    def signal(self, p):
        s0, ndi, odi, fwf, theta, phi = p
        mu = np.array([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)])
        kappa = 1 / np.tan(np.pi * odi / 2)
        w = np.exp(kappa * (self.t**2 - 1)) * self.tw
        w /= w.sum()
        c = self.g @ mu
        s = np.sqrt(np.maximum(1 - c * c, 0))
        # g·n over the circle at polar angle t about mu.
        x = c[:, None, None] * self.t[None, :, None] + (s[:, None] * np.sqrt(1 - self.t**2)[None, :])[:, :, None] * np.cos(self.phi)
        inside = np.exp(-self.b[:, None, None] * D_PAR * x * x).mean(2) @ w
        d_perp, tau = D_PAR * (1 - ndi), (w * self.t**2).sum()
        d = d_perp + (D_PAR - d_perp) * (tau * c * c + (1 - tau) / 2 * (1 - c * c))
        return s0 * (fwf * np.exp(-self.b * D_ISO) + (1 - fwf) * (ndi * inside + (1 - ndi) * np.exp(-self.b * d)))

    def fit(self, y):
        low = self.b < 50
        s0 = y[low].mean()
        tensor = np.linalg.lstsq(np.stack([self.b * self.g[:, i] * self.g[:, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))], 1),
                                 -np.log(np.maximum(y, s0 * 1e-2) / s0), rcond=None)[0]
        d = np.array([[tensor[0], tensor[3] / 2, tensor[4] / 2], [tensor[3] / 2, tensor[1], tensor[5] / 2], [tensor[4] / 2, tensor[5] / 2, tensor[2]]])
        e = np.linalg.eigh(d)[1][:, 2]
        axis = [np.arccos(np.clip(e[2], -1, 1)), np.arctan2(e[1], e[0])]
        best = None
        for ndi, odi, fwf in ((0.5, 0.3, 0.02), (0.3, 0.1, 0.3), (0.7, 0.6, 0.02), (0.5, 0.6, 0.5)):
            r = least_squares(lambda p: self.signal(p) - y, [s0, ndi, odi, fwf, *axis], x_scale=[s0, 1, 1, 1, 1, 1],
                              bounds=([s0 / 3, 0, 0.02, 0, -7, -7], [3 * s0, 1, 0.99, 1, 7, 7]), max_nfev=60)
            if best is None or r.cost < best.cost:
                best = r
        return best.x[1:4]


def prism(program, folder, out, family, preset):
    start = time.time()
    done = subprocess.run([program, "fit", f"{folder}/dwi.nii.gz", "--mask", f"{folder}/mask.nii.gz", "--out", out, "--family", family, "--preset", preset,
                           "--write", "bids", "--force", "--quiet"], stderr=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    took = time.time() - start
    mask = nib.load(f"{folder}/mask.nii.gz").get_fdata() > 0
    maps = [nib.load(glob.glob(f"{out}/dwi/*param-{q}_desc-mean_dwimap.nii.gz")[0]).get_fdata()[mask] for q in ("ndi", "odi", "fwf")]
    return np.stack(maps, 1), took


def amico_fit(folder, b, g):
    import amico

    here = os.getcwd()
    os.chdir(folder)
    amico.set_verbose(0)
    amico.setup()
    with open("dwi.scheme", "w") as f:
        f.write("VERSION: BVECTOR\n")
        for x, v in zip(b, g):
            f.write(f"{v[0]:.8f} {v[1]:.8f} {v[2]:.8f} {0 if x < 50 else x:.3f}\n")
    e = amico.Evaluation(".", ".")
    e.set_config("doNormalizeSignal", True)
    e.load_data("dwi.nii.gz", "dwi.scheme", mask_filename="mask.nii.gz", b0_thr=0)
    e.set_model("NODDI")
    e.generate_kernels(regenerate=True)
    e.load_kernels()
    start = time.time()
    e.fit()
    took = time.time() - start
    e.save_results()
    mask = nib.load("mask.nii.gz").get_fdata() > 0
    maps = np.stack([nib.load(glob.glob(f"AMICO/NODDI/fit_{q}.nii.gz")[0]).get_fdata()[mask] for q in ("NDI", "ODI", "FWF")], 1)
    os.chdir(here)
    return maps, took


def write(folder, grid, b, g):
    """Voxels as an image whose axes are the scanner's and whose determinant is positive: FSL's x is the scanner's, turned."""
    os.makedirs(folder, exist_ok=True)
    affine = np.diag([2, 2, 2, 1.0])
    nib.save(nib.Nifti1Image(grid.astype(np.float32), affine), f"{folder}/dwi.nii.gz")
    nib.save(nib.Nifti1Image(np.ones(grid.shape[:3], np.uint8), affine), f"{folder}/mask.nii.gz")
    np.savetxt(f"{folder}/dwi.bval", b[None], fmt="%.3f")
    np.savetxt(f"{folder}/dwi.bvec", (g * [-1, 1, 1]).T, fmt="%.8f")


def table(results, truth):
    print(f"{'':34s}{'voxels/s':>9s}" + "".join(f"{q + ' r':>9s}{'bias':>8s}{'rmse':>7s}" for q in ("NDI", "ODI", "FWF")))
    for name, (maps, took) in results.items():
        row = f"{name:34s}{len(maps) / took:9.0f}"
        for k in range(3):
            ok = np.isfinite(maps[:, k]) & np.isfinite(truth[:, k])
            x, t = maps[ok, k], truth[ok, k]
            row += f"{np.corrcoef(x, t)[0, 1]:9.3f}{(x - t).mean():+8.3f}{np.sqrt(((x - t) ** 2).mean()):7.3f}"
        print(row, flush=True)


def fits(a, folder, b, g, signals):
    program, results = os.path.abspath(a.program), {}
    base = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "protocols", "models", "noddi.yaml")
    with open(base) as f, open(f"{folder}/dispersed.yaml", "w") as out:
        out.write(f.read().replace("compartment: noddi,", "compartment: noddi_dispersed,"))
    for preset in ("fast", "balanced"):
        results[f"noddi, {preset}"] = prism(program, folder, f"{folder}/fit-noddi-{preset}", base, preset)
    results["noddi, dispersed zeppelins"] = prism(program, folder, f"{folder}/fit-dispersed", f"{folder}/dispersed.yaml", "balanced")
    results["tissue, fast"] = prism(program, folder, f"{folder}/fit-tissue", "tissue", "fast")
    try:
        results["AMICO"] = amico_fit(folder, b, g)
    except ImportError:
        print("AMICO is not there: left out", file=sys.stderr)
    solver, start = LeastSquares(b, g), time.time()
    results["least squares (averaged tensor)"] = np.array([solver.fit(y) for y in signals]), time.time() - start
    return results


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("bval")
    p.add_argument("bvec")
    p.add_argument("work")
    p.add_argument("--voxels", type=int, default=1000)
    p.add_argument("--snr", type=float, default=30)
    p.add_argument("--scan", nargs=2, metavar=("DWI", "MASK"))
    a = p.parse_args()
    b, v = np.loadtxt(a.bval).ravel(), np.loadtxt(a.bvec)
    v = v if v.shape[0] == 3 else v.T
    length = np.linalg.norm(v, axis=0)
    g = np.divide(v, length, out=np.zeros_like(v), where=length > 0).T
    if a.scan:
        image, mask = nib.load(a.scan[0]), nib.load(a.scan[1]).get_fdata() > 0
        if np.linalg.det(image.affine[:3, :3]) > 0:
            g = g * [-1, 1, 1]
        # In voxel axes: a turned scan is the same to every method here.
        y = image.get_fdata()[mask][: a.voxels]
        write(f"{a.work}/scan", y[:, None, None, :], b, g)
        results = fits(a, f"{a.work}/scan", b, g, y)
        truth = results["least squares (averaged tensor)"][0].copy()
        # Where there is little tissue, its density and dispersion are anything.
        truth[truth[:, 2] > 0.5, :2] = np.nan
        print(f"scan: {len(y)} voxels, against least squares; NDI and ODI where its FWF is at most 0.5 ({np.isfinite(truth[:, 0]).sum()} voxels)")
        return table(results, truth)
    rng, directions = np.random.default_rng(1), sphere(20000)
    n = a.voxels
    truth = np.stack([rng.uniform(0.1, 0.9, n), rng.uniform(0.03, 0.9, n), np.where(np.arange(n) % 2, rng.uniform(0.05, 0.7, n), 0)], 1)
    mu = rng.normal(size=(n, 3))
    mu /= np.linalg.norm(mu, axis=1, keepdims=True)
    for dispersed in (False, True):
        clean = np.array([truth_signal(b, g, *t, m, dispersed, directions) for t, m in zip(truth, mu)])
        noise = rng.normal(size=(2, n, len(b))) / a.snr
        y = 1000 * np.hypot(clean + noise[0], noise[1])
        folder = f"{a.work}/{'dispersed' if dispersed else 'averaged'}"
        write(folder, y[:, None, None, :], b, g)
        print("simulated with " + ("dispersed zeppelins" if dispersed else "an averaged tensor") + f": {n} voxels, SNR {a.snr:g}", flush=True)
        table(fits(a, folder, b, g, y), truth)


if __name__ == "__main__":
    main()
