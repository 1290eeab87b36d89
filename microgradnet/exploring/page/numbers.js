// How numbers are read and written.

/** Four significant digits, as Python's "%.4g" writes them; what is text already stays as it is. */
export function short(x) {
  if (typeof x === "string") return x;
  if (Number.isNaN(x)) return "nan";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return Object.is(x, -0) ? "-0" : "0";
  const [digits, exponent] = x.toExponential(3).split("e");
  const e = Number(exponent);
  const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  if (e >= -4 && e < 4) return trimmed(x.toPrecision(4));
  return `${trimmed(digits)}e${e < 0 ? "-" : "+"}${String(Math.abs(e)).padStart(2, "0")}`;
}

/** For boxes and matrices: three significant digits, and a minus sign that is one. */
export function brief(x) {
  if (typeof x === "string") return x.replace(/^-/, "−");
  if (x === 0) return "0";
  if (!Number.isFinite(x)) return short(x).replace("-", "−");
  const plain = Math.abs(x) >= 1e-3 && Math.abs(x) < 1e5;
  const text = plain ? String(Number(x.toPrecision(3))) : x.toExponential(1).replace("e+", "e");
  return text.replaceAll("-", "−");
}

/** All digits, for tooltips. */
export function full(x) {
  return typeof x === "string" ? x : Number.isFinite(x) ? String(x) : short(x);
}

/** The float behind a number that Python sent as text: "1/3", "inf"; NaN for a formula. */
export function numeric(x) {
  if (typeof x === "number") return x;
  const words = { inf: Infinity, "-inf": -Infinity, nan: NaN };
  if (x in words) return words[x];
  const parts = x.split("/").map(Number);
  return parts.length === 2 ? parts[0] / parts[1] : parts[0];
}

/** Whether a number was sent as one, not as a formula. */
export function isNumber(x) {
  return typeof x === "number" || x === "nan" || !Number.isNaN(numeric(x));
}

/** The sum of two numbers, or of two formulas. */
export function plus(x, y) {
  return isNumber(x) && isNumber(y) ? numeric(x) + numeric(y) : `${x} + ${y}`;
}
