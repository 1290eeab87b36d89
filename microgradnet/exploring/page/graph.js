// The graph: its nodes in topological order, and what follows from the numbers of its leaves.
//
// rules.js is no file: Python writes RULES for each page, the operations of its graph.

import { isNumber, numeric } from "./numbers.js";
import { RULES } from "./rules.js";

/** How far the page and Python may differ over one operation, in units of the terms that it adds
 * up. Mathematical libraries differ by some units in the last place (2⁻⁵³), erf by more; four
 * digits are shown. */
const TOLERANCE = 2 ** -40;

export class Graph {
  constructor(nodes) {
    // A number is computed `from` these nodes: the parents, and of 1 − σ(z) from z too.
    this.nodes = nodes.map((node) => ({ parents: [], ...node }));
    this.consumers = this.nodes.map(() => []);
    this.nodes.forEach((node, k) => {
      node.parents.forEach((p, position) => this.consumers[p].push({ node: k, position }));
    });
    this.interior = this.nodes.flatMap((node, k) => (node.op ? [k] : []));
    this.cost = this.nodes.length - 1;
    this.unknown = [...new Set(this.nodes.filter((n) => n.op && n.rule === null).map((n) => n.op))];
    this.formulas = !this.nodes.every((node) => isNumber(node.data));
    this.changeable = this.unknown.length === 0 && !this.formulas;
  }

  /** The numbers that Python computed, as it sent them. */
  received() {
    return {
      received: true,
      data: this.nodes.map((node) => node.data),
      slopes: this.nodes.map((node) => node.slopes ?? []),
      products: this.nodes.map((node) => node.products ?? []),
      grads: this.nodes.map((node) => node.grad),
    };
  }

  /** All numbers from those of the leaves: a Map, or by default what Python sent. */
  compute(leaves = new Map()) {
    const { nodes } = this;
    const data = [];
    const slopes = [];
    nodes.forEach((node, k) => {
      if (!node.op) {
        data.push(leaves.has(k) ? leaves.get(k) : numeric(node.data));
        slopes.push([]);
        return;
      }
      const xs = node.parents.map((p) => data[p]);
      const { f, vjp } = RULES[node.rule];
      const y = f(node.from.map((p) => data[p]));
      data.push(y);
      slopes.push(vjp(1, y, xs).map((slope) => slope ?? 0));
    });
    const grads = nodes.map(() => null);
    const products = nodes.map(({ parents }) => parents.map(() => 0));
    grads[this.cost] = 1;
    for (let k = this.cost; k >= 0; k--) {
      if (!nodes[k].op || grads[k] === null) continue; // nothing is passed on by what has no part
      const { parents, rule } = nodes[k];
      RULES[rule].vjp(grads[k], data[k], parents.map((p) => data[p])).forEach((product, position) => {
        if (product === null) return;
        products[k][position] = product;
        grads[parents[position]] += product;
      });
    }
    return { received: false, data, slopes, products, grads: grads.map((g) => g ?? 0) };
  }

  /** Only the value of the cost: for finite differences. */
  costAt(data, changed, value) {
    const fresh = data.map(numeric);
    fresh[changed] = value;
    for (let k = changed + 1; k < fresh.length; k++) {
      const node = this.nodes[k];
      if (node.op) fresh[k] = RULES[node.rule].f(node.from.map((p) => fresh[p]));
    }
    return fresh[this.cost];
  }

  /** ∂(of)/∂(wrt), by the chain rule over what lies between. */
  derivative(numbers, of, wrt) {
    const { parents } = this.nodes[of];
    if (parents.length === 1 && parents[0] === wrt) return numbers.slopes[of][0];
    const adjoints = new Map([[of, 1]]);
    for (let k = of; k > wrt; k--) {
      const g = adjoints.get(k);
      if (g === undefined) continue;
      this.nodes[k].parents.forEach((p, position) => {
        if (p >= wrt) adjoints.set(p, (adjoints.get(p) ?? 0) + g * numeric(numbers.slopes[k][position]));
      });
    }
    return adjoints.get(wrt) ?? 0;
  }

  /** The nodes of which the page and Python do not find the same, each judged on the operands that
   * Python had, so that errors do not add up: value and local derivatives, then the gradients. */
  differences() {
    const theirs = this.received();
    const value = theirs.data.map(numeric);
    const grads = theirs.grads.map(numeric);
    const wrong = [];
    this.nodes.forEach((node, k) => {
      const uses = this.consumers[k].map(({ node: c, position }) => grads[c] * numeric(theirs.slopes[c][position]));
      const sum = k === this.cost ? 1 : uses.reduce((total, use) => total + use, 0);
      let same = close(sum, grads[k], uses);
      if (node.op) {
        const xs = node.parents.map((p) => value[p]);
        const { f, vjp } = RULES[node.rule];
        const terms = node.op === "weighted_sum" ? products(xs) : xs;
        same &&= close(f(node.from.map((p) => value[p])), value[k], ADDS.has(node.op) ? terms : []);
        vjp(1, value[k], xs).forEach((slope, position) => {
          same &&= close(slope ?? 0, numeric(theirs.slopes[k][position]), []);
        });
      }
      if (!same) wrong.push(k);
    });
    return wrong;
  }
}

const ADDS = new Set(["add", "subtract", "weighted_sum", "log_sum_exp", "expm1", "log1p"]);

function products(xs) {
  const n = (xs.length - 1) / 2;
  return [...xs.slice(0, n).map((x, k) => x * xs[n + k]), xs[2 * n]];
}

function close(got, want, terms) {
  if (Object.is(got, want) || got === want) return true;
  if (Number.isNaN(got) || Number.isNaN(want)) return false;
  const scale = terms.reduce((total, term) => total + Math.abs(term), Math.abs(want));
  return Math.abs(got - want) <= TOLERANCE * scale + Number.MIN_VALUE * 2 ** 60;
}
