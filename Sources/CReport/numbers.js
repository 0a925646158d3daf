"use strict";
// Numbers from the page's data: packed arrays, and how numbers are written.

// Base64 of what zlib packed. The stream works on what is in the page: nothing is loaded.
async function unpack(text) {
  const packed = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
const unpack16 = async text => {
  const bytes = await unpack(text), values = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = bytes[2 * i] | bytes[2 * i + 1] << 8;
  return values;
};
const view32 = async text => { const bytes = await unpack(text); return new DataView(bytes.buffer, 0, bytes.length); };
const unpackFloats = async text => {
  const view = await view32(text), values = new Float32Array(view.byteLength / 4);
  for (let i = 0; i < values.length; i++) values[i] = view.getFloat32(4 * i, true);
  return values;
};
const unpackInts = async text => {
  const view = await view32(text), values = new Int32Array(view.byteLength / 4);
  for (let i = 0; i < values.length; i++) values[i] = view.getInt32(4 * i, true);
  return values;
};

// The smaller number on a tie.
function likeliest(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

// The whole mask at λ, between the two nearest stored ones.
function sweepAt(sweep, lambda) {
  let i = sweep.findIndex(at => at.lambda >= lambda);
  if (i < 0) i = sweep.length - 1;
  if (i === 0 || sweep[i].lambda === lambda) return sweep[i];
  const a = sweep[i - 1], b = sweep[i], t = (lambda - a.lambda) / (b.lambda - a.lambda);
  const mix = (x, y) => x.map((v, j) => v + (y[j] - v) * t);
  return { mean: mix(a.mean, b.mean), called: mix(a.called, b.called), fibres: mix(a.fibres, b.fibres), parameters: a.parameters + (b.parameters - a.parameters) * t };
}

const percent = x => x > 0 && x < 0.001 ? "< 0.1\u00a0%" : (100 * x).toFixed(x < 0.0995 ? 1 : 0) + "\u00a0%";
const grouped = n => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
const short = x => String(Number(x.toPrecision(3))).replace("-", "−");
const signed = (x, digits) => (x < 0 ? "−" : "") + Math.abs(x).toFixed(digits);
const fibreWord = n => n === 0 ? "no fibre" : n === 1 ? "1 fibre" : n + " fibres";

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
const byId = id => document.getElementById(id);
