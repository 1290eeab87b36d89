// Below the graph: what is pointed at, in words; the sliders; the descent and its costs; the check.

import { draw, element, make } from "./dom.js";
import { fullNumeral, numeral, numeric } from "./numbers.js";
import { boldly, quantityOf } from "./words.js";

const MANY = 80; // sliders, at most

const START = [
  "Every box is a number, computed from those that point to it. Press play: the forward pass computes them. Then the backward pass finds for each how much the cost moves when it moves: its gradient.",
  "Point at a number in the equations, and see which node of the graph it is; at a node, and see every place that it has in the equations.",
];
const QUESTION = "Why is there a ᵀ in BP2? Play to the end, then point at an entry of δ¹.";

function paragraph(line) {
  const made = make("p");
  made.append(...boldly(line).map(([words, bold]) => (bold ? make("strong", words) : words)));
  return made;
}

/** In words: what is pointed at, else what the step is about. */
export class Explanation {
  constructor() {
    this.heading = element("explanation-heading");
    this.text = element("explanation-text");
  }

  paint(view) {
    const { focus, frame, numbers, words } = view;
    const quantity = focus.quantity?.node === undefined ? null : focus.quantity;
    const node = quantity ? quantity.node : frame.current;
    if (focus.quantity?.title) {
      this.heading.textContent = focus.quantity.title;
      this.text.replaceChildren(make("p", "A click opens it."));
      return;
    }
    if (node === null) {
      this.heading.textContent = "Point at something";
      this.text.replaceChildren(...START.map(paragraph), ...(view.network ? [paragraph(QUESTION)] : []));
      return;
    }
    const name = { data: words.name(node, numbers), grad: words.adjoint(node, numbers) };
    name.derivative = `∂${name.data}/∂${quantity?.wrt != null ? words.name(quantity.wrt, numbers) : ""}`;
    name.new = `new ${name.data}`;
    const kind = quantity?.kind ?? (frame.phase === "backward" ? "grad" : "data");
    this.heading.textContent = `${name[kind]}${focus.kept ? " (kept; Esc lets go)" : ""}`;
    const parts = [];
    if (quantity) parts.push(...focus.lines.map(paragraph));
    if (kind === "grad") {
      const [headline, ...uses] = words.explanation(node, view);
      const list = make("ul");
      list.append(...uses.slice(0, 12).map((use) => make("li", use)));
      parts.push(make("p", headline, { class: "headline" }), list);
    } else if (!quantity) {
      parts.push(...words.explain(quantityOf("data", node), view).lines.map(paragraph));
    }
    this.text.replaceChildren(...parts);
  }
}

/** A slider and a field for each leaf that can be moved. */
export class Sliders {
  constructor(page) {
    this.page = page;
    this.rows = new Map();
    const { graph } = page;
    const others = graph.nodes.flatMap((node, k) => (["input", "target"].includes(node.role) ? [k] : []));
    const movable = [...others, ...page.parameters];
    if (!graph.changeable) {
      element("fixed").hidden = false;
      element("fixed").textContent = graph.formulas
        ? "The numbers of this graph are formulas: the page plays what was computed, but cannot compute it anew."
        : `The rule of ${graph.unknown.join(", ")} cannot be told in JavaScript: the page plays what was computed, but cannot compute it anew. So there is nothing to move here.`;
      document.querySelector(".descent").hidden = true;
      element("costs").hidden = true;
      return;
    }
    if (movable.length > MANY) {
      element("fixed").hidden = false;
      element("fixed").textContent = `${movable.length} numbers can be moved: the first ${MANY} are here.`;
    }
    movable.slice(0, MANY).forEach((k) => this.rows.set(k, this.row(k)));
    const groups = new Map();
    this.rows.forEach(({ row }, k) => {
      const { role } = graph.nodes[k];
      groups.set(role, [...(groups.get(role) ?? []), row]);
    });
    groups.forEach((rows, role) => {
      const group = make("fieldset");
      group.append(make("legend", { input: "Inputs", parameter: "Parameters", target: "Given" }[role]), ...rows);
      element("sliders").append(group);
    });
  }

  row(k) {
    const sent = numeric(this.page.graph.nodes[k].data);
    const start = Number.isFinite(sent) ? sent : 0;
    const reach = Math.max(2, 2 * Math.abs(start));
    const name = this.page.graph.nodes[k].name;
    const row = make("div", "", { class: "slider" });
    const slider = make("input", "", { type: "range", min: start - reach, max: start + reach, step: "any", "aria-label": name });
    const field = make("input", "", { type: "number", step: "any", "aria-label": `${name}, as a number` });
    slider.value = start;
    slider.addEventListener("input", () => this.page.move(k, Number(slider.value)));
    field.addEventListener("change", () => {
      if (field.value !== "" && Number.isFinite(Number(field.value))) this.page.move(k, Number(field.value));
    });
    row.addEventListener("pointerenter", () => this.page.point(quantityOf("data", k)));
    row.addEventListener("pointerleave", () => this.page.point(null));
    row.append(make("span", name, { class: "name" }), slider, field);
    return { row, slider, field };
  }

  paint({ numbers }) {
    this.rows.forEach(({ slider, field }, k) => {
      const value = numeric(numbers.data[k]);
      if (!Number.isFinite(value)) {
        field.value = "";
        return;
      }
      if (document.activeElement !== slider) {
        if (value > Number(slider.max)) slider.max = value;
        if (value < Number(slider.min)) slider.min = value;
        slider.value = value;
      }
      if (document.activeElement !== field) field.value = Number(value.toPrecision(4));
    });
  }
}

/** The cost after each step of gradient descent. */
export class Costs {
  constructor() {
    this.svg = element("costs").querySelector("svg");
    this.caption = element("costs-caption");
  }

  paint({ costs }) {
    const finite = costs.filter(Number.isFinite);
    const low = Math.min(0, ...finite);
    const high = Math.max(0, ...finite);
    const x = (k) => 12 + (296 * k) / Math.max(costs.length - 1, 8);
    const y = (c) => 96 - (80 * (c - low)) / (high - low || 1);
    const points = costs.flatMap((c, k) => (Number.isFinite(c) ? [[x(k), y(c)]] : []));
    this.svg.replaceChildren(
      draw("path", { class: "axis", d: `M12,8V100M12,${y(0)}H310` }),
      draw("polyline", { class: "line", points: points.map((p) => p.join(",")).join(" ") }),
      ...points.map(([cx, cy]) => draw("circle", { class: "dot", cx, cy, r: 3 })),
    );
    const last = costs.at(-1);
    const since = costs.length - 1;
    this.caption.textContent = since === 0
      ? `The cost is ${numeral(last)}. Each step of gradient descent will add a point.`
      : `The cost after ${since} ${since === 1 ? "step" : "steps"}: ${numeral(costs[0])} → ${numeral(last)}.`;
  }
}

/** The gradient of every parameter, found in three ways that share nothing but the numbers. */
export class Check {
  constructor(page) {
    this.page = page;
    this.body = document.querySelector("#check tbody");
    const { graph, parameters } = page;
    this.rows = parameters.slice(0, 400).map((k) => {
      const row = make("tr");
      const cells = [make("td"), make("td"), make("td")];
      row.append(make("th", graph.nodes[k].name, { scope: "row" }), ...cells);
      row.addEventListener("pointerenter", () => page.point(quantityOf("grad", k)));
      row.addEventListener("pointerleave", () => page.point(null));
      return { k, row, cells };
    });
    this.body.replaceChildren(...this.rows.map(({ row }) => row));
    const left = parameters.length - this.rows.length;
    this.note = [
      page.network ? "The equations take C′ from the graph, and everything else from the matrices." : "The equations are those of the matrix program inside the graph, as Python computed it; for numbers that were changed here there is no such column.",
      graph.changeable ? "The finite difference is (C(w + h) − C(w − h)) / 2h." : "",
      left > 0 ? `${left} more parameters are left out.` : "",
    ].filter(Boolean).join(" ");
  }

  paint(view) {
    const { graph, numbers, frame } = view;
    if (!this.rows.length) {
      element("check-verdict").textContent = "There are no parameters.";
      return;
    }
    if (this.checked === numbers && this.wrong === frame.wrong) return;
    this.checked = numbers;
    this.wrong = frame.wrong;
    const byGraph = frame.wrong ? view.finished.sums : numbers.grads;
    const byEquations = view.network ? byTheEquations(view) : numbers.received ? view.programGradient : null;
    let worst = 0;
    this.rows.forEach(({ k, row, cells }) => {
      const gradient = numeric(byGraph[k]);
      const equation = byEquations ? numeric(byEquations.get(k)) : null;
      const difference = graph.changeable ? finiteDifference(graph, numbers, k) : null;
      const found = [byGraph[k], equation, difference];
      found.forEach((value, column) => {
        const text = value === null ? "n/a" : numeral(value, 3);
        if (cells[column].textContent !== text) cells[column].textContent = text;
        cells[column].title = value === null ? "" : fullNumeral(value);
      });
      const reference = equation ?? difference;
      const scale = Math.max(1e-6, Math.abs(reference ?? 0));
      const off = reference === null ? 0 : Math.abs(gradient - reference) / scale;
      const tolerance = equation === null ? 1e-4 : 1e-9;
      row.classList.toggle("differs", off > tolerance);
      worst = Math.max(worst, off > tolerance ? 1 : 0);
    });
    const count = this.rows.filter(({ row }) => row.classList.contains("differs")).length;
    element("check-verdict").textContent = !byEquations && !graph.changeable
      ? ""
      : worst
        ? `${count} of ${this.rows.length} gradients are wrong${frame.wrong ? ": the wrong order lost part of the sums" : ""}.`
        : frame.wrong
          ? "Here the wrong order does no harm: every node had heard from all that use it when its turn came."
          : "The same gradient, found in different ways.";
    element("check-note").textContent = this.note;
  }
}

/** BP1 to BP4 on arrays: from C′ and the numbers of the forward pass, no graph. */
function byTheEquations({ network, numbers, graph }) {
  const { layers, x } = network;
  const value = (k) => numeric(numbers.data[k]);
  const found = new Map();
  let delta = null;
  for (let l = layers.length - 1; l >= 0; l--) {
    const { W, b, z, a, softmax } = layers[l];
    const before = (l > 0 ? layers[l - 1].a : x).map(value);
    const partial = (j, k) => numeric(graph.derivative(numbers, a[j], z[k]));
    if (delta === null) {
      const prime = a.map((node) => numeric(numbers.grads[node]));
      delta = z.map((_, k) => softmax
        ? prime.reduce((sum, p, j) => sum + partial(j, k) * p, 0)
        : prime[k] * partial(k, k));
    } else {
      const above = layers[l + 1].W.map((row) => row.map(value));
      const errors = delta;
      delta = z.map((_, k) => above.reduce((sum, row, i) => sum + row[k] * errors[i], 0) * partial(k, k));
    }
    b.forEach((node, j) => found.set(node, delta[j]));
    W.forEach((row, j) => row.forEach((node, k) => found.set(node, delta[j] * before[k])));
  }
  return found;
}

function finiteDifference(graph, numbers, k) {
  const w = numeric(numbers.data[k]);
  const h = Math.cbrt(2 ** -52) * Math.max(1, Math.abs(w));
  const [up, down] = [w + h, w - h];
  return (graph.costAt(numbers.data, k, up) - graph.costAt(numbers.data, k, down)) / (up - down);
}
