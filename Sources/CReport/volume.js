// The voxels of the scan: where they lie, what the fit says of them.

// Normal of a plane, and the display axes that run to the right and upwards; what lies at the four sides.
const planeKinds = [
  { name: "Axial", letter: "z", normal: 2, right: 0, up: 1, labels: ["L", "R", "A", "P"] },
  { name: "Coronal", letter: "y", normal: 1, right: 0, up: 2, labels: ["L", "R", "S", "I"] },
  { name: "Sagittal", letter: "x", normal: 0, right: 1, up: 2, labels: ["P", "A", "S", "I"] },
];

class Volume {
  static async load(data) {
    const volume = Object.assign(new Volume(), data.volume), source = data.volume;
    volume.groups = data.groups;
    volume.lambda = data.lambda;
    volume.toScanner = data.toScanner;
    volume.inside = await unpack(source.mask);
    volume.rank = new Int32Array(volume.inside.length).fill(-1);
    let count = 0;
    volume.inside.forEach((state, i) => { if (state === 2) volume.rank[i] = count++; });
    volume.count = count;
    // Log-probabilities below the voxel's largest, group after group.
    const codes = source.isFine ? await unpack16(source.codes) : await unpack(source.codes);
    volume.below = new Float32Array(codes.length);
    for (let i = 0; i < codes.length; i++) {
      volume.below[i] = source.isFine ? codes[i] * data.logStep : codes[i] === 255 ? 100 : 2 * Math.sinh(codes[i] / data.shortScale);
    }
    volume.values = await Promise.all(source.maps.map(unpack));
    volume.held = await unpack(source.held);
    [volume.axisU, volume.axisV, volume.fractions] = await Promise.all([source.axisU, source.axisV, source.fractions].map(unpack));
    volume.starts = new Int32Array(count);
    let at = 0;
    volume.held.forEach((bits, v) => { volume.starts[v] = at; at += (bits & 1) + 2 * (bits >> 1 & 1) + 3 * (bits >> 2 & 1); });
    return volume;
  }

  // Place of a cursor's voxel in the box; −1 outside the mask.
  at(p) { return p.every((x, d) => x >= 0 && x < this.shape[d]) ? this.rank[p[0] + this.shape[0] * (p[1] + this.shape[1] * p[2])] : -1; }

  // The image's voxel (i, j, k), counted from 0, and where it lies in the scanner, mm.
  voxel(p) {
    const index = [0, 0, 0];
    p.forEach((x, d) => { const full = this.low[d] + x * this.steps[d]; index[this.axes[d]] = this.isReversed[d] ? this.full[d] - 1 - full : full; });
    return index;
  }
  millimetres(p) {
    const i = this.voxel(p), a = this.affine;
    return [0, 1, 2].map(r => a[4 * r] * i[0] + a[4 * r + 1] * i[1] + a[4 * r + 2] * i[2] + a[4 * r + 3]);
  }
  // The box's place of an image's voxel.
  placeOf(index) {
    const extent = [0, 0, 0];
    this.axes.forEach((axis, d) => { extent[axis] = this.full[d]; });
    const ijk = [index % extent[0], Math.floor(index / extent[0]) % extent[1], Math.floor(index / (extent[0] * extent[1]))];
    return this.axes.map((axis, d) => {
      const full = this.isReversed[d] ? this.full[d] - 1 - ijk[axis] : ijk[axis];
      return (full - this.low[d]) / this.steps[d];
    });
  }

  // p(z|λ′) ∝ p(z|λ) exp(−(λ′ − λ) k(z)), added up by number of fibres.
  fibreProbabilities(v, lambda, out) {
    const n = this.groups.length, shift = lambda - this.reference;
    let peak = -Infinity, sum = 0;
    for (let z = 0; z < n; z++) peak = Math.max(peak, -this.below[z * this.count + v] - shift * this.groups[z].k);
    out.fill(0);
    for (let z = 0; z < n; z++) {
      const p = Math.exp(-this.below[z * this.count + v] - shift * this.groups[z].k - peak);
      out[this.groups[z].fibres] += p;
      sum += p;
    }
    for (let i = 0; i < out.length; i++) out[i] /= sum;
    return out;
  }

  // Its fibres if it has n: axes in the scanner's frame and along the display axes, fractions.
  fibres(v, n) {
    const bits = this.held[v];
    if (n === 0 || bits === 0) return [];
    // A set that is the likeliest between two stored λ alone is not there: the next one is.
    n = [n, n - 1, n + 1, n - 2, n + 2].find(m => m > 0 && bits >> (m - 1) & 1);
    let at = this.starts[v];
    for (let m = 1; m < n; m++) if (bits >> (m - 1) & 1) at += m;
    return Array.from({ length: n }, (_, k) => {
      const u = this.axisU[at + k] / 127 - 1, w = this.axisV[at + k] / 127 - 1, x = (u + w) / 2, y = (u - w) / 2, z = 1 - Math.abs(x) - Math.abs(y);
      const length = Math.hypot(x, y, z) || 1, scanner = [x / length, y / length, z / length], t = this.toScanner;
      return { scanner, display: [0, 1, 2].map(c => t[c] * scanner[0] + t[3 + c] * scanner[1] + t[6 + c] * scanner[2]), f: this.fractions[at + k] / 255 };
    });
  }

  // The planes worth looking at: not those of a few voxels' height.
  get planes() {
    const wide = planeKinds.filter(kind => this.shape[kind.right] >= 8 && this.shape[kind.up] >= 8);
    return wide.length > 0 ? wide : planeKinds;
  }
}

// One slice at one λ: which voxels lie in it, and their probabilities.
class Slice {
  constructor(volume, kind, level, lambda) {
    Object.assign(this, { volume, kind, level, lambda });
    this.columns = volume.shape[kind.right];
    this.rows = volume.shape[kind.up];
    this.width = this.columns * volume.size[kind.right];
    this.height = this.rows * volume.size[kind.up];
    this.places = [];
    this.voxels = [];
    this.edge = new Uint8Array(this.columns * this.rows);
    const p = [0, 0, 0];
    p[kind.normal] = level;
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < this.columns; column++) {
        p[kind.right] = column;
        p[kind.up] = this.rows - 1 - row;
        const i = p[0] + volume.shape[0] * (p[1] + volume.shape[1] * p[2]), v = volume.rank[i], place = row * this.columns + column;
        this.edge[place] = volume.inside[i] > 0 ? 1 : 0;
        if (v >= 0) { this.places.push(place); this.voxels.push(v); }
      }
    }
    this.probability = new Float32Array(4 * this.voxels.length);
    this.called = new Uint8Array(this.voxels.length);
    const out = new Float64Array(4);
    this.voxels.forEach((v, i) => {
      this.probability.set(volume.fibreProbabilities(v, lambda, out), 4 * i);
      this.called[i] = likeliest(out);
    });
  }

  // mm along the scanner's nearest axis, at the middle of the plane.
  get millimetre() {
    const p = this.volume.shape.map(n => (n - 1) / 2);
    p[this.kind.normal] = this.level;
    return this.volume.millimetres(p)[this.kind.normal];
  }
  get place() { return `${this.kind.letter} = ${signed(this.millimetre, 0)} mm`; }
  get title() { return `${this.kind.name} slice at ${this.place}`; }
}
