// The elementary functions of JavaScript's floats, by the names of Python's table: m.exp, m.erf …
//
// The operations themselves are written from Python's rules, which call these. The edge cases are
// those of Python's floats, which the page's numbers are held against when it opens.

const power = (x, y) =>
  x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : Math.pow(x, y); // as C has it

function sigmoid(x) {
  const power = Math.exp(-Math.abs(x));
  return (x < 0 ? power : 1) / (1 + power);
}

const softplus = (x) => Math.log1p(Math.exp(-Math.abs(x))) + (x > 0 ? x : 0);
const xlogy = (x, y) => (x === 0 && !Number.isNaN(y) ? 0 : x * Math.log(y));
const vanishingProduct = (x, y) => (y === 0 && Math.abs(x) === Infinity ? 0 : x * y);

/** x − y⌊x/y⌋, with the sign of y. */
function remainder(x, y) {
  const rest = x % y;
  return rest !== 0 && rest < 0 !== y < 0 ? rest + y : rest;
}

const isNormal = (x) => Math.abs(x) >= 2 ** -1022 && Math.abs(x) < Infinity;

/** exp(−x²/d): the square of x to 24 bits is exact, and what it leaves out is small. */
function gaussian(x, d = 1) {
  if (Math.abs(x) > 40) return 0;
  const head = Math.fround(x);
  return Math.exp((-head * head) / d) * Math.exp((-(x - head) * (x + head)) / d);
}

/** 1 − erf x for x ≥ ½, by its continued fraction from the far end. */
function erfcTail(x) {
  if (x > 28) return 0; // less than any float
  let fraction = 0;
  for (let k = 1000; k >= 1; k--) fraction = k / 2 / (x + fraction);
  return gaussian(x) / (x + fraction) / Math.sqrt(Math.PI);
}

/** 2/√π exp(−x²) Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1)), a series of positive terms. */
function erf(x) {
  if (Math.abs(x) >= 0.5) return Math.sign(x) * (1 - erfcTail(Math.abs(x)));
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

const erfc = (x) => (x < 0.5 ? 1 - erf(x) : erfcTail(x));

/** Φ(x): of what −x/√2 has been rounded by, to first order back. */
function normal_cdf(x) {
  const t = -x / Math.SQRT2;
  const cdf = erfc(t) / 2;
  if (!(t > 1 && t < 40)) return cdf;
  const [head, itsHead] = [Math.fround(x), Math.fround(t)];
  const moved = (head * head) / 2 - itsHead * itsHead + (((x - head) * (x + head)) / 2 - (t - itsHead) * (t + itsHead));
  return cdf - (gaussian(t) * moved) / (2 * t * Math.sqrt(Math.PI));
}

function log_sum_exp(xs) {
  const largest = Math.max(...xs);
  if (!Number.isFinite(largest)) return largest;
  const powers = xs.map((x) => Math.exp(x - largest)).sort((p, q) => p - q);
  return largest + Math.log1p(powers.slice(0, -1).reduce((sum, p) => sum + p, 0));
}

function softmax(xs) {
  const largest = Math.max(...xs);
  if (largest === Infinity) {
    const winner = xs.filter((x) => x === Infinity).length === 1 ? 1 : NaN;
    return xs.map((x) => (x === Infinity ? winner : 0));
  }
  const powers = xs.map((x) => Math.exp(x - largest));
  const total = powers.reduce((sum, p) => sum + p, 0);
  return powers.map((p) => p / total);
}

export const m = Object.assign(Object.create(Math), {
  power, is_normal: isNormal, sigmoid, softplus, xlogy, remainder, vanishing_product: vanishingProduct, erf, erfc, gaussian, normal_cdf, log_sum_exp, softmax,
});
