// Slices of the brain as pictures.

class Slice {
  constructor(source, groups) {
    Object.assign(this, source);
    const mask = decode(source.mask);
    // Place in the picture of each voxel, and back.
    this.places = [];
    this.rank = new Int32Array(mask.length).fill(-1);
    mask.forEach((inside, i) => { if (inside) { this.rank[i] = this.places.length; this.places.push(i); } });
    this.codes = decode16(source.codes);
    this.sticks = new Int8Array(decode(source.sticks).buffer);
    this.fractions = new Uint8Array(this.sticks.buffer);
    this.values = source.values.map(decode);
    this.count = this.places.length;
    this.probability = new Float32Array(this.count * 4);
    this.called = new Uint8Array(this.count);
    this.groups = groups;
  }

  get title() { return `${this.plane} slice at ${this.place}`; }

  // Structure probabilities of every voxel at λ, added up by number of fibres.
  update(step, shift) {
    const p = new Float64Array(this.groups.length), byCount = new Float64Array(4);
    for (let v = 0; v < this.count; v++) {
      probabilities(this.codes, v, this.groups, step, shift, p);
      byCount.fill(0);
      for (let z = 0; z < p.length; z++) byCount[this.groups[z].fibres] += p[z];
      this.probability.set(byCount, 4 * v);
      this.called[v] = likeliest(byCount);
    }
  }

  // A canvas in its frame with the letters of the subject's sides.
  frame(smooth) {
    const canvas = make("canvas", { width: this.columns, height: this.rows, role: "img" });
    if (smooth) canvas.className = "smooth";
    const [left, right, top, bottom] = this.labels, flips = left === "L";
    const frame = make("div", { class: "plane" + (flips ? " flips" : "") + (this.height < 0.2 * this.width ? " thin" : "") + (this.width < 0.12 * this.height ? " narrow" : "") }, canvas,
      make("span", { class: "l" }, left), make("span", { class: "r" }, right), make("span", { class: "t" }, top), make("span", { class: "b" }, bottom),
      make("span", { class: "w" }, this.place));
    frame.querySelectorAll("span").forEach(s => s.setAttribute("aria-hidden", "true"));
    frame.style.aspectRatio = `${this.width} / ${this.height}`;
    canvas.addEventListener("pointermove", event => pointAt(this, canvas, event));
    canvas.addEventListener("pointerdown", event => pointAt(this, canvas, event));
    canvas.addEventListener("pointerleave", hideTip);
    return { frame, canvas };
  }

  // One colour a voxel; `colour(v)` is packed.
  paint(canvas, colour) {
    const context = canvas.getContext("2d"), image = context.createImageData(this.columns, this.rows), pixels = new Uint32Array(image.data.buffer);
    for (let v = 0; v < this.count; v++) pixels[this.places[v]] = colour(v);
    context.putImageData(image, 0, 0);
  }

  // Direction-encoded colour with the fibres as sticks in the plane. `turn` carries display axes to the scanner's, nine numbers.
  paintOrientations(canvas, turn, withSticks) {
    const dx = this.width / this.columns, dy = this.height / this.rows, finest = Math.min(dx, dy);
    const cell = Math.max(5, Math.min(64, Math.floor(1500 / (Math.max(this.width, this.height) / finest)))), w = cell * dx / finest, h = cell * dy / finest;
    canvas.width = Math.round(this.columns * w);
    canvas.height = Math.round(this.rows * h);
    const context = canvas.getContext("2d"), lines = [];
    for (let v = 0; v < this.count; v++) {
      const column = this.places[v] % this.columns, row = Math.floor(this.places[v] / this.columns), sum = [0, 0, 0];
      for (let k = 2; k >= 0; k--) {
        const at = 4 * (k * this.count + v), f = this.fractions[at + 3] / 255;
        if (f === 0) continue;
        const d = [this.sticks[at] / 127, this.sticks[at + 1] / 127, this.sticks[at + 2] / 127];
        const colour = [0, 1, 2].map(r => Math.abs(turn[3 * r] * d[0] + turn[3 * r + 1] * d[1] + turn[3 * r + 2] * d[2]));
        for (let c = 0; c < 3; c++) sum[c] += colour[c] * f;
        lines.push({ x: (column + 0.5) * w, y: (row + 0.5) * h, dx: d[this.right], dy: -d[this.up], f, colour });
      }
      const gain = withSticks ? 0.62 : 1.35;
      context.fillStyle = `rgb(${sum.map(c => clamp255(c * gain)).join(" ")})`;
      context.fillRect(Math.floor(column * w), Math.floor(row * h), Math.ceil(w), Math.ceil(h));
    }
    if (!withSticks) return;
    context.lineCap = "round";
    context.lineWidth = Math.max(1.2, Math.min(w, h) / 8);
    for (const line of lines) {
      const half = Math.min(w, h) * Math.min(0.52, 0.16 + 0.6 * line.f);
      context.strokeStyle = `rgb(${line.colour.map(c => clamp255(0.14 + 1.1 * c)).join(" ")})`;
      context.beginPath();
      context.moveTo(line.x - line.dx * half, line.y - line.dy * half);
      context.lineTo(line.x + line.dx * half, line.y + line.dy * half);
      context.stroke();
    }
  }
}

// Slices side by side at one scale; flat ones share a column.
function planes(slices, smooth) {
  const row = make("div", { class: "planes" }), canvases = [], isFlat = s => s.width > 3 * s.height;
  const columns = slices.filter(s => !isFlat(s)).map(s => [s]), flat = slices.filter(isFlat);
  if (flat.length > 0) columns.push(flat);
  const width = column => Math.max(...column.map(s => s.width)), height = column => column.reduce((sum, s) => sum + s.height, 0);
  const total = columns.reduce((sum, column) => sum + width(column), 0), tallest = Math.max(...columns.map(height));
  for (const column of columns) {
    const holder = column === flat ? make("div", { class: "flat" }) : null;
    for (const slice of column) {
      const { frame, canvas } = slice.frame(smooth);
      canvases[slices.indexOf(slice)] = canvas;
      if (holder) frame.style.width = 100 * slice.width / width(column) + "%";
      (holder || row).append(frame);
    }
    if (holder) row.append(holder);
    const item = row.lastChild;
    item.style.flex = `0 1 ${1000 * width(column) / total}px`;
    // A tall column must not fill the screen.
    item.style.maxWidth = `${Math.max(14, 420 * width(column) / tallest)}px`;
  }
  return { row, canvases };
}
