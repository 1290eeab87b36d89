// The passes as steps: which nodes have their value, and who has reported to whom.
//
// Steps are numbered 0 … last: 0, only the leaves; then a node a step, forward; then the cost's own
// gradient, 1; then a node a step, backward.

import { isNumber, numeric, plus } from "./numbers.js";

/** The order in which nodes pass their gradients on. The right one is the topological order read
 * backwards: every consumer of a node before the node itself. The wrong one is a plain recursion,
 * depth first: a node passes on what it has as soon as it is reached, and whatever comes later is
 * not passed on. */
export function backwardOrder(graph, wrong) {
  if (!wrong) return [...graph.interior].reverse();
  const order = [];
  const seen = new Set();
  const stack = [graph.cost];
  while (stack.length) {
    const k = stack.pop();
    if (seen.has(k) || !graph.nodes[k].op) continue;
    seen.add(k);
    order.push(k);
    stack.push(...[...graph.nodes[k].parents].reverse());
  }
  return order;
}

export class Playback {
  constructor(graph, wrong = false) {
    this.graph = graph;
    this.wrong = wrong;
    this.order = backwardOrder(graph, wrong);
    this.forward = graph.interior.length;
    this.last = this.forward + 1 + this.order.length;
  }

  /** The step at which a node's value is there. */
  computedAt(k) {
    return this.graph.nodes[k].op ? this.graph.interior.indexOf(k) + 1 : 0;
  }

  /** The state of every node at a step. */
  frame(step, numbers) {
    const { graph } = this;
    const n = graph.nodes.length;
    const frame = {
      step,
      wrong: this.wrong,
      phase: step === 0 ? "start" : step <= this.forward ? "forward" : "backward",
      current: null,
      computed: new Array(n).fill(false),
      reported: new Array(n).fill(0),
      sums: new Array(n).fill(0),
      visited: new Array(n).fill(false),
      late: new Array(n).fill(false),
      reports: [],
      passed: [],
      done: step === this.last,
    };
    graph.nodes.forEach((node, k) => (frame.computed[k] = !node.op));
    graph.interior.slice(0, step).forEach((k) => (frame.computed[k] = true));
    if (frame.phase === "forward") frame.current = graph.interior[step - 1];
    if (frame.phase !== "backward") return frame;

    frame.sums[graph.cost] = 1;
    frame.reported[graph.cost] = 1;
    frame.current = graph.cost;
    frame.seed = step === this.forward + 1;
    this.order.slice(0, step - this.forward - 1).forEach((k) => {
      frame.current = k;
      frame.reports = graph.nodes[k].parents.map((parent, position) => {
        const contribution = this.wrong
          ? numeric(frame.sums[k]) * numeric(numbers.partials[k][position])
          : numbers.contributions[k][position];
        frame.sums[parent] = frame.reported[parent] ? plus(frame.sums[parent], contribution) : contribution;
        frame.reported[parent] += 1;
        if (frame.visited[parent]) frame.late[parent] = true;
        // The last report: in the right order the sum is the gradient itself, as it was computed.
        if (!this.wrong && this.status(frame, parent) === "known") frame.sums[parent] = numbers.grads[parent];
        return { parent, position, contribution, partial: numbers.partials[k][position], g: frame.sums[k] };
      });
      frame.passed[k] = frame.reports;
      frame.visited[k] = true;
    });
    return frame;
  }

  /** How far the gradient of a node is: "missing", "partial" or "known". */
  status(frame, k) {
    const uses = k === this.graph.cost ? 1 : this.graph.consumers[k].length;
    return frame.reported[k] === 0 ? "missing" : frame.reported[k] < uses ? "partial" : "known";
  }
}

/** What one place of the page shows: {value, status}. */
export function look(quantity, { graph, playback, numbers, frame, eta }) {
  const { kind, node, wrt } = quantity;
  if (kind === "data") {
    return frame.computed[node] ? { value: numbers.data[node], status: "known" } : MISSING;
  }
  if (kind === "grad") {
    const status = playback.status(frame, node);
    return status === "missing" ? MISSING : { value: frame.sums[node], status };
  }
  if (kind === "derivative") {
    const there = node === wrt ? frame.phase === "backward" : frame.visited[node];
    return there ? { value: graph.derivative(numbers, node, wrt), status: "known" } : MISSING;
  }
  const there = playback.status(frame, node) === "known";
  if (!there || !isNumber(frame.sums[node]) || !isNumber(numbers.data[node])) return MISSING;
  return { value: numeric(numbers.data[node]) - eta * numeric(frame.sums[node]), status: "known" };
}

const MISSING = { value: null, status: "missing" };
