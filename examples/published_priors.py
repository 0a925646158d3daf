#!/usr/bin/env python3
"""Which structure is right, asked as PRISM's authors ask it: their priors, masks whose exchangeable compartments are not merged.   python3 published_priors.py PRISM-DMRI [--family gaussian] [--lambda 0.5,1] [--voxels 2000]

Simulates voxels of a family of protocols/published on 103 volumes, finds the posterior without a network, and reads it as probabilities of masks of labelled
compartments (no data can tell the labels of a mask apart) and of the classes that they merge to; the prior of a mask falls with its parameters by exp(-lambda k). Voxels
are drawn over classes and weighted to the prior over masks. Two answers: the fit's search, and one made much wider, as near exact Bayes as can be had.

ball-sticks: ball and three sticks, 15 masks, 7 classes, noise aside. Published: top-1 0.47 and top-5 0.95 over masks; 0.578 over classes. gaussian: three zeppelins and
three tensors more, and Gaussian or Rician noise: 2046 masks, 254 classes. Published, over the 50 commonest masks: 0.43 and 0.88. Needs numpy.
"""
import argparse
import json
import math
import os
import re
import subprocess
import tempfile

import numpy as np

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
# Most of a kind, and the numbers that each adds to k.
KINDS = {"ball": (1, 2), "stick": (3, 4), "zeppelin": (3, 5), "tensor": (3, 7)}


def simulate(program, family, lam, voxels):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "report.json")
        subprocess.run([program, "validate", "simulations", "--family", f"{ROOT}/protocols/published/{family}.yaml", "--acquisition",
                        f"{ROOT}/protocols/acquisitions/abcd-103.yaml", "--voxels", str(voxels), "--smc-voxels", str(voxels), "--lambda", str(lam), "--json", out, "--quiet"],
                       check=True, stdout=subprocess.DEVNULL)
        with open(out) as f:
            return json.load(f)


def kind(name, with_noise):
    """How many of each compartment a structure has, and its noise."""
    counts = []
    for word in KINDS:
        found = re.search(rf"(?:^|\+)(\d?){word}s?(?=[+,])", name)
        counts.append(0 if not found else int(found[1] or 1))
    return (*counts, name.split(",")[-1] if with_noise else "")


def first(order, truth, size, most):
    """How probable it is that the true mask is among so many, of masks alike any."""
    left = most
    for c in order:
        if c == truth:
            return min(left, size[c]) / size[c]
        left -= min(left, size[c])
        if left == 0:
            return 0.0
    return 0.0


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("program")
    p.add_argument("--family", choices=["ball-sticks", "gaussian"], default="ball-sticks")
    p.add_argument("--lambda", dest="lambdas", default="0")
    p.add_argument("--voxels", type=int, default=2000)
    a = p.parse_args()
    for lam in map(float, a.lambdas.split(",")):
        report(simulate(a.program, a.family, lam, a.voxels), a.family == "gaussian", lam)


def report(run, is_gaussian, lam):
    kinds = [kind(n, is_gaussian) for n in run["structureNames"]]
    classes = sorted(set(kinds))
    assert len(classes) == (254 if is_gaussian else 7), run["structureNames"]
    place = np.array([classes.index(k) for k in kinds])
    # Masks of a class.
    size = np.array([math.prod(math.comb(most, n) for n, (most, _) in zip(k, KINDS.values())) for k in classes])
    # Of each class the share of its masks that are among the 50 commonest: of equally common ones any.
    share, left = np.zeros(len(classes)), 50.0
    parameters = np.array([sum(n * each for n, (_, each) in zip(k, KINDS.values())) for k in classes])
    for k in np.unique(parameters):
        alike = parameters == k
        share[alike] = min(1.0, left / size[alike].sum())
        left -= share[alike][0] * size[alike].sum()
    rows = run["agreement"]["perVoxel"]
    truth = place[[r["truth"] for r in rows]]
    for title, key in (("search", "probabilities"), ("wide search", "referenceProbabilities")):
        p_class = np.zeros((len(rows), len(classes)))
        for z, c in enumerate(place):
            p_class[:, c] += [r[key][z] for r in rows]
        # The posterior of a prior over classes; a mask has the same under one over masks, up to a constant.
        order, merged = np.argsort(-p_class, axis=1), np.argsort(-p_class * size, axis=1)
        right = {
            "masks top-1": [1 / size[t] if o[0] == t else 0.0 for o, t in zip(order, truth)],
            "top-5": [first(o, t, size, 5) for o, t in zip(order, truth)],
            "classes top-1": merged[:, 0] == truth,
            "classes top-5": [t in m[:5] for m, t in zip(merged, truth)],
        }
        text = []
        for which, weight in (("all", size[truth].astype(float)),) + ((("50 commonest masks", (size * share)[truth]),) if is_gaussian else ()):
            weight /= weight.sum()
            for name, value in right.items():
                mean = (weight * value).sum()
                right_error = np.sqrt((weight**2 * (np.array(value) - mean) ** 2).sum())
                text.append(f"{which}: {name} {mean:.3f} ± {right_error:.3f}" if name.startswith("masks") else f"{name} {mean:.3f} ± {right_error:.3f}")
        flat = (p_class.argmax(1) == truth).mean()
        print(f"lambda {lam:g}, {title}: " + ", ".join(text) + f"; classes alike, top-1 {flat:.3f}; {len(rows)} voxels", flush=True)


if __name__ == "__main__":
    main()
