// Puts the page together and follows the slider.

const data = JSON.parse(document.getElementById("data").textContent);
const slices = data.slices.map(source => new Slice(source, data.groups));
const byId = id => document.getElementById(id), tip = byId("tip");
let lambda = data.lambda;

function panel(title, unit, note, extra, isLarge) {
  const caption = make("figcaption", {}, title);
  if (unit) caption.append(make("small", {}, unit));
  if (note) caption.append(make("small", { class: "note" }, note));
  const picture = planes(slices);
  const figure = make("figure", { class: "panel " + (isLarge ? "large" : "small") }, caption, picture.row);
  if (extra) figure.append(extra);
  return { figure, canvases: picture.canvases };
}

// Structure maps.
const legend = make("div", { class: "legend" }), shares = [0, 1, 2, 3].map(n => {
  const value = make("b", {}), swatch = make("i", {});
  swatch.style.background = fibreColours[n];
  legend.append(make("span", {}, swatch, fibreWord(n), value));
  return value;
});
const fibreMap = panel("Most probable number of fibres", "", "share of the whole mask beside each colour", legend, true);
byId("fibre-map").append(fibreMap.figure);
const probabilityMaps = [0, 1, 2, 3].map(n => {
  const map = panel(`P(${fibreWord(n)})`, "", "", colourBar("viridis", "0", "1"));
  byId("probability-maps").append(map.figure);
  return map;
});
const moveMark = sweepChart(document.querySelector("#sweep .chart"), data);

// Parameter maps and histograms.
data.maps.forEach((map, m) => {
  const unit = map.unit ? " " + map.unit : "";
  const { figure, canvases } = panel(map.title, "", map.note, colourBar(map.colours, (map.low > 0 ? "≤ " : "") + short(map.low), (map.isOpen ? "≥ " : "") + short(map.high) + unit));
  slices.forEach((slice, i) => {
    slice.paint(canvases[i], v => scales[map.colours][slice.values[m][v]]);
    canvases[i].setAttribute("aria-label", `${slice.title}: ${map.title}`);
  });
  byId("parameter-maps").append(figure);
});
data.histograms.forEach(h => byId("histograms").append(histogram(h)));

// Orientations: one picture a slice; the first, or every flat one, over the full width.
const orientationCanvases = slices.map((slice, i) => {
  const { row, canvases } = planes([slice], true), isWide = slice.width > 3 * slice.height || slices.length % 2 === 1 && i === 0;
  const frame = canvases[0].parentElement;
  row.replaceChildren(frame);
  frame.style.width = "";
  frame.style.flex = "1 1 100%";
  frame.style.maxWidth = `min(100%, ${(isWide ? 760 : 520) * slice.width / slice.height}px)`;
  canvases[0].setAttribute("aria-label", `${slice.title}: fibre orientations`);
  byId("orientation-maps").append(make("figure", { class: "panel" + (isWide ? " wide" : "") }, make("figcaption", {}, slice.plane, make("small", {}, slice.place)), row));
  return canvases[0];
});
function paintOrientations() {
  slices.forEach((slice, i) => slice.paintOrientations(orientationCanvases[i], data.toScanner, byId("sticks").checked));
}

// What follows λ.
function update() {
  const shift = lambda - data.lambda, whole = sweepAt(data.sweep, lambda);
  byId("lambda-value").value = lambda.toFixed(2);
  document.querySelectorAll(".at-lambda").forEach(e => { e.textContent = lambda.toFixed(2); });
  slices.forEach((slice, i) => {
    slice.update(data.logStep, shift);
    slice.paint(fibreMap.canvases[i], v => fibrePacked[slice.called[v]]);
    const counts = [0, 0, 0, 0];
    for (const n of slice.called) counts[n]++;
    fibreMap.canvases[i].setAttribute("aria-label", `${slice.title}, λ = ${lambda.toFixed(2)}: most probable number of fibres: ` +
      counts.map((count, n) => `${fibreWord(n)} in ${percent(count / Math.max(1, slice.count))}`).join(", "));
    probabilityMaps.forEach((map, n) => {
      let sum = 0;
      slice.paint(map.canvases[i], v => { const p = slice.probability[4 * v + n]; sum += p; return scales.viridis[Math.round(255 * p)]; });
      map.canvases[i].setAttribute("aria-label", `${slice.title}, λ = ${lambda.toFixed(2)}: probability of ${fibreWord(n)}, mean ${(sum / Math.max(1, slice.count)).toFixed(4)}`);
    });
  });
  shares.forEach((element, n) => { element.textContent = percent(whole.fibres[n]); });
  byId("structure-table").querySelectorAll("tbody tr").forEach((row, z) => {
    for (const [name, value] of [["mean", whole.mean[z]], ["called", whole.called[z]]]) {
      const cell = row.querySelector("." + name);
      cell.textContent = percent(value);
      cell.style.setProperty("--share", value);
    }
  });
  byId("parameters").textContent = whole.parameters.toFixed(2);
  moveMark(lambda);
  byId("knob-note").textContent = `${percent(1 - whole.fibres[0])} of the voxels have fibres; ${whole.parameters.toFixed(1)} parameters expected a voxel.`;
}

const slider = byId("lambda");
function setLambda(value) {
  lambda = Math.max(0, Math.min(data.largestLambda, value));
  slider.value = lambda;
  update();
}
let isWaiting = false;
slider.addEventListener("input", () => {
  lambda = Number(slider.value);
  if (!isWaiting) requestAnimationFrame(() => { isWaiting = false; update(); });
  isWaiting = true;
});
// Arrow keys move in steps worth looking at; with Shift, finely.
slider.addEventListener("keydown", event => {
  const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
  if (!way || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  setLambda(Math.round(100 * (lambda + way * (event.shiftKey ? 0.01 : 0.05))) / 100);
});
byId("lambda-reset").addEventListener("click", () => setLambda(data.lambda));
// The thumb's middle runs from half its width to half its width before the end.
byId("lambda-fit").style.left = `calc(8px + ${data.lambda / data.largestLambda} * (100% - 16px))`;

// Other controls.
byId("sticks").addEventListener("change", paintOrientations);
byId("radiological").addEventListener("change", event => {
  const isMirrored = event.target.checked;
  document.body.classList.toggle("mirrored", isMirrored);
  document.querySelectorAll(".flips").forEach(frame => {
    frame.querySelector(".l").textContent = isMirrored ? "R" : "L";
    frame.querySelector(".r").textContent = isMirrored ? "L" : "R";
  });
  document.querySelectorAll(".view-note").forEach(e => { e.textContent = `The subject’s left is on the ${isMirrored ? "right" : "left"}.`; });
});
byId("copy").addEventListener("click", async () => {
  const text = byId("methods-text").innerText;
  try { await navigator.clipboard.writeText(text); } catch {
    const area = make("textarea", {});
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
  byId("copy").textContent = "Copied";
  setTimeout(() => { byId("copy").textContent = "Copy text"; }, 2000);
});

// The values of the voxel under the pointer.
function pointAt(slice, canvas, event) {
  const box = canvas.getBoundingClientRect();
  let u = (event.clientX - box.left) / box.width;
  if (document.body.classList.contains("mirrored") && slice.labels[0] === "L") u = 1 - u;
  const column = Math.floor(u * slice.columns), row = Math.floor((event.clientY - box.top) / box.height * slice.rows);
  const v = column >= 0 && row >= 0 && column < slice.columns && row < slice.rows ? slice.rank[row * slice.columns + column] : -1;
  if (v < 0) return hideTip();
  const voxel = slice.voxel.map((start, a) => start + column * slice.acrossStep[a] + row * slice.downStep[a]);
  const lines = [`voxel ${voxel.join(", ")}`, `${fibreWord(slice.called[v])}: P = ${slice.probability[4 * v + slice.called[v]].toFixed(2)} at λ = ${lambda.toFixed(2)}`];
  data.maps.forEach((map, m) => lines.push(`${map.title}: ${short(map.low + slice.values[m][v] / 255 * (map.high - map.low))}${map.unit && map.unit !== "scanner units" ? " " + map.unit : ""}`));
  tip.textContent = lines.join("\n");
  tip.hidden = false;
  const x = event.clientX + 16 + tip.offsetWidth > innerWidth ? event.clientX - tip.offsetWidth - 12 : event.clientX + 16;
  tip.style.left = Math.max(4, x) + "px";
  tip.style.top = Math.max(4, Math.min(innerHeight - tip.offsetHeight - 4, event.clientY + 16)) + "px";
}
function hideTip() { tip.hidden = true; }
document.addEventListener("scroll", hideTip, { passive: true });

// A link may ask for a λ: report.html#lambda=1.5
function followFragment() {
  const asked = /^#lambda=([0-9.]+)$/.exec(location.hash);
  if (asked && Number.isFinite(Number(asked[1]))) setLambda(Number(asked[1]));
}
addEventListener("hashchange", followFragment);
paintOrientations();
update();
followFragment();
