"use strict";
// Numbers from the page's data: base64 arrays, probabilities at any λ, and how numbers are written.

const decode = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
const decode16 = text => {
  const bytes = decode(text), values = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) values[i] = bytes[2 * i] | bytes[2 * i + 1] << 8;
  return values;
};

// p(z|λ′) ∝ p(z|λ) exp(−(λ′ − λ) k(z)); codes are log-probabilities below the largest in whole steps.
function probabilities(codes, voxel, groups, step, shift, out) {
  const n = groups.length, from = voxel * n;
  let peak = -Infinity, sum = 0;
  for (let z = 0; z < n; z++) {
    out[z] = -codes[from + z] * step - shift * groups[z].k;
    if (out[z] > peak) peak = out[z];
  }
  for (let z = 0; z < n; z++) sum += out[z] = Math.exp(out[z] - peak);
  for (let z = 0; z < n; z++) out[z] /= sum;
  return out;
}

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
const short = x => String(Number(x.toPrecision(3)));
const fibreWord = n => n === 0 ? "no fibre" : n === 1 ? "1 fibre" : n + " fibres";

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
