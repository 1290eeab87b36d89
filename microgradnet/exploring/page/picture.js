// The graph: paints the boxes of each zoom, and tells the page what is pointed at in them.

import { Camera } from "./camera.js";
import { element } from "./dom.js";
import { fullNumeral, numeral } from "./numbers.js";
import { quantityOf } from "./words.js";

export class Pictures {
  constructor(page) {
    this.page = page;
    this.canvas = element("canvas");
    this.all = new Map([...document.querySelectorAll(".picture")].map((svg) => [svg.dataset.zoom, this.prepare(svg)]));
    new ResizeObserver(() => this.shown?.camera.resize()).observe(this.canvas);
  }

  prepare(svg) {
    const boxes = [...svg.querySelectorAll(".box")].map((g) => ({
      g,
      nodes: g.dataset.nodes.split(" ").map(Number),
      title: g.dataset.title,
      x: Number(g.dataset.x),
      y: Number(g.dataset.y),
      tooltip: g.querySelector("title"),
      badge: g.querySelector(".badge"),
      slots: [...g.querySelectorAll(".slot")].map((text) => ({
        text,
        quantity: quantityOf(text.dataset.kind, Number(text.dataset.node)),
      })),
    }));
    const arrows = [...svg.querySelectorAll(".arrow")].map((path) => ({
      path,
      from: Number(path.dataset.from),
      to: Number(path.dataset.to),
      weights: (path.dataset.weights ?? "").split(" ").filter(Boolean).map(Number),
    }));
    const picture = { svg, zoom: svg.dataset.zoom, boxes, arrows, camera: new Camera(svg, this.canvas), focus: 0 };
    picture.boxes.forEach((box, number) => this.listen(picture, box, number));
    arrows.forEach(({ path, weights }) => {
      if (!weights.length) return;
      path.addEventListener("pointerenter", () => this.page.point(quantityOf("data", weights[0])));
      path.addEventListener("pointerleave", () => this.page.point(null));
    });
    return picture;
  }

  listen(picture, box, number) {
    const { g } = box;
    g.addEventListener("pointerenter", () => this.page.point(this.meaning(box)));
    g.addEventListener("pointerleave", () => this.page.point(null));
    g.addEventListener("focus", () => {
      this.rove(picture, number);
      if (g.matches(":focus-visible")) this.page.point(this.meaning(box));
    });
    g.addEventListener("blur", () => this.page.point(null));
    g.addEventListener("click", () => {
      if (!picture.camera.dragged) this.enter(picture, box);
    });
    g.addEventListener("keydown", (event) => this.key(event, picture, number));
    box.slots.forEach(({ text, quantity }) => {
      text.addEventListener("pointerenter", () => this.page.point(quantity));
      text.addEventListener("pointerleave", () => this.page.point(this.meaning(box)));
    });
  }

  /** What pointing at a whole box means: its gradient or, before there is one, its value (of a
   * neuron δ or z), and with it every place that its nodes have in the equations. */
  meaning(box) {
    const { frame, playback } = this.page.view;
    const gradients = box.slots.filter(({ quantity }) => quantity.kind === "grad");
    if (gradients.length > 1 || (!gradients.length && box.nodes.length > 1)) {
      return { kind: "box", members: box.nodes, title: box.title };
    }
    const node = gradients.length ? gradients[0].quantity.node : box.nodes[0];
    const kind = !gradients.length || playback.status(frame, node) === "missing" ? "data" : "grad";
    return { ...quantityOf(kind, node), members: box.nodes };
  }

  /** A click or Enter: a layer opens its neurons, a neuron its scalars, a scalar is kept. */
  enter(picture, box) {
    const zooms = [...this.all.keys()];
    const finer = zooms[zooms.indexOf(picture.zoom) + 1];
    if (finer) {
      this.page.setZoom(finer, box.nodes);
      if (this.page.keyboard) this.shown.boxes[this.shown.focus].g.focus();
      return;
    }
    this.page.keep(this.meaning(box));
  }

  key(event, picture, number) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Enter") {
      this.enter(picture, picture.boxes[number]);
    } else if (moves[event.key]) {
      const target = this.neighbour(picture, number, ...moves[event.key]);
      if (target !== null) picture.boxes[target].g.focus();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Left and right along the edges; up and down to the nearest box in that direction. */
  neighbour({ boxes, arrows }, number, dx, dy) {
    const here = boxes[number];
    let candidates;
    if (dx) {
      candidates = arrows.filter((a) => (dx > 0 ? a.from : a.to) === number).map((a) => (dx > 0 ? a.to : a.from));
    } else {
      candidates = boxes.flatMap((box, k) => (dy * (box.y - here.y) > 1 ? [k] : []));
    }
    const distance = (k) => Math.abs(boxes[k].y - here.y) + (dy ? 3 : 0.01) * Math.abs(boxes[k].x - here.x);
    return candidates.length ? candidates.reduce((best, k) => (distance(k) < distance(best) ? k : best)) : null;
  }

  rove(picture, number) {
    picture.boxes[picture.focus]?.g.setAttribute("tabindex", "-1");
    picture.focus = number;
    picture.boxes[number]?.g.setAttribute("tabindex", "0");
    const { x, y } = picture.boxes[number] ?? {};
    if (picture.boxes[number]?.g.matches(":focus-visible")) picture.camera.follow(x, y);
  }

  /** Show a zoom; with nodes, the box that holds them in the middle. */
  show(zoom, nodes = null) {
    this.all.forEach((picture) => picture.svg.toggleAttribute("hidden", picture.zoom !== zoom));
    this.shown = this.all.get(zoom);
    if (!this.shown) return;
    const { camera, boxes } = this.shown;
    if (!camera.scale) camera.whole(true);
    if (nodes) {
      const inside = boxes.filter((box) => box.nodes.some((node) => nodes.includes(node)));
      if (inside.length) {
        const middle = (axis) => inside.reduce((sum, box) => sum + box[axis], 0) / inside.length;
        camera.scale = Math.max(camera.scale, 0.85);
        camera.follow(middle("x"), middle("y"), true);
        this.rove(this.shown, boxes.indexOf(inside.at(-1)));
      }
    }
    if (!boxes.some(({ g }) => g.getAttribute("tabindex") === "0")) this.rove(this.shown, 0);
  }

  paint(view, follow) {
    if (!this.shown) return;
    const { boxes, arrows, camera } = this.shown;
    const { frame, numbers, playback, focus, boxesOf } = view;
    const ofNode = boxesOf[this.shown.zoom];
    const boxOf = (k) => (ofNode ? ofNode[k] : k);
    const now = frame.current === null ? -1 : boxOf(frame.current);
    const receiving = new Set(frame.reports.map(({ parent }) => boxOf(parent)));
    const lit = new Set([...focus.nodes].map(boxOf));
    const main = focus.quantity && focus.quantity.node !== undefined ? boxOf(focus.quantity.node) : -1;
    boxes.forEach((box, number) => {
      const { g } = box;
      g.classList.toggle("now", number === now);
      g.classList.toggle("receiving", receiving.has(number) && number !== now);
      g.classList.toggle("lit", lit.has(number));
      g.classList.toggle("main", number === main);
      const late = box.nodes.some((k) => frame.late[k]);
      g.classList.toggle("late", late);
      const words = box.slots.map(({ text, quantity }) => {
        const { value, status } = view.look(quantity);
        text.textContent = status === "missing" ? "not yet" : numeral(value, 3);
        text.dataset.status = status;
        text.classList.toggle("grad", quantity.kind === "grad");
        text.classList.toggle("lit", focus.keys.has(`${quantity.kind}:${quantity.node}`));
        const what = quantity.kind === "grad" ? "gradient" : "data";
        const name = box.nodes.length > 1 ? `${view.words.name(quantity.node, numbers)} ` : "";
        const so = status === "partial" ? " so far" : "";
        return `${name}${what} ${status === "missing" ? "not yet" : fullNumeral(value)}${so}`;
      });
      const uses = this.shown.zoom === "scalar" ? view.graph.consumers[number].length : 0;
      const partial = uses > 1 && playback.status(frame, number) === "partial";
      box.badge.textContent = late ? "too late" : partial ? `${frame.reported[number]} of ${uses}` : "";
      const tooltip = [box.title, ...words].join("\n");
      if (box.tooltip.textContent !== tooltip) {
        box.tooltip.textContent = tooltip;
        const spoken = box.slots.map(({ text, quantity }, k) => {
          const what = quantity.kind === "grad" ? "gradient" : "data";
          return `${box.nodes.length > 1 ? `${words[k].split(" ")[0]} ` : ""}${what} ${text.textContent}`;
        });
        g.setAttribute("aria-label", [box.title, ...spoken, box.badge.textContent].filter(Boolean).join(", "));
      }
    });
    const backward = frame.phase === "backward";
    arrows.forEach(({ path, from, to, weights }) => {
      const active = backward ? to === now && receiving.has(from) : frame.phase === "forward" && to === now;
      path.classList.toggle("now", active);
      path.classList.toggle("backward", backward && active);
      path.classList.toggle("lit", weights.some((k) => focus.nodes.has(k)) || (main >= 0 && lit.has(from) && lit.has(to) && (from === main || to === main) && !weights.length));
    });
    if (follow && now >= 0) camera.follow(boxes[now].x, boxes[now].y);
  }
}
