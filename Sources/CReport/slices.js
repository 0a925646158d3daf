// Slices as pictures.

// A layer's name, colours, and how it paints a slice into a canvas.
function layers(data) {
  const all = [
    { id: "orientations", title: "Fibre orientations", isOfLambda: true, paint: paintOrientations, isSmooth: true },
    { id: "number", title: "Most probable number of fibres", isOfLambda: true, paint: (slice, canvas) => paint(slice, canvas, i => fibrePacked[slice.called[i]]) },
  ];
  for (let n = 0; n < 4; n++) {
    all.push({ id: "p" + n, title: `P(${fibreWord(n)})`, isOfLambda: true, colours: "viridis", low: 0, high: 1, unit: "",
      paint: (slice, canvas) => paint(slice, canvas, i => scales.viridis[Math.round(255 * slice.probability[4 * i + n])]) });
  }
  data.maps.forEach((map, m) => all.push({ ...map, id: "map" + m, index: m,
    paint: (slice, canvas) => paint(slice, canvas, i => scales[map.colours][slice.volume.values[m][slice.voxels[i]]]) }));
  return all;
}

// One colour a voxel; `colour(i)` of the slice's i-th voxel is packed.
function paint(slice, canvas, colour) {
  canvas.width = slice.columns;
  canvas.height = slice.rows;
  const context = canvas.getContext("2d"), image = context.createImageData(slice.columns, slice.rows), pixels = new Uint32Array(image.data.buffer);
  slice.places.forEach((place, i) => { pixels[place] = colour(i); });
  context.putImageData(image, 0, 0);
}

// Direction-encoded colour with the fibres of the most probable number as sticks in the plane.
function paintOrientations(slice, canvas, options) {
  const { volume, kind } = slice, dx = volume.size[kind.right], dy = volume.size[kind.up], finest = Math.min(dx, dy);
  const cell = Math.max(4, Math.min(40, Math.floor((options.large ? 1400 : 700) / (Math.max(slice.width, slice.height) / finest))));
  const w = cell * dx / finest, h = cell * dy / finest, withSticks = options.sticks && cell >= 6;
  canvas.width = Math.round(slice.columns * w);
  canvas.height = Math.round(slice.rows * h);
  const context = canvas.getContext("2d"), lines = [];
  slice.places.forEach((place, i) => {
    const column = place % slice.columns, row = Math.floor(place / slice.columns), sum = [0, 0, 0];
    for (const fibre of volume.fibres(slice.voxels[i], slice.called[i])) {
      if (fibre.f < 0.05) continue;
      const colour = fibre.scanner.map(Math.abs), d = fibre.display;
      for (let c = 0; c < 3; c++) sum[c] += colour[c] * fibre.f;
      lines.push({ x: (column + 0.5) * w, y: (row + 0.5) * h, dx: d[kind.right], dy: -d[kind.up], f: fibre.f, colour });
    }
    context.fillStyle = `rgb(${sum.map(c => clamp255(c * (withSticks ? 0.62 : 1.35))).join(" ")})`;
    context.fillRect(Math.floor(column * w), Math.floor(row * h), Math.ceil(w), Math.ceil(h));
  });
  if (!withSticks) return;
  context.lineCap = "round";
  context.lineWidth = Math.max(1.2, Math.min(w, h) / 8);
  lines.sort((a, b) => a.f - b.f);
  for (const line of lines) {
    const half = Math.min(w, h) * Math.min(0.52, 0.16 + 0.6 * line.f);
    context.strokeStyle = `rgb(${line.colour.map(c => clamp255(0.14 + 1.1 * c)).join(" ")})`;
    context.beginPath();
    context.moveTo(line.x - line.dx * half, line.y - line.dy * half);
    context.lineTo(line.x + line.dx * half, line.y + line.dy * half);
    context.stroke();
  }
}

// Mask outline and crosshair over a picture.
function paintOver(slice, canvas, cursor, options) {
  const scale = Math.max(4, Math.round(900 / Math.max(slice.columns, slice.rows)));
  const w = scale, h = scale * slice.volume.size[slice.kind.up] / slice.volume.size[slice.kind.right];
  canvas.width = Math.round(slice.columns * w);
  canvas.height = Math.round(slice.rows * h);
  const context = canvas.getContext("2d");
  if (options.outline) {
    context.strokeStyle = "#ff5fa2";
    context.lineWidth = Math.max(1.5, scale / 5);
    context.beginPath();
    const isInside = (column, row) => column >= 0 && row >= 0 && column < slice.columns && row < slice.rows && slice.edge[row * slice.columns + column] === 1;
    for (let row = 0; row < slice.rows; row++) {
      for (let column = 0; column < slice.columns; column++) {
        if (!isInside(column, row)) continue;
        const edges = [[-1, 0, 0, 0, 0, 1], [1, 0, 1, 0, 1, 1], [0, -1, 0, 0, 1, 0], [0, 1, 0, 1, 1, 1]];
        for (const [a, b, x0, y0, x1, y1] of edges) {
          if (isInside(column + a, row + b)) continue;
          context.moveTo((column + x0) * w, (row + y0) * h);
          context.lineTo((column + x1) * w, (row + y1) * h);
        }
      }
    }
    context.stroke();
  }
  if (options.crosshair) {
    const x = (cursor[slice.kind.right] + 0.5) * w, y = (slice.rows - 0.5 - cursor[slice.kind.up]) * h, gap = Math.max(w, h) * 1.6;
    context.strokeStyle = "#ffffff";
    context.globalAlpha = 0.75;
    context.lineWidth = Math.max(1, scale / 9);
    context.beginPath();
    for (const [x0, y0, x1, y1] of [[0, y, x - gap, y], [x + gap, y, canvas.width, y], [x, 0, x, y - gap], [x, y + gap, x, canvas.height]]) {
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
    }
    context.stroke();
    context.strokeRect(x - w / 2, y - h / 2, w, h);
  }
}

// A canvas in its frame with the letters of the subject's sides.
function frameOf(kind, volume, isLarge) {
  const canvas = make("canvas", { role: "img", "aria-label": kind.name + " slice" });
  const width = volume.shape[kind.right] * volume.size[kind.right], height = volume.shape[kind.up] * volume.size[kind.up];
  const [left, right, top, bottom] = kind.labels;
  const frame = make("div", { class: "plane" + (left === "L" ? " flips" : "") + (height < 0.2 * width ? " thin" : "") + (width < 0.12 * height ? " narrow" : "") }, canvas);
  let over = null;
  if (isLarge) frame.append(over = make("canvas", { class: "over", "aria-hidden": "true" }));
  for (const [side, text] of [["l", left], ["r", right], ["t", top], ["b", bottom]]) frame.append(make("span", { class: side, "aria-hidden": "true" }, text));
  frame.style.aspectRatio = `${width} / ${height}`;
  return { frame, canvas, over, kind, width, height };
}

// The planes of a panel side by side at one scale; flat ones, of scans of few slices, share a column.
function planeRow(volume, isLarge) {
  const frames = volume.planes.map(kind => frameOf(kind, volume, isLarge)), row = make("div", { class: "planes" });
  const flat = frames.filter(f => f.width > 3 * f.height), columns = frames.filter(f => !flat.includes(f)).map(f => [f]);
  if (flat.length > 0) columns.push(flat);
  const width = column => Math.max(...column.map(f => f.width)), height = column => column.reduce((sum, f) => sum + f.height, 0);
  const total = columns.reduce((sum, column) => sum + width(column), 0), tallest = Math.max(...columns.map(height));
  for (const column of columns) {
    const holder = column === flat ? make("div", { class: "flat" }, ...flat.map(f => f.frame)) : column[0].frame;
    if (column === flat) flat.forEach(f => { f.frame.style.width = 100 * f.width / width(flat) + "%"; });
    holder.style.flex = `0 1 ${1000 * width(column) / total}px`;
    // A tall plane must not fill the screen.
    holder.style.maxWidth = `${Math.max(14, (isLarge ? 560 : 300) * width(column) / tallest)}px`;
    row.append(holder);
  }
  return { row, frames };
}
