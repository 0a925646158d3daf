// Colour scales that colour-blind readers can follow, and the colours of the numbers of fibres.

// Viridis and magma by polynomials in the value (fits by M. Zucker, public domain), to about 1 %.
const polynomials = {
  viridis: [[0.2777273272, 0.1050930431, -0.3308618287, -4.6342304990, 6.2282699363, 4.7763849977, -5.4354558559],
    [0.0054073445, 1.4046135299, 0.2148475595, -5.7991009734, 14.1799333668, -13.7451453777, 4.6458526122],
    [0.3340998053, 1.3845901626, 0.0950951630, -19.3324409563, 56.6905526007, -65.3530326334, 26.3124352496]],
  magma: [[-0.0021364851, 0.2516605407, 8.3537172792, -27.6687330858, 52.1761398128, -50.7685253647, 18.6557049206],
    [-0.0007496551, 0.6775232437, -3.5777195149, 14.2647306902, -27.9436060717, 29.0465828239, -11.4897735192],
    [-0.0053861279, 2.4940263598, 0.3144679030, -13.6492135814, 12.9441694424, 4.2341529932, -5.6019615018]],
};
const clamp255 = x => Math.max(0, Math.min(255, Math.round(255 * x)));

// A scale as 256 colours packed the way ImageData keeps them.
function scale(name) {
  const table = new Uint32Array(256);
  for (let i = 0; i < 256; i++) {
    const x = i / 255;
    let rgb;
    if (name === "grey") rgb = [x, x, x];
    // From blue over near-white to brown: for values with a right middle.
    else if (name === "balance") {
      const t = Math.abs(2 * x - 1), end = x < 0.5 ? [0.13, 0.40, 0.72] : [0.72, 0.30, 0.05];
      rgb = end.map(c => 0.93 + (c - 0.93) * Math.pow(t, 0.8));
    } else rgb = polynomials[name].map(c => c.reduceRight((sum, a) => sum * x + a, 0));
    table[i] = (255 << 24 | clamp255(rgb[2]) << 16 | clamp255(rgb[1]) << 8 | clamp255(rgb[0])) >>> 0;
  }
  return table;
}
const scales = Object.fromEntries(["grey", "viridis", "magma", "balance"].map(name => [name, scale(name)]));

// On the dark stage of a picture the same in light and dark pages.
const fibreColours = ["#5b6577", "#4fb0e6", "#f0c04c", "#dc5a26"];
const packed = hex => (255 << 24 | parseInt(hex.slice(5, 7), 16) << 16 | parseInt(hex.slice(3, 5), 16) << 8 | parseInt(hex.slice(1, 3), 16)) >>> 0;
const fibrePacked = fibreColours.map(packed);

function colourBar(name, low, high) {
  const canvas = make("canvas", { width: 256, height: 1, "aria-hidden": "true" }), context = canvas.getContext("2d"), image = context.createImageData(256, 1);
  new Uint32Array(image.data.buffer).set(scales[name]);
  context.putImageData(image, 0, 0);
  return make("div", { class: "colourbar" }, make("span", {}, low), canvas, make("span", {}, high));
}
