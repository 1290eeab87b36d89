// How numbers are read and written. The texts are those of Python's `numerals`.

const WORDS = { inf: "∞", "-inf": "−∞", nan: "NaN" };
const ROOM = 12; // so many characters an exact number may have before it is rounded
const CUT = 24; // a formula is cut here

/** A number by some significant digits, two or more; an exact one as it is, while that is short. */
export function numeral(x, digits = 4) {
  if (typeof x === "string") {
    if (x.length <= ROOM) return typeset(x);
    const near = numeric(x);
    if (Number.isFinite(near) && near !== 0) return numeral(near, digits);
    return x.length <= CUT ? typeset(x) : `${typeset(x).slice(0, CUT - 1)}…`;
  }
  if (!Number.isFinite(x)) return typeset(worded(x));
  if (x === 0) return "0";
  const [mantissa, exponent] = toEven(x, digits).split("e");
  return placed(mantissa.replace(/\.?0*$/, ""), Number(exponent), digits);
}

/** All digits, for tooltips. */
export function fullNumeral(x) {
  if (typeof x === "string") return typeset(x);
  if (!Number.isFinite(x)) return typeset(worded(x));
  const [mantissa, exponent] = (Object.is(x, -0) ? "-0e0" : x.toExponential()).split("e");
  const text = placed(mantissa, Number(exponent), 16);
  return /[.e]/.test(text) ? text : `${text}.0`;
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

/** What is not finite, in Python's words. */
function worded(x) {
  return Number.isNaN(x) ? "nan" : x > 0 ? "inf" : "-inf";
}

function typeset(text) {
  return WORDS[text] ?? text.replace(/(?<=\d)[eE]\+?(-?)0*(?=\d)/g, "e$1").replaceAll("-", "−");
}

/** The digits and the exponent of a rounded number, a tie to the even digit: JavaScript's own way
 * with ties is to go away from 0. */
function toEven(x, digits) {
  const exact = x.toExponential(100);
  const end = exact.indexOf(".") + digits;
  const tie = /^50*e/.test(exact.slice(end));
  if (!tie || "13579".includes(exact[end - 1])) return x.toExponential(digits - 1);
  return exact.slice(0, end) + exact.slice(exact.indexOf("e"));
}

/** d.ddd × 10^exponent as Python lays it out: from 10⁻⁴ to 10^most without an exponent. */
function placed(mantissa, exponent, most) {
  const digits = mantissa.replace(/[-.]/g, "");
  let text = digits;
  if (exponent < -4 || exponent >= most) {
    text = `${digits[0]}${digits.length > 1 ? "." : ""}${digits.slice(1)}e${exponent}`;
  } else if (exponent < 0) {
    text = `0.${"0".repeat(-exponent - 1)}${digits}`;
  } else {
    text = digits.padEnd(exponent + 1, "0");
    if (text.length > exponent + 1) text = `${text.slice(0, exponent + 1)}.${text.slice(exponent + 1)}`;
  }
  return typeset(mantissa.startsWith("-") ? `-${text}` : text);
}
