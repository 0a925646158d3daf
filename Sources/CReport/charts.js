// Charts as SVG.

const svgName = "http://www.w3.org/2000/svg";
function draw(tag, attributes, text) {
  const element = document.createElementNS(svgName, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

function histogram(data) {
  const w = 320, h = 150, base = 118, most = Math.max(1, ...data.counts), n = data.counts.length, step = w / n;
  const place = x => Math.max(0, Math.min(w, (x - data.low) / (data.high - data.low) * w));
  const unit = data.unit ? " " + data.unit : "";
  const svg = draw("svg", { viewBox: `-6 0 ${w + 12} ${h}`, role: "img", "aria-label": `Histogram of ${data.title}: median ${short(data.median)}${unit}` });
  data.counts.forEach((count, i) => {
    const height = count / most * (base - 22), bar = draw("rect", { class: "bar", x: i * step + 0.5, y: base - height, width: step - 1, height });
    bar.append(draw("title", {}, `${short(data.low + i * (data.high - data.low) / n)} to ${short(data.low + (i + 1) * (data.high - data.low) / n)}${unit}: ${grouped(count)} voxels`));
    svg.append(bar);
  });
  const m = place(data.median);
  svg.append(draw("line", { class: "axis", x1: 0, x2: w, y1: base + 0.5, y2: base + 0.5 }), draw("line", { class: "median", x1: m, x2: m, y1: 16, y2: base }),
    draw("text", { class: "strong halo", x: m, y: 11, "text-anchor": m < 40 ? "start" : m > w - 40 ? "end" : "middle" }, short(data.median)));
  for (let i = 0; i <= 4; i++) {
    svg.append(draw("text", { x: w * i / 4, y: base + 16, "text-anchor": i === 0 ? "start" : i === 4 ? "end" : "middle" }, short(data.low + (data.high - data.low) * i / 4)));
  }
  if (data.beyond > 0) svg.append(draw("text", { x: w, y: base + 31, "text-anchor": "end" }, `${grouped(data.beyond)} voxel${data.beyond === 1 ? "" : "s"} above`));
  const caption = make("figcaption", {}, data.title);
  if (data.unit) caption.append(make("small", {}, data.unit));
  const chart = make("div", { class: "chart" });
  chart.append(svg);
  return make("figure", { class: "panel" }, caption, chart);
}

// Stacked shares of the numbers of fibres against λ, with a line at the slider's λ. Returns how to move the line.
function sweepChart(holder, data) {
  const w = 460, h = 270, top = 8, base = 236, x = lambda => (lambda - data.leastLambda) / (data.largestLambda - data.leastLambda) * w, y = share => base - share * (base - top);
  const svg = draw("svg", { viewBox: `-34 0 ${w + 40} ${h}`, role: "img", "aria-label": "Share of voxels with each most probable number of fibres, against λ" });
  const lower = data.sweep.map(() => 0), labels = [];
  for (let n = 0; n < 4; n++) {
    const upper = data.sweep.map((at, i) => lower[i] + at.fibres[n]);
    const points = data.sweep.map((at, i) => `${x(at.lambda).toFixed(1)},${y(upper[i]).toFixed(1)}`)
      .concat(data.sweep.map((at, i) => `${x(at.lambda).toFixed(1)},${y(lower[i]).toFixed(1)}`).reverse());
    svg.append(draw("polygon", { points: points.join(" "), style: `fill:var(--f${n})` }));
    if (upper[0] - lower[0] > 0.08) labels.push(draw("text", { class: "strong halo", x: 8, y: y((upper[0] + lower[0]) / 2) + 4 }, fibreWord(n)));
    upper.forEach((value, i) => { lower[i] = value; });
  }
  for (let i = 0; i <= 4; i++) svg.append(draw("text", { x: -7, y: y(i / 4) + 4, "text-anchor": "end" }, 25 * i + (i === 4 ? " %" : "")));
  const end = Math.floor(data.largestLambda), stride = Math.max(1, Math.ceil(end / 6));
  for (let i = Math.ceil(data.leastLambda); i <= end; i += stride) svg.append(draw("text", { x: x(i), y: base + 17, "text-anchor": "middle" }, i));
  svg.append(draw("text", { class: "strong", x: w / 2, y: h - 2, "text-anchor": "middle" }, "λ"));
  const mark = draw("line", { class: "mark", y1: top - 4, y2: base + 4 });
  svg.append(mark, ...labels);
  holder.append(svg);
  return lambda => { mark.setAttribute("x1", x(lambda)); mark.setAttribute("x2", x(lambda)); };
}

// Data of one shell as points, the model as a line in its 90 % band, by the angle to the main fibre (or in order).
function dataChart(title, points, byAngle) {
  const w = 236, h = 150, left = 30, right = 228, top = 8, base = 118;
  const most = Math.max(0.05, ...points.map(p => Math.max(p.y, p.e + p.s))) * 1.05, least = Math.min(0, ...points.map(p => Math.min(p.y, p.e - p.s)));
  const x = byAngle ? a => left + a / 90 * (right - left) : (a, i) => left + (points.length === 1 ? 0.5 : i / (points.length - 1)) * (right - left);
  const y = v => base - (v - least) / (most - least) * (base - top);
  const outside = points.filter(p => Math.abs(p.y - p.e) > p.s).length;
  const svg = draw("svg", { viewBox: `0 0 ${w} ${h}`, role: "img",
    "aria-label": `${title}: ${points.length} measurements, ${outside} outside the band; data ${short(Math.min(...points.map(p => p.y)))} to ${short(Math.max(...points.map(p => p.y)))} of the signal at b ≈ 0` });
  const along = (f, reverse) => { const all = points.map((p, i) => `${x(p.x, i).toFixed(1)},${y(f(p)).toFixed(1)}`); return (reverse ? all.reverse() : all).join(" "); };
  if (points.length > 1) svg.append(draw("polygon", { class: "band", points: along(p => p.e + p.s) + " " + along(p => p.e - p.s, true) }), draw("polyline", { class: "model", points: along(p => p.e) }));
  else svg.append(draw("line", { class: "model", x1: x(0, 0) - 14, x2: x(0, 0) + 14, y1: y(points[0].e), y2: y(points[0].e) }), draw("line", { class: "band-line", x1: x(0, 0), x2: x(0, 0), y1: y(points[0].e - points[0].s), y2: y(points[0].e + points[0].s) }));
  points.forEach((p, i) => svg.append(draw("circle", { class: Math.abs(p.y - p.e) > p.s ? "point out" : "point", cx: x(p.x, i), cy: y(p.y), r: 2.6 })));
  svg.append(draw("line", { class: "axis", x1: left, x2: right, y1: base, y2: base }));
  for (const v of [least, (least + most) / 2, most]) svg.append(draw("text", { x: left - 4, y: y(v) + 4, "text-anchor": "end" }, short(v)));
  const ends = byAngle ? [["along 0°", left, "start"], ["across 90°", right, "end"]] : [["in order", left, "start"]];
  for (const [text, at, anchor] of ends) svg.append(draw("text", { x: at, y: base + 14, "text-anchor": anchor }, text));
  const chart = make("div", { class: "chart" });
  chart.append(svg);
  return make("figure", {}, make("figcaption", {}, title, make("small", {}, `${outside} of ${points.length} outside the band`)), chart);
}

// Root-mean-square residual of each volume.
function volumeChart(volumes, residuals) {
  const w = 640, h = 84, base = 66, top = 6, most = Math.max(1.5, ...volumes.filter(Number.isFinite)), step = w / volumes.length;
  const y = v => base - v / most * (base - top);
  const svg = draw("svg", { viewBox: `-30 0 ${w + 34} ${h}`, role: "img", "aria-label": `Residual of each volume, ${short(Math.min(...volumes.filter(Number.isFinite)))} to ${short(Math.max(...volumes.filter(Number.isFinite)))} σ` });
  volumes.forEach((v, j) => {
    if (!Number.isFinite(v)) return;
    const bar = draw("rect", { class: "bar", x: j * step + 0.1 * step, y: y(v), width: 0.8 * step, height: base - y(v) });
    bar.append(draw("title", {}, `volume ${j}, b = ${residuals.b[j]}: ${v.toFixed(2)} σ`));
    svg.append(bar);
  });
  svg.append(draw("line", { class: "median", x1: 0, x2: w, y1: y(1), y2: y(1) }), draw("text", { x: -6, y: y(1) + 4, "text-anchor": "end" }, "1 σ"),
    draw("text", { x: 0, y: h - 4 }, "volume 0"), draw("text", { x: w, y: h - 4, "text-anchor": "end" }, String(volumes.length - 1)));
  const chart = make("div", { class: "chart" });
  chart.append(svg);
  return chart;
}
