#!/usr/bin/env python3
"""Makes the pictures of the guide from a scan (that of nlsam_data, CC BY 4.0).   python3 pictures.py DATA WORK [HEAD]

DATA: a folder with dwi.nii.gz, dwi.bval, dwi.bvec and mask.nii.gz. WORK: where its fits go; those there are used again. Fits the scan as it
is, with the sign of x in its table changed, and with its volumes moved and stretched at random; reads the first at four λ; and puts
parts of their pictures side by side in examples/pictures. HEAD: the whole head, for the README's picture. Needs prism-dmri on the path, nibabel, numpy, safetensors, scipy and Pillow.
"""
import glob
import os
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
from PIL import Image, ImageDraw
from safetensors.numpy import load_file
from scipy.ndimage import affine_transform

COLOURS = np.array([(91, 101, 119), (79, 176, 230), (240, 192, 76), (220, 90, 38)], np.uint8)
HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pictures")


def moved(data, to):
    """The scan with its weighted volumes displaced by a random walk, and stretched along y at random."""
    os.makedirs(to, exist_ok=True)
    image, rng = nib.load(f"{data}/dwi.nii.gz"), np.random.default_rng(1)
    values, b = image.get_fdata(dtype=np.float32), np.loadtxt(f"{data}/dwi.bval")
    centre, shift, angle = (np.array(values.shape[:3]) - 1) / 2, np.zeros(3), 0.0
    for j in range(values.shape[3]):
        if b[j] < 100:
            continue
        shift = 0.95 * (shift + rng.normal(0, [0.25, 0.25, 0.1]))
        angle = 0.95 * (angle + rng.normal(0, 0.4))
        t, e = np.deg2rad(angle), rng.normal(0, 0.01, 3)
        turn = np.array([[np.cos(t), -np.sin(t), 0], [np.sin(t), np.cos(t), 0], [0, 0, 1]])
        turn = turn @ np.array([[1, 0, 0], [e[0], 1 + e[1], e[2]], [0, 0, 1]])
        offset = centre - turn @ (centre + shift)
        values[..., j] = affine_transform(values[..., j], turn, offset=offset, order=1, mode="nearest")
    nib.save(nib.Nifti1Image(values, image.affine), f"{to}/dwi.nii.gz")
    for suffix in ["bval", "bvec"]:
        shutil.copy(f"{data}/dwi.{suffix}", to)


def fit(image, mask, out, *options):
    if not os.path.exists(f"{out}/fit.json"):
        command = ["prism-dmri", "fit", image, "--mask", mask, "--family", "ball-sticks", "--preset", "fast", "--out", out, "--write", "report,bids"]
        subprocess.run(command + list(options), check=True)
    return out


def part(folder, box=(250, 480, 560, 740), scale=2):
    """Part of the axial slice of a fit's picture, about the splenium; `box` in pixels."""
    picture = Image.open(f"{folder}/orientations.png").crop(box)
    return picture.resize((scale * picture.width, scale * picture.height), Image.LANCZOS)


def carpet(folder, width):
    """Root-mean-square residuals by volume and slice, from 0.5 σ (blue) over 1 (white) to 1.5 (brown), as the report has them."""
    tensors = load_file(f"{folder}/residuals.safetensors")
    count = tensors["count"]
    rms = np.sqrt(tensors["square"] / 65536 / np.maximum(count, 1))[(count > 0).any(1)][::-1]
    t = np.clip(2 * (rms - 0.5) - 1, -1, 1)[..., None]
    ends = np.where(t < 0, [[[0.13, 0.40, 0.72]]], [[[0.72, 0.30, 0.05]]])
    colours = 0.93 + (ends - 0.93) * np.abs(t) ** 0.8
    return Image.fromarray((255 * colours).astype(np.uint8)).resize((width, 12 * rms.shape[0]), Image.NEAREST)


def put(parts, name):
    """Pictures one above the other."""
    sheet = Image.new("RGB", (max(p.width for p in parts), sum(p.height + 8 for p in parts) - 8))
    top = 0
    for p in parts:
        sheet.paste(p, (0, top))
        top += p.height + 8
    sheet.quantize(128).save(f"{HERE}/{name}.png", optimize=True)


def numbers(folder):
    """The most probable number of fibres in the middle slice, left on the left, front up."""
    image = nib.as_closest_canonical(nib.load(glob.glob(f"{folder}/dwi/*nfibres_desc-map_dwimap.nii.gz")[0]))
    mask = nib.as_closest_canonical(nib.load(glob.glob(f"{folder}/misfit.nii.gz")[0])).get_fdata() > 0
    k = image.shape[2] // 2
    picture = COLOURS[np.asarray(image.dataobj)[:, :, k].astype(int)]
    picture[~mask[:, :, k]] = 0
    return np.flip(np.swapaxes(picture, 0, 1), 0)


def main(data, work, head=None):
    os.makedirs(work, exist_ok=True)
    image, mask = f"{data}/dwi.nii.gz", f"{data}/mask.nii.gz"
    good = fit(image, mask, f"{work}/good")
    table = np.loadtxt(f"{data}/dwi.bvec")
    table[0] *= -1
    np.savetxt(f"{work}/flipped.bvec", table, fmt="%.6f")
    flipped = fit(image, mask, f"{work}/flipped", "--bvals", f"{data}/dwi.bval", "--bvecs", f"{work}/flipped.bvec")
    if not os.path.exists(f"{work}/moved/dwi.nii.gz"):
        moved(data, f"{work}/moved")
    shaken = fit(f"{work}/moved/dwi.nii.gz", mask, f"{work}/moved-fit")
    lambdas = ["0", "0.5", "1", "2"]
    if not os.path.exists(f"{work}/maps/lambda-2/fit.json"):
        subprocess.run(["prism-dmri", "maps", good, "--lambda", ",".join(lambdas), "--out", f"{work}/maps", "--write", "report,bids"], check=True)
    scale, gap = 4, 8
    parts = [Image.fromarray(numbers(f"{work}/maps/lambda-{x}")) for x in lambdas]
    w, h = parts[0].width * scale, parts[0].height * scale
    sheet = Image.new("RGB", (len(parts) * (w + gap) - gap, h + 24))
    for i, (numbers_at, x) in enumerate(zip(parts, lambdas)):
        sheet.paste(numbers_at.resize((w, h), Image.NEAREST), (i * (w + gap), 24))
        ImageDraw.Draw(sheet).text((i * (w + gap) + 6, 5), f"lambda = {x}", fill="white", font_size=15)
    sheet.quantize(16).save(f"{HERE}/lambda.png", optimize=True)
    for folder, name in [(good, "good"), (flipped, "flipped"), (shaken, "moved")]:
        picture = part(folder)
        put([picture] if name == "flipped" else [picture, carpet(folder, picture.width)], f"report-{name}")
    if head:
        whole = Image.open(fit(f"{head}/dwi.nii.gz", f"{head}/mask.nii.gz", f"{work}/head") + "/orientations.png")
        whole.thumbnail((1600, 1600), Image.LANCZOS)
        whole.quantize(200).save(f"{HERE}/nlsam-orientations.png", optimize=True)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
