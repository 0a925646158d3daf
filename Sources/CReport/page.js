// Puts the page together: pictures, the slider, and what follows both.

const data = JSON.parse(byId("data").textContent);

function start(volume, voxels, residuals) {
  const all = layers(data), viewer = new Viewer(volume, all, changed), layer = id => all.find(l => l.id === id);
  if (volume.steps.some(s => s > 1)) byId("coarse").textContent = `This scan has more voxels than a page can hold: every ${Math.max(...volume.steps)}${Math.max(...volume.steps) === 2 ? "nd" : Math.max(...volume.steps) === 3 ? "rd" : "th"} voxel along each axis is shown. Shares, tables and histograms count all of them.`;

  // Layers of the large pictures.
  const select = byId("layer");
  all.forEach(l => select.append(make("option", { value: l.id }, l.title)));
  const showLegend = () => {
    const l = viewer.layer, holder = byId("layer-legend");
    holder.replaceChildren();
    if (l.id === "orientations") holder.append(byId("direction-words").content.cloneNode(true));
    else if (l.id === "number") holder.append(numberLegend());
    else holder.append(colourBar(l.colours, (l.low > 0 ? "≤ " : "") + short(l.low), (l.isOpen ? "≥ " : "") + short(l.high) + (l.unit ? " " + l.unit : "")));
    byId("compare-note").textContent = l.isOfLambda ? "" : "This map is that of the fit’s own λ: both rows are alike.";
    byId("sticks").parentElement.hidden = l.id !== "orientations";
  };
  select.addEventListener("change", () => { viewer.layer = layer(select.value); showLegend(); viewer.refresh(); });
  for (const name of ["sticks", "outline", "crosshair"]) {
    byId(name).addEventListener("change", event => { viewer.options[name] = event.target.checked; viewer.refresh(); });
  }
  byId("save").addEventListener("click", () => viewer.save());

  // A second λ beside the first.
  const second = byId("lambda-second");
  second.value = viewer.lambdas[1];
  byId("compare").addEventListener("change", event => { byId("second").hidden = !event.target.checked; viewer.refresh(); });
  second.addEventListener("input", () => viewer.setLambda(1, Number(second.value)));

  // Structure maps.
  const shares = [];
  function numberLegend() {
    const legend = make("div", { class: "legend" });
    [0, 1, 2, 3].forEach(n => {
      const swatch = make("i", {});
      swatch.style.background = fibreColours[n];
      legend.append(make("span", {}, swatch, fibreWord(n)));
    });
    return legend;
  }
  function panel(l, title, note, extra, isWide) {
    const caption = make("figcaption", {}, title);
    if (note) caption.append(make("small", { class: "note" }, note));
    const figure = make("figure", { class: "panel" + (isWide ? " wide" : "") }, caption, viewer.addPanel(l));
    if (extra) figure.append(extra);
    return figure;
  }
  const legend = make("div", { class: "legend" });
  [0, 1, 2, 3].forEach(n => {
    const value = make("b", {}), swatch = make("i", {});
    swatch.style.background = fibreColours[n];
    legend.append(make("span", {}, swatch, fibreWord(n), value));
    shares.push(value);
  });
  byId("fibre-map").append(panel(layer("number"), "Most probable number of fibres", "share of the whole mask beside each colour", legend));
  [0, 1, 2, 3].forEach(n => byId("probability-maps").append(panel(layer("p" + n), `P(${fibreWord(n)})`, "", colourBar("viridis", "0", "1"))));
  const moveMark = sweepChart(document.querySelector("#sweep .chart"), data);
  all.filter(l => l.index !== undefined).forEach(l => {
    const unit = l.unit ? " " + l.unit : "";
    byId("parameter-maps").append(panel(l, l.title, l.note, colourBar(l.colours, (l.low > 0 ? "≤ " : "") + short(l.low), (l.isOpen ? "≥ " : "") + short(l.high) + unit)));
  });
  data.histograms.forEach(h => byId("histograms").append(histogram(h)));
  if (residuals) { showResiduals(residuals); showSphere(residuals); }

  // What follows the cursor and λ.
  function changed() {
    byId("lambda-second-value").value = viewer.lambdas[1].toFixed(2);
    byId("lambda-first-words").textContent = `λ = ${viewer.lambdas[0].toFixed(2)}`;
    showVoxel(viewer, voxels);
  }
  const slider = byId("lambda");
  function update() {
    const lambda = viewer.lambdas[0], whole = sweepAt(data.sweep, lambda);
    byId("lambda-value").value = lambda.toFixed(2);
    document.querySelectorAll(".at-lambda").forEach(e => { e.textContent = lambda.toFixed(2); });
    shares.forEach((element, n) => { element.textContent = percent(whole.fibres[n]); });
    byId("structure-table").querySelectorAll("tbody tr").forEach((tr, z) => {
      for (const [name, value] of [["mean", whole.mean[z]], ["called", whole.called[z]]]) {
        const cell = tr.querySelector("." + name);
        cell.textContent = percent(value);
        cell.style.setProperty("--share", value);
      }
      // Of families of many structures paper has room for those that matter.
      tr.classList.toggle("minor", data.groups.length > 12 && whole.mean[z] < 0.02);
    });
    byId("parameters").textContent = whole.parameters.toFixed(2);
    moveMark(lambda);
    byId("knob-note").textContent = `${percent(1 - whole.fibres[0])} of the voxels have fibres; ${whole.parameters.toFixed(1)} parameters expected a voxel.`;
    viewer.refresh();
  }
  function setLambda(value) {
    viewer.lambdas[0] = Math.max(data.leastLambda, Math.min(data.largestLambda, value));
    slider.value = viewer.lambdas[0];
    update();
  }
  slider.addEventListener("input", () => { viewer.lambdas[0] = Number(slider.value); update(); });
  // Arrow keys move in steps worth looking at; with Shift, finely.
  slider.addEventListener("keydown", event => {
    const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (!way || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    setLambda(Math.round(100 * (viewer.lambdas[0] + way * (event.shiftKey ? 0.01 : 0.05))) / 100);
  });
  byId("lambda-reset").addEventListener("click", () => setLambda(data.lambda));
  // The thumb's middle runs from half its width to half its width before the end.
  byId("lambda-fit").style.left = `calc(8px + ${(data.lambda - data.leastLambda) / (data.largestLambda - data.leastLambda)} * (100% - 16px))`;

  byId("radiological").addEventListener("change", event => {
    const isMirrored = event.target.checked;
    document.body.classList.toggle("mirrored", isMirrored);
    document.querySelectorAll(".flips").forEach(frame => {
      frame.querySelector(".l").textContent = isMirrored ? "R" : "L";
      frame.querySelector(".r").textContent = isMirrored ? "L" : "R";
    });
    document.querySelectorAll(".view-note").forEach(e => { e.textContent = `The subject’s left is on the ${isMirrored ? "right" : "left"}.`; });
  });

  // A link may ask for a λ and a voxel: report.html#lambda=1.5&voxel=40,60,30
  function followFragment() {
    const asked = new URLSearchParams(location.hash.slice(1)), lambda = Number(asked.get("lambda") ?? NaN);
    const voxel = (asked.get("voxel") || "").split(",").map(Number);
    if (voxel.length === 3 && voxel.every(Number.isInteger)) {
      const extent = [0, 0, 0];
      volume.axes.forEach((axis, d) => { extent[axis] = volume.full[d]; });
      const p = volume.placeOf(voxel[0] + extent[0] * (voxel[1] + extent[1] * voxel[2])).map(Math.round);
      if (p.every((x, d) => x >= 0 && x < volume.shape[d])) viewer.cursor = p;
    }
    if (Number.isFinite(lambda)) setLambda(lambda); else update();
  }
  addEventListener("hashchange", followFragment);
  showLegend();
  followFragment();
  // At once, for whoever prints the page or reads it without waiting.
  viewer.paintLarge();
  viewer.paintPanels();
  document.body.classList.add("ready");
}

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
document.addEventListener("scroll", hideTip, { passive: true });

(async () => {
  if (typeof DecompressionStream === "undefined") {
    byId("too-old").hidden = false;
    return;
  }
  const residuals = await Residuals.load(data.residuals);
  start(await Volume.load(data), residuals ? await Voxels.load(data.voxels, residuals) : null, residuals);
})();
