// One voxel: its data against the model, its structures and its parameters.

class Voxels {
  static async load(source, residuals) {
    if (!source || source.count === 0) return null;
    const voxels = Object.assign(new Voxels(), source), m = residuals.volumes;
    voxels.residuals = residuals;
    voxels.index = await unpackInts(source.index);
    voxels.b0 = await unpackFloats(source.b0);
    const [y, mean, sd, structure] = await Promise.all([source.signals, source.means, source.deviations, source.structure].map(unpack16));
    Object.assign(voxels, { y, mean, sd, structure, m });
    voxels.values = await unpackFloats(source.values);
    voxels.logProbability = await unpackFloats(source.logProbability);
    return voxels;
  }

  // The voxel nearest to a cursor, and how far it is, mm.
  nearest(volume, p) {
    this.places ??= Array.from(this.index, i => volume.placeOf(i));
    let best = 0, least = Infinity;
    this.places.forEach((q, i) => {
      const d = Math.hypot(...[0, 1, 2].map(a => (q[a] - p[a]) * volume.size[a]));
      if (d < least) { least = d; best = i; }
    });
    return { i: best, distance: least };
  }

  // Shares of the mean b≈0 signal.
  signal(i, j) { return this.y[i * this.m + j] / 65535 * 4 - 0.5; }
  expected(i, j) { return this.mean[i * this.m + j] / 65535 * 4 - 0.5; }
  deviation(i, j) { return this.sd[i * this.m + j] / 65535; }

  number(c, statistic, i) { return this.values[(3 * c + statistic) * this.count + i]; }

  // Its structures at λ, most probable first.
  structuresAt(i, lambda) {
    const found = [];
    for (let s = 0; s < this.perVoxel; s++) {
      const id = this.structure[i * this.perVoxel + s];
      if (id === 65535) continue;
      const known = this.structures[id];
      found.push({ name: known.name, k: known.k, p: this.logProbability[i * this.perVoxel + s] - (lambda - this.lambda) * known.k });
    }
    const peak = Math.max(...found.map(f => f.p));
    let sum = 0;
    for (const f of found) sum += f.p = Math.exp(f.p - peak);
    for (const f of found) f.p /= sum;
    return found.sort((a, b) => b.p - a.p);
  }
}

// Everything that is known of the voxel under the cursor.
function showVoxel(viewer, voxels) {
  const { volume, cursor } = viewer, lambda = viewer.lambdas[0], holder = byId("voxel-body"), v = volume.at(cursor);
  const mm = volume.millimetres(cursor).map(x => signed(x, 1)), ijk = volume.voxel(cursor);
  byId("voxel-place").textContent = `voxel ${ijk.join(", ")} · x ${mm[0]}, y ${mm[1]}, z ${mm[2]} mm`;
  holder.replaceChildren();
  if (v < 0) {
    holder.append(make("p", { class: "fine" }, "Outside the voxels that were fitted."));
    byId("voxel-words").textContent = `voxel ${ijk.join(", ")}: not fitted`;
    return;
  }
  const probability = volume.fibreProbabilities(v, lambda, new Float64Array(4)), called = likeliest(probability);
  const bars = make("div", { class: "voxel-bars" });
  probability.forEach((p, n) => {
    const bar = make("i", {});
    bar.style.width = 100 * p + "%";
    bar.style.background = `var(--f${n})`;
    bars.append(make("div", {}, make("span", {}, fibreWord(n)), make("span", { class: "bar" }, bar), make("b", {}, percent(p))));
  });
  const maps = make("dl", { class: "voxel-maps" });
  for (const layer of viewer.layers) if (layer.index !== undefined) maps.append(make("div", {}, make("dt", {}, layer.title), make("dd", {}, layerValue(volume, layer, v))));
  holder.append(make("h4", {}, `Number of fibres, λ = ${lambda.toFixed(2)}`), bars, make("h4", {}, "Maps"), maps);
  const words = viewer.layers.filter(l => l.index !== undefined).map(l => `${l.title} ${layerValue(volume, l, v)}`);
  byId("voxel-words").textContent = `voxel ${ijk.join(", ")}: ${fibreWord(called)} with probability ${percent(probability[called])}; ${words.join("; ")}`;
  if (!voxels) {
    byId("voxel-data").replaceChildren(make("p", { class: "fine" }, "This fit kept no signals, so that the data cannot be shown beside the model: fits of this version do."));
    return;
  }
  showData(viewer, voxels, voxels.nearest(volume, cursor));
}

function showData(viewer, voxels, { i, distance }) {
  const { volume } = viewer, lambda = viewer.lambdas[0], place = voxels.places[i].map(Math.round), ijk = volume.voxel(place);
  const parts = [];
  const note = distance < 0.01 ? "" : `The nearest voxel whose signals this page holds is ${ijk.join(", ")}, ${short(distance)} mm away. `;
  parts.push(make("p", { class: "fine" }, `${note}${voxels.isAll ? "" : `Of ${grouped(voxels.count)} voxels the page holds all signals. `}Points are the data, lines what the posterior expects at λ = ${short(voxels.lambda)}, bands where 90 % of new measurements would lie.`));
  const v = volume.at(place), n = likeliest(volume.fibreProbabilities(v, voxels.lambda, new Float64Array(4)));
  parts.push(shellCharts(voxels, i, volume.fibres(v, n)[0]));
  const table = make("table", {}, make("caption", {}, "Parameters"), row("tr", ["", "mean", "5 %", "95 %"], "th")), body = make("tbody", {});
  voxels.numbers.forEach((number, c) => {
    const [mean, low, high] = [0, 1, 2].map(s => voxels.number(c, s, i));
    if (mean === 0 && high === 0) return;
    body.append(row("tr", [number.name + (number.unit ? `, ${number.unit}` : ""), short(mean), short(low), short(high)], "td"));
  });
  table.append(body);
  const list = make("table", {}, make("caption", {}, `Structures, λ = ${lambda.toFixed(2)}`), row("tr", ["", "k", "probability"], "th")), rows = make("tbody", {});
  for (const s of voxels.structuresAt(i, lambda).slice(0, 6)) rows.append(row("tr", [s.name, String(s.k), percent(s.p)], "td"));
  list.append(rows);
  parts.push(make("div", { class: "voxel-tables" }, make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Structures of the voxel" }, list),
    make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Parameters of the voxel" }, table)));
  byId("voxel-data").replaceChildren(...parts);
}

function row(tag, cells, kind) {
  return make(tag, {}, ...cells.map((text, i) => {
    const cell = make(i === 0 && kind === "td" ? "th" : text === "" ? "td" : kind, i > 0 ? { class: "n" } : {}, text);
    if (cell.tagName === "TH") cell.setAttribute("scope", kind === "th" ? "col" : "row");
    return cell;
  }));
}

// Data and model of each shell by the angle between gradient and main fibre.
function shellCharts(voxels, i, main) {
  const { residuals, m } = voxels, shells = new Map();
  for (let j = 0; j < m; j++) {
    const key = residuals.isUnweighted[j] ? 0 : Math.max(100, Math.round(residuals.b[j] / 100) * 100);
    if (!shells.has(key)) shells.set(key, []);
    shells.get(key).push(j);
  }
  let keys = [...shells.keys()].sort((a, b) => a - b);
  // Grids and other schemes without shells in six stretches of b.
  if (keys.length > 7) {
    const top = keys[keys.length - 1], joined = new Map();
    for (const k of keys) {
      const to = k === 0 ? 0 : Math.ceil(k / top * 6) * Math.round(top / 6);
      joined.set(to, [...(joined.get(to) || []), ...shells.get(k)]);
    }
    joined.forEach((js, k) => shells.set(k, js));
    keys = [...joined.keys()].sort((a, b) => a - b);
  }
  const holder = make("div", { class: "shell-charts" });
  for (const key of keys) {
    const angle = j => {
      if (!main || key === 0) return null;
      const g = residuals.directions.subarray(3 * j, 3 * j + 3), length = Math.hypot(...g) || 1;
      return Math.acos(Math.min(1, Math.abs(g[0] * main.scanner[0] + g[1] * main.scanner[1] + g[2] * main.scanner[2]) / length)) * 180 / Math.PI;
    };
    const points = shells.get(key).map((j, k) => ({ x: angle(j) ?? k, y: voxels.signal(i, j), e: voxels.expected(i, j), s: 1.645 * voxels.deviation(i, j) })).sort((a, b) => a.x - b.x);
    holder.append(dataChart(key === 0 ? "b ≈ 0" : `b = ${key}`, points, main && key > 0));
  }
  return holder;
}
