// The passes in words and numbers.

import { isWeightedInput, superscript } from "./notation.js";
import { numeral } from "./numbers.js";

const SPOKEN = 4; // so many parents of one node are told of one by one

export class Words {
  constructor(graph, network) {
    this.graph = graph;
    this.network = network;
    this.places = new Map(); // node → {letter, l, j, k}: where it stands in the matrices
    network?.x.forEach((node, j) => this.places.set(node, { letter: "a", l: 0, j }));
    network?.layers.forEach(({ W, b, z, a }, index) => {
      const l = index + 1;
      W.forEach((row, j) => row.forEach((node, k) => this.places.set(node, { letter: "w", l, j, k })));
      b.forEach((node, j) => this.places.set(node, { letter: "b", l, j }));
      a.forEach((node, j) => this.places.set(node, { letter: "a", l, j }));
      z.forEach((node, j) => this.places.set(node, { letter: "z", l, j }));
    });
  }

  name(k, numbers) {
    const node = this.graph.nodes[k];
    return node.label || (node.op ? `(${this.formula(k, numbers)})` : node.text);
  }

  /** δ²₁ for the weighted input z²₁, else ∂C/∂ and the name. */
  adjoint(k, numbers) {
    const { label } = this.graph.nodes[k];
    return isWeightedInput(label) ? `δ${label.slice(1)}` : `∂C/∂${this.name(k, numbers)}`;
  }

  formula(k, numbers, withNumbers = false) {
    const { formula, parents, brackets } = this.graph.nodes[k];
    const parts = formula.map((part) => {
      if (typeof part === "string") return part;
      const p = parents[part];
      const text = (!withNumbers && this.graph.nodes[p].label) || numeral(numbers.data[p]);
      return brackets && !isAtom(text) ? `(${text})` : text;
    });
    return parts.join("");
  }

  /** How a node was made: a²₁ = sigmoid(z²₁). */
  made(k, numbers) {
    const { label } = this.graph.nodes[k];
    const formula = this.formula(k, numbers);
    return label ? `${label} = ${formula}` : formula;
  }

  /** What happens at this step. */
  sentence(view) {
    const { frame, numbers, playback } = view;
    const { current } = frame;
    if (frame.phase === "start") return "Only the inputs and the parameters have their numbers. Press play.";
    if (frame.phase === "forward") {
      const name = this.graph.nodes[current].label;
      const formula = this.formula(current, numbers);
      const inNumbers = this.formula(current, numbers, true);
      const steps = [name, formula, inNumbers === formula ? "" : inNumbers, numeral(numbers.data[current])];
      return `Forward: ${steps.filter(Boolean).join(" = ")}`;
    }
    if (frame.seed) return `Backward: ${this.adjoint(current, numbers)} = 1: it is the cost itself.`;
    const heard = new Map();
    frame.reports.forEach((report) => heard.set(report.parent, [...(heard.get(report.parent) ?? []), report]));
    const sentences = [...heard].map(([parent, reports]) => {
      const terms = reports.map(({ contribution, g, partial }) => `${numeral(contribution)} = ${numeral(g)} × ${numeral(partial)}`);
      const text = `${this.name(parent, numbers)} receives ${terms.join(" and ")} through ${this.made(current, numbers)}`;
      if (frame.late[parent]) return `${text}: too late, it has passed its gradient on already`;
      const uses = this.graph.consumers[parent].length;
      const count = frame.reported[parent];
      if (playback.status(frame, parent) === "partial") {
        return `${text} (${count} of ${uses}; so far ${numeral(frame.sums[parent])})`;
      }
      return uses > reports.length ? `${text} (the last of ${uses}: ${numeral(frame.sums[parent])})` : text;
    });
    const left = sentences.length - SPOKEN;
    if (left > 0) sentences.splice(SPOKEN, left, `and ${left} more in the same way`);
    return `Backward: ${sentences.join("; ")}.`;
  }

  /** Where the gradient of a node comes from: a headline, and a line for each use of it. */
  explanation(k, view) {
    const { frame, numbers, playback } = view;
    const adjoint = this.adjoint(k, numbers);
    if (k === this.graph.cost) {
      return [frame.phase === "backward" ? `${adjoint} = 1: it is the cost itself` : `${adjoint}: not yet`];
    }
    // In the order of the graph, as Python's explain lists them.
    const uses = this.graph.consumers[k].map(({ node, position }) => {
      const through = `through ${this.made(node, numbers)}`;
      if (!frame.visited[node]) return { text: `not yet ${through}` };
      const { contribution, g, partial } = frame.passed[node][position];
      return { text: `${numeral(contribution)} = ${numeral(g)} × ${numeral(partial)} ${through}`, contribution: numeral(contribution) };
    });
    const status = playback.status(frame, k);
    if (status === "missing") return [`${adjoint}: not yet`, ...uses.map((use) => use.text)];
    const heard = uses.filter((use) => use.contribution).map((use) => use.contribution);
    const total = numeral(frame.sums[k]) + (status === "partial" ? " so far" : "");
    const headline = [adjoint, total, ...(heard.length > 1 && status === "known" ? [heard.join(" + ")] : [])];
    return [headline.join(" = "), ...uses.map((use) => use.text)];
  }

  /** What a quantity is made of and why: {title, lines, sources, nodes}. Sources are quantities, nodes
   * those of the graph that take part. */
  explain(quantity, view) {
    const place = this.places.get(quantity.node);
    const special = place && this.inNetwork(quantity, place, view);
    return special || this.inGraph(quantity, view);
  }

  inGraph({ kind, node, wrt }, view) {
    const { graph } = this;
    const { numbers, frame } = view;
    const { op, parents, role, label } = graph.nodes[node];
    const name = this.name(node, numbers);
    if (kind === "derivative") {
      return {
        lines: [`∂${name}/∂${this.name(wrt, numbers)}: how much ${name} moves when ${this.name(wrt, numbers)} does.`],
        sources: [quantityOf("data", wrt)],
        nodes: [node, wrt],
      };
    }
    if (kind === "new") {
      return {
        lines: [`${label} − η ∂C/∂${label}: a step against the gradient.`],
        sources: [quantityOf("data", node), quantityOf("grad", node)],
        nodes: [node],
      };
    }
    if (kind === "data") {
      const computed = frame.computed[node] ? ` = ${numeral(numbers.data[node])}` : ", not yet computed";
      const what = op ? `${this.made(node, numbers)}${computed}` : `${name}${label ? computed : ""}: ${ROLES[role]}`;
      const users = graph.consumers[node].length;
      const used = users > 1 ? ` It is used ${users} times, so ${users} reports add up to its gradient.` : "";
      return { lines: [`${what}.${used}`], sources: parents.map((p) => quantityOf("data", p)), nodes: [node] };
    }
    return {
      lines: [],
      sources: graph.consumers[node].map((use) => quantityOf("grad", use.node)),
      nodes: [node, ...graph.consumers[node].map((use) => use.node)],
    };
  }

  /** The same for what stands in the equations of a network. */
  inNetwork({ kind, node, wrt }, { letter, l, j, k }, view) {
    const { layers, x } = this.network;
    const layer = layers[l - 1];
    const next = layers[l];
    const { numbers, frame } = view;
    const label = (n) => this.name(n, numbers);
    const delta = (n) => this.adjoint(n, numbers);
    const value = (q) => numeral(look2(q, view));
    const before = l > 1 ? layers[l - 2]?.a : x;

    if (kind === "data" && letter === "z") {
      const sources = [...layer.W[j], ...before, layer.b[j]];
      return {
        lines: [
          `${label(node)} reads row ${j + 1} of W${superscript(l)}: ${layer.W[j].map((w, i) => `${label(w)} ${label(before[i])}`).join(" + ")} + ${label(layer.b[j])}` +
            `${frame.computed[node] ? ` = ${numeral(numbers.data[node])}` : ""}.`,
        ],
        sources: sources.map((n) => quantityOf("data", n)),
        nodes: [node, ...sources],
      };
    }
    if (kind === "data" && letter === "w") {
      const lines = [`${label(node)} stands on the edge from ${label(before[k])} to ${label(layer.z[j])}.`];
      if (l > 1) {
        lines.push(
          `Forward it is in ${strong(`row ${j + 1} of W${superscript(l)}`)}, which makes ${label(layer.z[j])}. Backward the same number is in ${strong(`row ${k + 1} of (W${superscript(l)})ᵀ`)}, ` +
            `which makes ${delta(layers[l - 2].z[k])}: the edge is walked the other way.`,
        );
      }
      return { lines, sources: [], nodes: [node, layer.z[j], before[k]] };
    }
    if (kind === "grad" && letter === "w") {
      return {
        lines: [
          `The edge’s gradient is the error at its end times the activation at its beginning: ${delta(layer.z[j])} ${label(before[k])}.`,
        ],
        sources: [quantityOf("grad", layer.z[j]), quantityOf("data", before[k])],
        nodes: [node, layer.z[j], before[k]],
      };
    }
    if (kind === "grad" && letter === "b") {
      return {
        lines: [`${label(layer.z[j])} moves just as much as ${label(node)} does, so its gradient is ${delta(layer.z[j])} itself.`],
        sources: [quantityOf("grad", layer.z[j])],
        nodes: [node, layer.z[j]],
      };
    }
    if (kind === "grad" && letter === "z" && l === layers.length) {
      const sources = layer.softmax
        ? layer.a.flatMap((a) => [quantityOf("grad", a), quantityOf("derivative", a, node)])
        : [quantityOf("grad", layer.a[j]), quantityOf("derivative", layer.a[j], node)];
      return {
        lines: [
          `${delta(node)} is the gradient of the node ${label(node)}.` +
            (layer.softmax
              ? ` Every output depends on ${label(node)}, so all of C′ takes part.`
              : ` The cost feels ${label(layer.a[j])} by C′, and ${label(layer.a[j])} feels ${label(node)} by σ′: the two are multiplied.`),
        ],
        sources,
        nodes: [node, layer.a[j]],
      };
    }
    const column = next && (letter === "a" || letter === "z") ? next.W.map((row) => row[j]) : null;
    if (kind === "grad" && column) {
      const a = l === 0 ? node : layer.a[j];
      const terms = next.z.map((z, i) => ({ w: column[i], z }));
      const sum = terms.map(({ w, z }) => `${label(w)} ${delta(z)}`).join(" + ");
      const inNumbers = terms.map(({ w, z }) => `${value(quantityOf("data", w))} × ${value(quantityOf("grad", z))}`).join(" + ");
      const derivative = quantityOf("derivative", a, node);
      const isDelta = letter === "z";
      const lines = [
        `Forward, ${label(a)} goes out to ${list(next.z.map(label))} over ${list(column.map(label))}: ` +
          `these weights are ${strong(`column ${j + 1} of W${superscript(l + 1)}`)}, one from each row.`,
        `Backward, the errors come home over the same edges: ` +
          (isDelta ? `${delta(node)} = (${sum}) × σ′` : `${delta(node)} = ${sum}`) +
          (frame.reported[node] ? ` = ${isDelta ? `(${inNumbers}) × ${value(derivative)}` : inNumbers} = ${numeral(frame.sums[node])}.` : "."),
        `A matrix multiplies by its rows. To gather by columns, turn it: ${strong(`row ${j + 1} of (W${superscript(l + 1)})ᵀ is column ${j + 1} of W${superscript(l + 1)}`)}.`,
      ];
      return {
        lines,
        sources: [
          ...terms.flatMap(({ w, z }) => [quantityOf("data", w), quantityOf("grad", z)]),
          ...(isDelta ? [derivative] : []),
        ],
        nodes: [node, a, ...next.z, ...column],
      };
    }
    return null;
  }
}

const ROLES = {
  input: "an input",
  parameter: "a parameter, which gradient descent moves",
  target: "given",
  constant: "a constant",
};

/** Words to be shown bold; `boldly` reads the marks. */
const strong = (words) => `\u0001${words}\u0002`;

/** A line as its parts: [words, whether bold]. */
export function boldly(line) {
  return line.split(/[\u0001\u0002]/).map((words, k) => [words, k % 2 === 1]);
}

export function quantityOf(kind, node, wrt = null) {
  return { kind, node, wrt };
}

export function keyOf({ kind, node, wrt }) {
  return wrt === null || wrt === undefined ? `${kind}:${node}` : `${kind}:${node}:${wrt}`;
}

/** What a quantity reads now, for sentences. */
function look2(quantity, view) {
  const seen = view.look(quantity);
  return seen.status === "missing" ? "?" : seen.value;
}

function list(words) {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}

/** Whether notation can stand inside any other as it is: no operator outside its brackets. */
function isAtom(text) {
  let depth = 0;
  for (const c of text) {
    depth += "([{".includes(c) - ")]}".includes(c);
    if (depth === 0 && " +-−*/^".includes(c)) return false;
  }
  return true;
}
