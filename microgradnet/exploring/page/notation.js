// Indices, as Python's `notation` writes them.

/** A layer's number as a superscript. */
export function superscript(n) {
  return [...String(n)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit]).join("");
}

/** Whether a label is that of a weighted input zˡⱼ, whose adjoint is the error δˡⱼ. */
export function isWeightedInput(label) {
  return /^z[⁰¹²³⁴-⁹]+[₀-₉]+$/.test(label);
}
