"""Read a fit of prism-dmri in Python: probabilities at any λ, posterior draws, regions.

    from prism_dmri import Fit
    fit = Fit("fit/")                               # a fit's folder: posterior-*.safetensors, fit.json, quality.nii.gz
    p = fit.fibres(1.0)                             # V x 4: P(0 ... 3 fibres) at λ = 1
    names, p = fit.structures(1.0)                  # and of every structure that occurs, V x Z
    nib.save(fit.image(fit.fibres(1.0)), "p.nii.gz")
    d = fit.draws("d")                              # V x D: a column's draws (fit.columns), NaN where a draw lacks it
    w = fit.weights(1.0)                            # V x D: how much each counts at λ = 1
    fit.mean("d", 1.0)                              # V: posterior mean over the draws that have it
    fit.region(labels == 3, "d", 1.0)               # mean, sd, 5 % and 95 % of a region's mean

One file that may be copied; needs numpy, safetensors and nibabel. Structure probabilities at λ follow from those stored at λ_0 by
p(z|λ) ∝ p(z|λ_0) exp(−(λ − λ_0) k(z)), k being a structure's number of parameters; a draw of z counts p(z|λ) / n_z, or of a structure
too unlikely to have one for certain p(z|λ) over the number it could expect. Both are what `prism-dmri maps` does.
"""
import glob
import json

import nibabel as nib
import numpy as np
from safetensors import safe_open


class Fit:
    def __init__(self, folder):
        paths = sorted(glob.glob(f"{folder}/posterior-?????.safetensors"))
        if not paths:
            raise FileNotFoundError(f"{folder} holds no posterior-*.safetensors: was it made with --keep none?")
        with open(f"{folder}/fit.json") as file:
            self.provenance = json.load(file)
        self.lambda_ = float(self.provenance["lambda"])
        shards = []
        for path in paths:
            with safe_open(path, "np") as file:
                metadata = file.metadata()
                shards.append({name: file.get_tensor(name) for name in file.keys()})
        if not metadata["format"].endswith(" 3"):
            raise ValueError(f"{folder} is of an earlier version; 'prism-dmri merge {folder} --out NEW' makes a new one of it")
        self.metadata, self.family = metadata, json.loads(metadata["family"])
        self.reference, self.shape = float(metadata["lambda_reference"]), tuple(int(n) for n in metadata["grid"].split(","))
        # Names of a structure's bits, and which of them are members of groups that have a direction.
        self.bits, self.fibre_bits = [], []
        for group in self.family["groups"] + [self.family["noise"]]:
            kind, own = next(iter(group["presence"].items()))
            if kind == "upTo":
                n = own["_0"]
                names = [group["name"] + (str(i + 1) if n > 1 else "") for i in range(n)]
            else:
                names = {"always": [], "optional": [group["name"]], "oneOf": own.get("_0", [])[1:]}[kind]
            if group.get("fibreAxis"):
                self.fibre_bits += range(len(self.bits), len(self.bits) + len(names))
            self.bits += names
        # Columns of draws, and by what a stored number is multiplied.
        stored = metadata["columns"].split(",")
        self.columns = [name.split("*")[-1] for name in stored]
        self._scale = [1 / float(name.split("*")[0]) if "*" in name else 1.0 for name in stored]

        # Structures of all files as one table.
        tables = [s["structure"] for s in shards]
        self._table, inverse = np.unique(np.concatenate(tables), axis=0, return_inverse=True)
        inverse = np.split(inverse.reshape(-1), np.cumsum([len(t) for t in tables])[:-1])
        self.parameters = np.zeros(len(self._table))
        self._has = np.zeros((len(self._table), len(self.columns)), bool)
        for s, z in zip(shards, inverse):
            self.parameters[z], self._has[z] = s["structure_parameters"], s["structure_columns"] != 0

        def join(name):
            return np.concatenate([s[name] for s in shards])

        self.voxel, self.quality, self.b0 = join("voxel").astype(int), join("quality"), join("b0")
        self.fitted = self.quality < 128
        self._listed, self._logp = np.concatenate([z[s["list_structure"]] for s, z in zip(shards, inverse)]), join("list_logprob").astype(float)
        self._rest, self._rest_parameters = join("log_rest").astype(float), join("rest_parameters").astype(float)
        count, draws = join("list_count").astype(int), join("draw_count").astype(int)
        self._owner = np.repeat(np.arange(len(count)), count)
        # Of each draw its voxel, its place among all lists' entries, and where its numbers begin.
        self._drawer = np.repeat(np.arange(len(draws)), draws)
        self._entry = (np.cumsum(count) - count)[self._drawer] + join("draw_place")
        width = self._has.sum(axis=1)[self._listed[self._entry]]
        self._start, self._numbers = np.cumsum(width) - width, join("draws")
        self._count = draws

    # Probabilities

    def _entries(self, lam):
        """Of every entry of the voxels' lists its probability at λ."""
        lam = self.lambda_ if lam is None else lam
        shift = lam - self.reference
        log = self._logp - shift * self.parameters[self._listed]
        peak = np.full(len(self.voxel), -np.inf)
        np.maximum.at(peak, self._owner, log)
        p = np.exp(log - peak[self._owner])
        with np.errstate(invalid="ignore"):
            rest = np.where(self.fitted, np.exp(self._rest - shift * self._rest_parameters - np.where(self.fitted, peak, 0)), 0)
        total = np.bincount(self._owner, p, len(self.voxel)) + rest
        return p / total[self._owner]

    def bit(self, name):
        """Z booleans: which structures of the table have a bit (fit.bits)."""
        i = self.bits.index(name)
        return (self._table[:, i // 64] >> np.uint64(i % 64)) & np.uint64(1) != 0

    def structures(self, lam=None):
        """Names of the structures that occur in the fit, and V x Z probabilities at λ (default: that of the fit's maps)."""
        p = np.zeros((len(self.voxel), len(self._table)))
        p[self._owner, self._listed] = self._entries(lam)
        has = np.array([self.bit(name) for name in self.bits])
        return ["+".join(n for n, h in zip(self.bits, column) if h) or "none" for column in has.T], p

    def fibres(self, lam=None, most=3):
        """V x (most + 1): probability of 0, 1, ... fibres at λ; the last of so many or more."""
        bits = [self.bit(self.bits[i]) for i in self.fibre_bits]
        n = np.minimum(np.sum(bits, axis=0) if bits else 0, most) * np.ones(len(self._table), int)
        flat = np.bincount(self._owner * (most + 1) + n[self._listed], self._entries(lam), len(self.voxel) * (most + 1))
        return flat.reshape(-1, most + 1)

    def component(self, name, lam=None):
        """V: probability of a component or option by name (fit.bits) at λ."""
        return np.bincount(self._owner, self._entries(lam) * self.bit(name)[self._listed], len(self.voxel))

    # Draws

    def _square(self, values, fill):
        """Numbers of all draws as V x D."""
        if len(values) == 0:
            raise ValueError("the fit kept no draws (--keep structures)")
        out = np.full((len(self.voxel), self._count.max()), fill)
        out[self.fitted] = values.reshape(-1, self._count.max())
        return out

    def draws(self, column):
        """V x D in natural units: mm²/s, S0 in the scan's units; NaN where a draw's structure lacks the number, and in skipped voxels."""
        c = self.columns.index(column)
        z = self._listed[self._entry]
        there = self._has[z, c]
        rank = np.cumsum(self._has, axis=1)[:, c] - 1
        values = np.full(len(z), np.nan)
        values[there] = self._numbers[(self._start + rank[z])[there]].astype(float) * self._scale[c]
        if column == "s0":
            values *= self.b0[self._drawer]
        return self._square(values, np.nan)

    def weights(self, lam=None):
        """V x D weights of the draws at λ, whose sum is 1 in every fitted voxel and 0 elsewhere."""
        share = np.bincount(self._entry, minlength=len(self._listed))
        p = self._entries(lam)
        if self.metadata.get("note.draw_counts") != "expected":
            each = np.divide(p, share, out=np.zeros_like(p), where=share > 0)
        else:
            expected = self._expected()
            each = np.divide(p, np.where(expected < 1, expected, share), out=np.zeros_like(p), where=share > 0)
            # Each number of fibres that can expect a draw has its own probability.
            number = np.sum([self.bit(self.bits[i]) for i in self.fibre_bits], axis=0) if self.fibre_bits else np.zeros(len(self._table), int)
            own = 4 * self._owner + np.minimum(number, 3)[self._listed]
            mass, sure, drawn = (np.bincount(own, x, 4 * len(self.voxel)) for x in (p, expected, each * share))
            sure = (sure >= 1) & (drawn > 0)
            each = each * np.divide(mass, drawn, out=np.ones_like(mass), where=sure)[own]
        each = each[self._entry]
        total = np.bincount(self._drawer, each, len(self.voxel))
        # Where no draw of any structure that counts is there, all count alike.
        alike = 1 / np.maximum(self._count, 1)[self._drawer]
        sound = total[self._drawer] > 0
        each = np.where(sound, np.divide(each, total[self._drawer], out=np.zeros_like(each), where=sound), alike)
        return self._square(each, 0.0)

    def _expected(self):
        """How many draws every entry of the lists could expect: in proportion to p(z|λ) + ½ max over λ' in [0, 3] of p(z|λ')."""
        k = self.parameters[self._listed].astype(int)
        log, kinds = self._logp + self.reference * k, k.max(initial=0) + 1
        key = self._owner * kinds + k
        peak = np.full(len(self.voxel) * kinds, -np.inf)
        np.maximum.at(peak, key, log)
        part = np.exp(log - np.where(np.isfinite(peak), peak, 0)[key])
        mass = np.bincount(key, part, len(peak)).reshape(-1, kinds)

        def scale(lam):
            """p(all of k parameters | λ) over their mass, V x k."""
            logs = peak.reshape(-1, kinds) - lam * np.arange(kinds)
            top = logs.max(axis=1, keepdims=True)
            x = np.exp(logs - np.where(np.isfinite(top), top, 0))
            whole = (x * mass).sum(axis=1, keepdims=True)
            return np.divide(x, whole, out=np.zeros_like(x), where=whole > 0)

        each = scale(float(self.metadata["lambda_draws"])) + 0.5 * np.max([scale(l) for l in np.arange(0, 3.01, 0.25)], axis=0)
        each = each / np.maximum((each * mass).sum(axis=1, keepdims=True), 1e-300) * self._count[:, None]
        return part * each.reshape(-1)[key]

    def mean(self, column, lam=None):
        """V: posterior mean of a column over the draws that have it; 0 where none has."""
        x, w = self.draws(column), self.weights(lam)
        there = ~np.isnan(x)
        total = (w * there).sum(axis=1)
        return np.divide((w * np.where(there, x, 0)).sum(axis=1), total, out=np.zeros(len(x)), where=total > 0)

    # Images and regions

    @property
    def affine(self):
        return np.array(self.provenance["affine"]).reshape(4, 4)

    def image(self, values):
        """A NIfTI image of V (x N) values; 0 outside the mask."""
        values = np.asarray(values)
        flat = np.zeros((int(np.prod(self.shape)),) + values.shape[1:], np.float32)
        flat[self.voxel] = values
        return nib.Nifti1Image(flat.reshape(self.shape + values.shape[1:], order="F"), self.affine)

    def region(self, mask, column, lam=None, replicates=1000, seed=1):
        """Mean, sd, 5 % and 95 % of a column's mean over a region: an X x Y x Z array of booleans.

        Voxels' posteriors are independent; each replicate takes one weighted draw of every voxel, and means are over the voxels whose draw
        has the number.
        """
        inside = np.flatnonzero(np.asarray(mask, bool).reshape(-1, order="F")[self.voxel] & self.fitted)
        if len(inside) == 0:
            raise ValueError("the region holds no fitted voxel")
        x, w = self.draws(column)[inside], np.cumsum(self.weights(lam)[inside], axis=1)
        random, means = np.random.default_rng(seed), []
        for _ in range(replicates):
            chosen = (w < random.random(len(w))[:, None] * w[:, -1:]).sum(axis=1)
            taken = x[np.arange(len(x)), np.minimum(chosen, x.shape[1] - 1)]
            if not np.isnan(taken).all():
                means.append(np.nanmean(taken))
        low, high = np.quantile(means, [0.05, 0.95])
        return float(np.mean(means)), float(np.std(means, ddof=1)), float(low), float(high)
