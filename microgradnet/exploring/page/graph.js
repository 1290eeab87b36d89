// The graph: its nodes in topological order, and what follows from the numbers of its leaves.
//
// rules.js is no file: Python writes RULES for each page, the operations of its graph.

import { isNumber, numeric } from "./numbers.js";
import { RULES } from "./rules.js";

/** How far the page and Python may differ over one operation, in units of the result and of how much
 * it changes with its operands, relatively. Mathematical libraries differ by some units in the last
 * place (2⁻⁵³), erf by more; four digits are shown. */
const TOLERANCE = 2 ** -40;

const STEP = 2 ** -20; // by which operands are moved, relatively

/** The terms of a contribution, which an adjoint adds one after the other: none, one or two. */
const parts = (contribution) => [contribution ?? []].flat();

const total = (contribution) => [contribution ?? 0].flat().reduce((sum, part) => sum + part);

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
      partials: this.nodes.map((node) => node.partials ?? []),
      contributions: this.nodes.map((node) => node.contributions ?? []),
      grads: this.nodes.map((node) => node.grad),
    };
  }

  /** All numbers from those of the leaves: a Map, or by default what Python sent. */
  compute(leaves = new Map()) {
    const { nodes } = this;
    const data = [];
    const partials = [];
    const operands = (k) => nodes[k].parents.map((p) => data[p]);
    nodes.forEach((node, k) => {
      data.push(node.op ? RULES[node.rule].f(node.from.map((p) => data[p])) : leaves.get(k) ?? numeric(node.data));
      partials.push(node.op ? RULES[node.rule].vjp(1, data[k], operands(k)).map(total) : []);
    });
    const contributions = nodes.map(({ parents }) => parents.map(() => 0));
    const grads = this.backward(this.cost, 0, (k, g) => {
      const terms = RULES[nodes[k].rule].vjp(g, data[k], operands(k));
      contributions[k] = terms.map(total);
      return terms;
    });
    return { received: false, data, partials, contributions, grads: grads.map((g) => g ?? 0) };
  }

  /** ∂(root)/∂(node) for the nodes from `first` on, by the chain rule; null for what has no part.
   * The contributions of node k, whose own adjoint is g, to its parents' are contributionsOf(k, g). */
  backward(root, first, contributionsOf) {
    const adjoints = this.nodes.map(() => null);
    adjoints[root] = 1;
    for (let k = root; k >= first; k--) {
      if (!this.nodes[k].op || adjoints[k] === null) continue;
      contributionsOf(k, adjoints[k]).forEach((term, position) => {
        for (const part of parts(term)) adjoints[this.nodes[k].parents[position]] += part;
      });
    }
    return adjoints;
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
    const passOn = (k, g) => numbers.partials[k].map((partial) => g * numeric(partial));
    const { parents } = this.nodes[of];
    if (parents.length === 1 && parents[0] === wrt) return numbers.partials[of][0]; // as it is, of any kind
    return this.backward(of, wrt + 1, passOn)[wrt] ?? 0;
  }

  /** The nodes of which the page and Python do not find the same, each judged on the operands that
   * Python had, so that errors do not add up: value and local derivatives, then the gradients. */
  differences() {
    const theirs = this.received();
    const value = theirs.data.map(numeric);
    const grads = theirs.grads.map(numeric);
    const wrong = [];
    this.nodes.forEach((node, k) => {
      const uses = this.consumers[k].map(({ node: c, position }) => grads[c] * numeric(theirs.partials[c][position]));
      const sum = k === this.cost ? 1 : uses.reduce((total, use) => total + use, 0);
      let same = close(sum, grads[k], uses);
      if (node.op) {
        const xs = node.parents.map((p) => value[p]);
        const partials = theirs.partials[k].map(numeric);
        const { f, vjp } = RULES[node.rule];
        same &&= close(f(node.from.map((p) => value[p])), value[k], xs.map((x, j) => x * partials[j]));
        // A derivative that cancels changes much with its operands.
        const moves = xs.map((x, j) => (j % 2 ? -STEP : STEP) * x);
        const moved = vjp(1, moves.reduce((y, dx, j) => y + partials[j] * dx, value[k]), xs.map((x, j) => x + moves[j])).map(total);
        vjp(1, value[k], xs).map(total).forEach((partial, j) => {
          same &&= close(partial ?? 0, partials[j], [((moved[j] ?? 0) - partials[j]) / STEP]);
        });
      }
      if (!same) wrong.push(k);
    });
    return wrong;
  }
}

function close(got, want, terms) {
  if (Object.is(got, want) || got === want) return true;
  if (Number.isNaN(got) || Number.isNaN(want)) return false;
  const scale = terms.filter(Number.isFinite).reduce((total, term) => total + Math.abs(term), Math.abs(want));
  return Math.abs(got - want) <= TOLERANCE * scale + Number.MIN_VALUE * 2 ** 60;
}
