// The linked pictures: one cursor, one λ, and a second λ beside it.

class Viewer {
  constructor(volume, layerList, onChange) {
    Object.assign(this, { volume, layers: layerList, onChange });
    this.cursor = [...volume.opening];
    this.lambdas = [volume.lambda, Math.min(3, volume.lambda + 1)];
    this.layer = layerList[0];
    this.options = { sticks: true, outline: false, crosshair: true, large: true };
    this.slices = [[], []];
    this.panels = [];
    this.rows = [0, 1].map(slot => this.largeRow(slot));
    byId("viewer").append(this.rows[0].row);
    byId("viewer-second").append(this.rows[1].row);
    this.sliders = volume.planes.map(kind => this.slider(kind));
    byId("slice-sliders").append(...this.sliders.map(s => s.row));
  }

  largeRow(slot) {
    const made = planeRow(this.volume, true);
    made.frames.forEach((f, i) => {
      f.canvas.id = `plane-${slot}-${i}`;
      if (slot === 0) {
        f.canvas.tabIndex = 0;
        f.canvas.setAttribute("role", "application");
        f.canvas.setAttribute("aria-roledescription", "slice of the brain");
        f.canvas.setAttribute("aria-describedby", "viewer-keys");
        f.canvas.addEventListener("keydown", event => this.key(event, f.kind));
        f.canvas.addEventListener("wheel", event => {
          if (document.activeElement !== f.canvas) return;
          event.preventDefault();
          this.move(f.kind.normal, event.deltaY < 0 ? 1 : -1);
        }, { passive: false });
      }
      this.listen(f, true);
    });
    return made;
  }

  slider(kind) {
    const n = this.volume.shape[kind.normal], id = "slice-" + kind.letter;
    const input = make("input", { type: "range", id, min: 0, max: n - 1, step: 1, value: this.cursor[kind.normal] }), output = make("output", { for: id });
    input.addEventListener("input", () => { this.cursor[kind.normal] = Number(input.value); this.refresh(); });
    return { kind, input, output, row: make("div", { class: "slice-slider" }, make("label", { for: id }, kind.name), input, output) };
  }

  // A small panel with one layer on the same slices.
  addPanel(layer) {
    const made = planeRow(this.volume, false);
    if (layer.isSmooth) made.frames.forEach(f => f.canvas.classList.add("smooth"));
    made.frames.forEach(f => this.listen(f, false));
    this.panels.push({ layer, frames: made.frames });
    return made.row;
  }

  listen(f, canMove) {
    const put = event => {
      const p = this.pointed(f, event);
      if (!p) return hideTip();
      if (canMove && event.buttons === 1 || event.type === "pointerdown") { this.cursor = p; this.refresh(); }
      showTip(this, p, event);
    };
    f.canvas.addEventListener("pointermove", put);
    f.canvas.addEventListener("pointerdown", put);
    f.canvas.addEventListener("pointerleave", hideTip);
  }

  pointed(f, event) {
    const box = f.canvas.getBoundingClientRect(), { shape } = this.volume;
    let u = (event.clientX - box.left) / box.width;
    const t = (event.clientY - box.top) / box.height;
    if (u < 0 || u >= 1 || t < 0 || t >= 1) return null;
    if (document.body.classList.contains("mirrored") && f.kind.labels[0] === "L") u = 1 - u;
    const p = [...this.cursor];
    p[f.kind.right] = Math.floor(u * shape[f.kind.right]);
    p[f.kind.up] = shape[f.kind.up] - 1 - Math.floor(t * shape[f.kind.up]);
    return p;
  }

  key(event, kind) {
    const mirrored = document.body.classList.contains("mirrored") && kind.labels[0] === "L" ? -1 : 1;
    const moves = { ArrowLeft: [kind.right, -mirrored], ArrowRight: [kind.right, mirrored], ArrowUp: [kind.up, 1], ArrowDown: [kind.up, -1],
      PageUp: [kind.normal, 1], PageDown: [kind.normal, -1] };
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.key === "Home") this.cursor = [...this.volume.opening];
    else if (!moves[event.key]) return;
    event.preventDefault();
    if (moves[event.key]) this.move(moves[event.key][0], moves[event.key][1] * (event.shiftKey ? 5 : 1));
    else this.refresh();
  }

  move(axis, by) {
    this.cursor[axis] = Math.max(0, Math.min(this.volume.shape[axis] - 1, this.cursor[axis] + by));
    this.refresh();
  }

  setLambda(slot, value) { this.lambdas[slot] = value; this.refresh(); }

  slice(slot, i) {
    const kind = this.volume.planes[i], level = this.cursor[kind.normal], lambda = this.lambdas[slot], held = this.slices[slot][i];
    if (!held || held.level !== level || held.lambda !== lambda) this.slices[slot][i] = new Slice(this.volume, kind, level, lambda);
    return this.slices[slot][i];
  }

  // The large pictures at once, what follows them a little later.
  refresh() {
    if (!this.isWaiting) requestAnimationFrame(() => { this.isWaiting = false; this.paintLarge(); });
    this.isWaiting = true;
    clearTimeout(this.later);
    this.later = setTimeout(() => this.paintPanels(), 40);
  }

  paintLarge() {
    const isTwo = byId("compare").checked;
    for (let slot = 0; slot < (isTwo ? 2 : 1); slot++) {
      this.rows[slot].frames.forEach((f, i) => {
        const slice = this.slice(slot, i);
        f.canvas.classList.toggle("smooth", !!this.layer.isSmooth);
        this.layer.paint(slice, f.canvas, this.options);
        paintOver(slice, f.over, this.cursor, this.options);
        f.canvas.setAttribute("aria-label", this.words(slice, this.layer));
      });
    }
    for (const s of this.sliders) {
      s.input.value = this.cursor[s.kind.normal];
      const mm = this.volume.millimetres(this.cursor)[s.kind.normal];
      s.output.value = `${s.kind.letter} = ${signed(mm, 0)} mm`;
      s.input.setAttribute("aria-valuetext", s.output.value);
    }
    this.onChange(this);
  }

  paintPanels() {
    for (const panel of this.panels) {
      panel.frames.forEach((f, i) => {
        const slice = this.slice(0, i);
        panel.layer.paint(slice, f.canvas, { sticks: false, large: false });
        f.canvas.setAttribute("aria-label", this.words(slice, panel.layer));
      });
    }
  }

  // What a picture shows, for those who do not see it.
  words(slice, layer) {
    const n = Math.max(1, slice.voxels.length), at = `${slice.title}${layer.isOfLambda ? `, λ = ${slice.lambda.toFixed(2)}` : ""}: `;
    if (layer.id === "orientations" || layer.id === "number") {
      const counts = [0, 0, 0, 0];
      for (const c of slice.called) counts[c]++;
      return at + layer.title.toLowerCase() + ": " + counts.map((c, k) => `${fibreWord(k)} in ${percent(c / n)}`).join(", ");
    }
    if (layer.isOfLambda) {
      const k = Number(layer.id[1]);
      let sum = 0;
      for (let i = 0; i < slice.voxels.length; i++) sum += slice.probability[4 * i + k];
      return `${at}probability of ${fibreWord(k)}, mean ${(sum / n).toFixed(4)}`;
    }
    const codes = Array.from(slice.voxels, v => this.volume.values[layer.index][v]).filter(code => !isLacking(layer, code));
    const mean = codes.reduce((sum, code) => sum + code, 0) / codes.length;
    return `${at}${layer.title}, ${codes.length ? `mean ${short(layer.low + mean / 255 * (layer.high - layer.low))} ${layer.unit}` : "in none"}`;
  }

  // The large pictures side by side as one PNG.
  save() {
    const rows = byId("compare").checked ? [0, 1] : [0], pad = 24, scale = 4;
    const heights = this.rows[0].frames.map(f => f.height * scale), widths = this.rows[0].frames.map(f => f.width * scale);
    const high = Math.max(...heights), canvas = make("canvas", {});
    canvas.width = widths.reduce((a, b) => a + b + pad, pad);
    canvas.height = rows.length * (high + 56) + 16;
    const context = canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.font = "20px sans-serif";
    context.imageSmoothingEnabled = false;
    const mirrored = document.body.classList.contains("mirrored");
    for (const slot of rows) {
      let x = pad;
      const y = slot * (high + 56) + 40;
      context.fillStyle = "#fff";
      context.fillText(this.layer.title + (this.layer.isOfLambda ? `, λ = ${this.lambdas[slot].toFixed(2)}` : ""), pad, y - 14);
      this.rows[slot].frames.forEach((f, i) => {
        const flip = mirrored && f.kind.labels[0] === "L";
        context.save();
        if (flip) { context.translate(2 * x + widths[i], 0); context.scale(-1, 1); }
        for (const layer of [f.canvas, f.over]) context.drawImage(layer, x, y, widths[i], heights[i]);
        context.restore();
        context.fillStyle = "#fff";
        context.fillText(flip ? "R" : f.kind.labels[0], x + 4, y + heights[i] / 2);
        context.fillText(this.slice(slot, i).place, x + 4, y + heights[i] - 6);
        x += widths[i] + pad;
      });
    }
    const link = make("a", { href: canvas.toDataURL("image/png"), download: `${this.layer.title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}.png` });
    document.body.append(link);
    link.click();
    link.remove();
  }
}

// The values of the voxel under the pointer.
function showTip(viewer, p, event) {
  const { volume } = viewer, v = volume.at(p), tip = byId("tip");
  if (v < 0) return hideTip();
  const probability = volume.fibreProbabilities(v, viewer.lambdas[0], new Float64Array(4)), n = likeliest(probability);
  const lines = [`voxel ${volume.voxel(p).join(", ")}`, `${fibreWord(n)}: P = ${probability[n].toFixed(2)} at λ = ${viewer.lambdas[0].toFixed(2)}`];
  for (const layer of viewer.layers) if (layer.index !== undefined) lines.push(`${layer.title}: ${layerValue(volume, layer, v)}`);
  tip.textContent = lines.join("\n");
  tip.hidden = false;
  const x = event.clientX + 16 + tip.offsetWidth > innerWidth ? event.clientX - tip.offsetWidth - 12 : event.clientX + 16;
  tip.style.left = Math.max(4, x) + "px";
  tip.style.top = Math.max(4, Math.min(innerHeight - tip.offsetHeight - 4, event.clientY + 16)) + "px";
}
function hideTip() { byId("tip").hidden = true; }
// Whether a voxel has none of what a map shows, of which no value is 0.
function isLacking(layer, code) { return layer.mayLack && code === 0; }
function layerValue(volume, layer, v) {
  const code = volume.values[layer.index][v], value = layer.low + code / 255 * (layer.high - layer.low);
  if (isLacking(layer, code)) return "–";
  return (code === 255 && layer.isOpen ? "≥ " : "") + short(value) + (layer.unit && layer.unit !== "scanner units" ? " " + layer.unit : "");
}
