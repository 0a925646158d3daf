#!/usr/bin/env python3
"""Tables of examples/lambda-sweep.sh.   python3 lambda_table.py PHANTOM MAPS…

For each folder of maps: in how many voxels the most probable number of fibres is too large, right, or too small; the mean probability given to the true
number; and how well probabilities tell their own worth (mean probability of the called number against the share of right calls). Needs nibabel and numpy.
"""
import glob
import json
import sys

import nibabel as nib
import numpy as np


def load(path):
    return np.asarray(nib.load(glob.glob(path)[0]).dataobj)


def table(phantom, folders):
    mask = load(f"{phantom}/mask.nii.gz") > 0
    truth = load(f"{phantom}/truth/nfibres.nii.gz")[mask].astype(int)
    print(f"{len(truth)} voxels of known truth, {int((truth > 0).sum())} with fibres")
    print("     λ    too complex     right    too simple    P(truth)    P(called)    right where fibres are")
    rows = []
    for folder in folders:
        with open(f"{folder}/fit.json") as file:
            value = json.load(file)["lambda"]
        p = load(f"{folder}/dwi/*nfibres_desc-prob_dwimap.nii.gz")[mask]
        rows.append((value, p, p.argmax(1)))
    for value, p, called in sorted(rows, key=lambda row: row[0]):
        shares = [100 * np.mean(x) for x in (called > truth, called == truth, called < truth)]
        true_p, called_p = p[np.arange(len(truth)), truth].mean(), p.max(1).mean()
        fibre = 100 * np.mean((called == truth)[truth > 0])
        print(f"{value:6g}  {shares[0]:11.2f}%  {shares[1]:7.2f}%  {shares[2]:11.2f}%  {true_p:10.3f}  {called_p:11.3f}  {fibre:23.2f}%")


def tracks(value, count, length, density, phantom):
    mask = load(f"{phantom}/mask.nii.gz") > 0
    fibre = load(f"{phantom}/truth/nfibres.nii.gz")[mask] > 0
    visited = load(density)[mask] > 0
    empty = 100 * (visited & ~fibre).sum() / max(1, visited.sum())
    print(f"{value:>8} {int(count):12d} {float(length):11.1f} mm {100 * visited[fibre].mean():22.1f}% {empty:26.1f}%")


if __name__ == "__main__":
    if len(sys.argv) == 7 and sys.argv[1] == "--tracks":
        tracks(*sys.argv[2:])
    elif len(sys.argv) > 2:
        table(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(__doc__)
