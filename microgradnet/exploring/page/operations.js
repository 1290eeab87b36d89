// The operations that this page can compute by itself: value and local derivatives of each.
//
// f(xs, constants) is the value y; d(xs, constants, y) the list of ∂y/∂xₖ. The edge cases are those
// of the Python table, which the page's numbers are held against when it opens.

const unary = (f, d) => ({ f: ([x], c) => f(x, c), d: ([x], c, y) => [d(x, c, y)] });
const square = (x) => x * x;

function sigmoid(x) {
  const power = Math.exp(-Math.abs(x));
  return (x < 0 ? power : 1) / (1 + power);
}

const sigmoidPrime = (x) => sigmoid(x) * sigmoid(-x);
const softplus = (x) => Math.log1p(Math.exp(-Math.abs(x))) + (x > 0 ? x : 0);
const damped = (x, y) => (y === 0 && !Number.isFinite(x) ? 0 : x * y);

/** xʸ as C has it: 1 to any power is 1, and ±1 to an infinite one too. */
function power(x, y) {
  return x === 1 || (x === -1 && Math.abs(y) === Infinity) ? 1 : x ** y;
}

/** 1 − erf x for x ≥ 2.5, by its continued fraction from the far end. */
function erfcTail(x) {
  let fraction = 0;
  for (let k = 120; k >= 1; k--) fraction = k / 2 / (x + fraction);
  return Math.exp(-x * x) / (x + fraction) / Math.sqrt(Math.PI);
}

/** erf x: 2/√π exp(−x²) Σ 2ⁿ x²ⁿ⁺¹ / (1·3·…·(2n+1)), a series of positive terms. */
function erf(x) {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) > 2.5) return Math.sign(x) * (1 - erfcTail(Math.abs(x)));
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

function erfc(x) {
  if (x > 2.5) return x === Infinity ? 0 : erfcTail(x);
  return 1 - erf(x);
}

const normalCdf = (x) => erfc(-x / Math.SQRT2) / 2;
const normalDensity = (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);

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

function xlogy(x, y) {
  return x === 0 && !Number.isNaN(y) ? 0 : x * Math.log(y);
}

const half = (n) => n / 2; // at a tie each operand has half the derivative

export const OPERATIONS = {
  add: { f: ([x, y]) => x + y, d: () => [1, 1] },
  subtract: { f: ([x, y]) => x - y, d: () => [1, -1] },
  multiply: { f: ([x, y]) => x * y, d: ([x, y]) => [y, x] },
  divide: { f: ([x, y]) => x / y, d: ([, y], _, out) => [1 / y, -out / y] },
  negative: unary((x) => -x, () => -1),
  power_constant: unary(
    (x, { exponent }) => power(x, exponent),
    (x, { exponent }) => (exponent === 0 ? 0 : exponent * power(x, exponent - 1)),
  ),
  exponential: unary(
    (x, { base }) => power(base, x),
    (x, { base }, y) => (base === 0 && x >= 0 ? 0 : y * Math.log(base)),
  ),
  raise_to: {
    f: ([x, y]) => power(x, y),
    d: ([x, y], _, out) => [
      y === 0 ? 0 : y * power(x, y - 1),
      x === 0 && y >= 0 ? 0 : out * Math.log(x),
    ],
  },
  abs: unary(Math.abs, (x) => (Number.isNaN(x) ? 0 : Math.sign(x))),
  maximum: {
    f: ([x, y]) => (x > y ? x : y >= x ? y : x + y),
    d: ([x, y]) => (x === y ? [half(1), half(1)] : [x < y ? 0 : 1, x > y ? 0 : 1]),
  },
  minimum: {
    f: ([x, y]) => (x < y ? x : y <= x ? y : x + y),
    d: ([x, y]) => (x === y ? [half(1), half(1)] : [x > y ? 0 : 1, x < y ? 0 : 1]),
  },
  exp: unary(Math.exp, (x, _, y) => y),
  expm1: unary(Math.expm1, Math.exp),
  log: unary(Math.log, (x) => 1 / x),
  log1p: unary(Math.log1p, (x) => 1 / (1 + x)),
  sqrt: unary(Math.sqrt, (x, _, y) => 1 / (2 * y)),
  sin: unary(Math.sin, Math.cos),
  cos: unary(Math.cos, (x) => -Math.sin(x)),
  tan: unary(Math.tan, (x) => 1 / square(Math.cos(x))),
  asin: unary(Math.asin, (x) => 1 / Math.sqrt((1 - x) * (1 + x))),
  acos: unary(Math.acos, (x) => -1 / Math.sqrt((1 - x) * (1 + x))),
  atan: unary(Math.atan, (x) => 1 / square(Math.hypot(x, 1))),
  sinh: unary(Math.sinh, Math.cosh),
  cosh: unary(Math.cosh, Math.sinh),
  tanh: unary(Math.tanh, (x) => 1 / square(Math.cosh(x))),
  asinh: unary(Math.asinh, (x) => 1 / Math.hypot(x, 1)),
  acosh: unary(Math.acosh, (x) => 1 / Math.sqrt(Math.abs(x) - 1) / Math.sqrt(Math.abs(x) + 1)),
  atanh: unary(Math.atanh, (x) => 1 / ((1 - x) * (1 + x))),
  erf: unary(erf, (x) => (2 * Math.exp(-x * x)) / Math.sqrt(Math.PI)),
  erfc: unary(erfc, (x) => (-2 * Math.exp(-x * x)) / Math.sqrt(Math.PI)),
  xlogy: {
    f: ([x, y]) => xlogy(x, y),
    d: ([x, y]) => [
      x === 0 && y <= 0 ? 0 : Math.log(y),
      x === 0 && y === 0 ? 0 : x / y,
    ],
  },
  sigmoid: unary(sigmoid, sigmoidPrime),
  relu: unary((x) => (x <= 0 ? 0 : x), (x) => (x <= 0 ? 0 : 1)),
  leaky_relu: unary((x, { slope }) => (x > 0 ? x : x * slope), (x, { slope }) => (x > 0 ? 1 : slope)),
  elu: unary(
    (x, { alpha }) => (x <= 0 ? alpha * Math.expm1(x) : x),
    (x, { alpha }) => (x <= 0 ? alpha * Math.exp(x) : 1),
  ),
  softplus: unary(softplus, sigmoid),
  silu: unary((x) => damped(x, sigmoid(x)), (x) => sigmoid(x) + damped(x, sigmoidPrime(x))),
  gelu: unary((x) => damped(x, normalCdf(x)), (x) => normalCdf(x) + damped(x, normalDensity(x))),
  softsign: unary(
    (x) => (Number.isFinite(x) ? x / (1 + Math.abs(x)) : Math.sign(x)),
    (x) => 1 / square(1 + Math.abs(x)),
  ),
  hard_tanh: unary((x) => Math.min(1, Math.max(-1, x)), (x) => (x <= -1 || x >= 1 ? 0 : 1)),
  hard_sigmoid: unary(
    (x) => (x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6),
    (x) => (x > -3 && x < 3 ? 1 / 6 : 0),
  ),
  log_sum_exp: {
    f: (xs) => {
      const largest = Math.max(...xs);
      if (!Number.isFinite(largest)) return largest;
      const powers = xs.map((x) => Math.exp(x - largest)).sort((p, q) => p - q);
      return largest + Math.log1p(powers.slice(0, -1).reduce((sum, p) => sum + p, 0));
    },
    d: softmax,
  },
  softmax_component: {
    f: (xs, { index }) => softmax(xs)[index],
    d: (xs, { index }, y) => {
      const shares = softmax(xs);
      const others = shares.reduce((sum, share, k) => (k === index ? sum : sum + share), 0);
      return shares.map((share, k) => (k === index ? y * others : -y * share));
    },
  },
  weighted_sum: {
    f: (xs) => {
      const n = (xs.length - 1) / 2;
      let z = xs[2 * n];
      for (let k = 0; k < n; k++) z += xs[k] * xs[n + k];
      return z;
    },
    d: (xs) => {
      const n = (xs.length - 1) / 2;
      return [...xs.slice(n, 2 * n), ...xs.slice(0, n), 1];
    },
  },
};
