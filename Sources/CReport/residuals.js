// What the fit leaves over by volume and slice, and the gradient directions on a sphere.

class Residuals {
  static async load(source) {
    if (!source) return null;
    const residuals = Object.assign(new Residuals(), source);
    residuals.directions = await unpackFloats(source.directions);
    [residuals.counts, residuals.sums, residuals.squares] = await Promise.all([source.counts, source.sums, source.squares].map(unpackFloats));
    return residuals;
  }

  // Root-mean-square residual, σ, of a volume in a slice; NaN where nothing was measured.
  rms(slice, j) { const at = slice * this.volumes + j; return this.counts[at] > 0 ? Math.sqrt(this.squares[at] / this.counts[at]) : NaN; }
  ofVolume(j) {
    let n = 0, sum = 0;
    for (let z = 0; z < this.slices; z++) { n += this.counts[z * this.volumes + j]; sum += this.squares[z * this.volumes + j]; }
    return n > 0 ? Math.sqrt(sum / n) : NaN;
  }
}

function showResiduals(residuals) {
  const kept = [];
  for (let z = 0; z < residuals.slices; z++) if (residuals.counts.subarray(z * residuals.volumes, (z + 1) * residuals.volumes).some(n => n > 0)) kept.push(z);
  if (kept.length === 0) return;
  byId("carpet-card").hidden = false;
  const canvas = byId("carpet"), m = residuals.volumes, words = byId("carpet-words");
  canvas.width = m;
  canvas.height = kept.length;
  const context = canvas.getContext("2d"), image = context.createImageData(m, kept.length), pixels = new Uint32Array(image.data.buffer);
  const colour = x => Number.isFinite(x) ? scales.balance[Math.max(0, Math.min(255, Math.round(255 * (x - 0.5))))] : 0xff000000;
  kept.forEach((z, r) => { for (let j = 0; j < m; j++) pixels[(kept.length - 1 - r) * m + j] = colour(residuals.rms(z, j)); });
  context.putImageData(image, 0, 0);
  byId("carpet-bar").append(colourBar("balance", "≤ 0.5", "≥ 1.5 σ"));
  const volumes = Array.from({ length: m }, (_, j) => residuals.ofVolume(j));
  const middle = [...volumes].filter(Number.isFinite).sort((a, b) => a - b)[Math.floor(m / 2)], worst = volumes.map((x, j) => ({ x, j })).filter(w => w.x > 1.25 * middle).sort((a, b) => b.x - a.x).slice(0, 5);
  byId("carpet-worst").textContent = worst.length === 0
    ? "No volume stands out by a quarter or more."
    : `Volumes that stand out by a quarter or more (counted from 0): ${worst.map(w => `${w.j} (${w.x.toFixed(2)} σ)`).join(", ")}. Look at them for motion or lost signal.`;
  byId("carpet-volumes").append(volumeChart(volumes, residuals));
  let at = { j: 0, r: 0 };
  const tell = () => {
    const z = kept[kept.length - 1 - at.r], x = residuals.rms(z, at.j);
    words.textContent = `volume ${at.j} (b = ${residuals.b[at.j]} s/mm²), slice ${z}: ${Number.isFinite(x) ? x.toFixed(2) + " σ" : "nothing measured"}`;
  };
  canvas.addEventListener("pointermove", event => {
    const box = canvas.getBoundingClientRect();
    at = { j: Math.max(0, Math.min(m - 1, Math.floor((event.clientX - box.left) / box.width * m))), r: Math.max(0, Math.min(kept.length - 1, Math.floor((event.clientY - box.top) / box.height * kept.length))) };
    tell();
  });
  canvas.addEventListener("keydown", event => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!move) return;
    event.preventDefault();
    at = { j: Math.max(0, Math.min(m - 1, at.j + move[0])), r: Math.max(0, Math.min(kept.length - 1, at.r + move[1])) };
    tell();
  });
}

// Directions on a sphere that turns: each once, on the half that is seen, as g and −g measure the same.
function showSphere(residuals) {
  byId("sphere-card").hidden = false;
  const canvas = byId("sphere"), context = canvas.getContext("2d");
  const shells = [...new Set(residuals.b.filter((_, j) => !residuals.isUnweighted[j]).map(b => Math.round(b / 100) * 100))].sort((a, b) => a - b);
  const colours = shells.map((_, i) => { const c = scales.viridis[Math.round(60 + 180 * (shells.length === 1 ? 0.5 : i / (shells.length - 1)))]; return `rgb(${c & 255} ${c >> 8 & 255} ${c >> 16 & 255})`; });
  const legend = byId("sphere-legend");
  if (shells.length <= 8) shells.forEach((b, i) => {
    const swatch = make("i", {});
    swatch.style.background = colours[i];
    legend.append(make("span", {}, swatch, `b = ${b}`));
  });
  let turn = 0.6, tilt = 0.5;
  const draw = () => {
    const size = canvas.width, r = size / 2 - 26, c = size / 2;
    context.clearRect(0, 0, size, size);
    context.fillStyle = "#0c0e12";
    context.beginPath();
    context.arc(c, c, r + 8, 0, 7);
    context.fill();
    const project = g => {
      const x = Math.cos(turn) * g[0] + Math.sin(turn) * g[1], y = -Math.sin(turn) * g[0] + Math.cos(turn) * g[1];
      return [x, Math.cos(tilt) * g[2] + Math.sin(tilt) * y, Math.cos(tilt) * y - Math.sin(tilt) * g[2]];
    };
    const points = [];
    for (let j = 0; j < residuals.volumes; j++) {
      if (residuals.isUnweighted[j]) continue;
      const g = residuals.directions.subarray(3 * j, 3 * j + 3), p = project(g), s = p[2] > 0 ? -1 : 1;
      points.push({ x: s * p[0], y: s * p[1], depth: Math.abs(p[2]), colour: colours[shells.indexOf(Math.round(residuals.b[j] / 100) * 100)] });
    }
    points.sort((a, b) => a.depth - b.depth);
    for (const p of points) {
      context.globalAlpha = 0.45 + 0.55 * p.depth;
      context.fillStyle = p.colour;
      context.beginPath();
      context.arc(c + r * p.x, c - r * p.y, 5, 0, 7);
      context.fill();
    }
    context.globalAlpha = 1;
    context.font = "600 18px sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [letter, g] of [["R", [1, 0, 0]], ["L", [-1, 0, 0]], ["A", [0, 1, 0]], ["P", [0, -1, 0]], ["S", [0, 0, 1]], ["I", [0, 0, -1]]]) {
      const p = project(g);
      context.fillStyle = p[2] <= 0 ? "#ffffff" : "#8a93a0";
      context.fillText(letter, c + (r + 4) * p[0], c - (r + 4) * p[1]);
    }
  };
  canvas.addEventListener("pointermove", event => {
    if (event.buttons !== 1) return;
    turn += event.movementX / 120;
    tilt = Math.max(-1.5, Math.min(1.5, tilt + event.movementY / 120));
    draw();
  });
  canvas.addEventListener("keydown", event => {
    const move = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
    if (!move) return;
    event.preventDefault();
    turn += move[0];
    tilt = Math.max(-1.5, Math.min(1.5, tilt + move[1]));
    draw();
  });
  draw();
}
