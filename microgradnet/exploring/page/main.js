// The page: its state, what changes it, and painting it.

import { element } from "./dom.js";
import { Sheet } from "./equations.js";
import { Graph } from "./graph.js";
import { numeric } from "./numbers.js";
import { Check, Costs, Sliders, Explanation } from "./panels.js";
import { Pictures } from "./picture.js";
import { look, Playback } from "./playback.js";
import { keyOf, quantityOf, Words } from "./words.js";

class Page {
  constructor(model) {
    this.graph = new Graph(model.nodes);
    this.network = model.network;
    this.boxesOf = model.box_of;
    this.parameters = model.parameters;
    this.programGradient = model.program_gradient && new Map(model.program_gradient.map((gradient, k) => [model.parameters[k], gradient]));
    this.words = new Words(this.graph, model.network);
    this.orders = [new Playback(this.graph, false), new Playback(this.graph, true)];
    this.state = { step: 0, zoom: model.zoom, wrong: false, eta: 0.5, kept: null, pointed: null };
    this.leaves = new Map();
    this.numbers = this.graph.received();
    this.costs = [numeric(this.numbers.data[this.graph.cost])];
    this.alarm(this.hold());
    this.look();
    this.pictures = new Pictures(this);
    this.sheet = new Sheet(this);
    this.explanation = new Explanation(this);
    this.panels = [this.explanation, new Sliders(this), new Costs(this), new Check(this)];
    this.buttons();
    this.keys();
    this.read();
    window.addEventListener("hashchange", () => this.read());
    window.addEventListener("resize", () => this.sheet.join(this.view));
  }

  /** The page's own numbers against Python's: what is wrong, or nothing. */
  hold() {
    if (!this.graph.changeable) return "";
    const wrong = this.graph.differences();
    if (!wrong.length) return "";
    const names = wrong.slice(0, 3).map((k) => this.graph.nodes[k].name).join(", ");
    return `The numbers computed in this page are not those of Python, at ${wrong.length} of ${this.graph.nodes.length} nodes (${names}): do not trust what it shows.`;
  }

  alarm(text) {
    element("alarm").hidden = !text;
    element("alarm").textContent = text;
  }

  // What changes the state

  go(step) {
    const { last } = this.playback;
    const next = Math.min(last, Math.max(0, step));
    if (next === this.state.step) return;
    this.state.step = next;
    this.paint(true);
  }

  get playback() {
    return this.orders[Number(this.state.wrong)];
  }

  play(on) {
    clearInterval(this.timer);
    this.playing = on;
    if (on) {
      if (this.state.step === this.playback.last) this.state.step = 0;
      this.timer = setInterval(() => this.tick(), 1000 / Number(element("speed").value));
    }
    element("play").textContent = on ? "❚❚ Pause" : "▶ Play";
    element("play").setAttribute("aria-label", on ? "Pause" : "Play");
    // While it plays a reader of the screen would never be done reading.
    element("sentence").setAttribute("aria-live", on ? "off" : "polite");
    this.paint(true);
  }

  tick() {
    if (this.state.step >= this.playback.last) this.play(false);
    else this.go(this.state.step + 1);
  }

  setZoom(zoom, nodes = null) {
    if (!this.pictures.all.has(zoom)) return;
    this.state.zoom = zoom;
    this.pictures.show(zoom, nodes);
    this.paint();
  }

  point(quantity) {
    this.state.pointed = quantity;
    this.paint();
  }

  keep(quantity) {
    const same = this.state.kept && quantity && quantity.node !== undefined && keyOf(quantity) === keyOf(this.state.kept);
    this.state.kept = same || quantity?.node === undefined ? null : quantity;
    this.paint();
  }

  setWrong(wrong) {
    this.state.wrong = wrong && !this.graph.formulas; // it takes numbers that nobody has sent
    this.paint(true);
  }

  move(k, value) {
    this.leaves.set(k, value);
    this.renumber();
    this.costs = [this.numbers.data[this.graph.cost]];
    this.paint();
  }

  descend() {
    if (!this.graph.changeable) return;
    const { data, grads } = this.graph.compute(this.leaves);
    this.parameters.forEach((k) => this.leaves.set(k, data[k] - this.state.eta * grads[k]));
    this.renumber();
    this.costs.push(this.numbers.data[this.graph.cost]);
    this.paint();
  }

  restore() {
    this.leaves.clear();
    this.numbers = this.graph.received();
    this.costs = [numeric(this.numbers.data[this.graph.cost])];
    this.paint();
  }

  renumber() {
    this.numbers = this.graph.compute(this.leaves);
  }

  // Painting

  /** What every part of the page is painted from. */
  look() {
    const { playback, numbers, state } = this;
    const seen = this.view; // pointing at things changes no number
    const same = seen && seen.numbers === numbers && seen.playback === playback && seen.step === state.step;
    const frame = same ? seen.frame : playback.frame(state.step, numbers);
    this.view = {
      ...this.state, frame, playback, numbers,
      graph: this.graph, network: this.network, words: this.words, boxesOf: this.boxesOf, costs: this.costs, programGradient: this.programGradient,
      get finished() {
        return playback.frame(playback.last, numbers);
      },
      look: (quantity) => look(quantity, this.view),
    };
    this.view.focus = this.focus();
  }

  /** What is pointed at or kept, and what goes with it. */
  focus() {
    const { pointed, kept } = this.state;
    const quantity = pointed ?? kept;
    const members = new Set(quantity?.members);
    if (quantity?.node === undefined) {
      return { quantity, lines: [], members, nodes: members, keys: new Set(), main: new Set() };
    }
    const { lines, sources, nodes } = this.words.explain(quantity, this.view);
    const main = new Set([keyOf(quantity)]);
    return {
      quantity, lines, main, members,
      kept: kept !== null && keyOf(quantity) === keyOf(kept),
      nodes: new Set([...nodes, ...members]),
      keys: new Set([...main, ...sources.map(keyOf)]),
    };
  }

  paint(follow = false) {
    this.look();
    const { view } = this;
    const { step } = this.state;
    this.pictures.paint(view, follow);
    this.sheet.paint(view, follow);
    this.panels.forEach((panel) => panel.paint(view));
    const sentence = this.words.sentence(view);
    if (element("sentence").textContent !== sentence) element("sentence").textContent = sentence;
    const { forward, last } = this.playback;
    const phase = step === 0 ? "start" : step <= forward ? `forward ${step} of ${forward}` : `backward ${step - forward} of ${last - forward}`;
    element("phase").textContent = phase;
    element("scrub").max = last;
    element("scrub").value = step;
    element("scrub").setAttribute("aria-valuetext", phase);
    element("wrong").checked = this.state.wrong;
    element("back").disabled = element("first").disabled = step === 0;
    element("next").disabled = element("last").disabled = step === last;
    document.body.dataset.phase = view.frame.phase;
    document.querySelectorAll("button[data-zoom]").forEach((button) => {
      button.setAttribute("aria-pressed", String(button.dataset.zoom === this.state.zoom));
    });
    this.write();
  }

  // The address

  write() {
    const { step, zoom, kept, wrong } = this.state;
    const parts = [`step=${step}`, `zoom=${zoom}`];
    if (kept) parts.push(`keep=${keyOf(kept)}`);
    if (wrong) parts.push("order=wrong");
    const hash = `#${parts.join("&")}`;
    if (hash === this.written || location.protocol === "about:") return; // in a notebook's frame
    this.written = hash;
    clearTimeout(this.writing); // browsers refuse too many changes of the address in a short time
    this.writing = setTimeout(() => history.replaceState(null, "", hash), 150);
  }

  read() {
    if (location.hash === this.written && location.hash) return;
    const asked = new URLSearchParams(location.hash.slice(1));
    this.state.wrong = asked.get("order") === "wrong" && !this.graph.formulas;
    const step = Number.parseInt(asked.get("step") ?? "0", 10);
    this.state.step = Math.min(this.playback.last, Math.max(0, Number.isNaN(step) ? 0 : step));
    this.state.kept = this.quantity(asked.get("keep"));
    const zoom = asked.get("zoom");
    if (this.pictures.all.has(zoom)) this.state.zoom = zoom;
    this.pictures.show(this.state.zoom);
    this.paint(true);
  }

  /** The quantity of a key in an address; null for what is none of this page's. */
  quantity(key) {
    const [, kind, node, wrt] = /^(data|grad|derivative|new):(\d+)(?::(\d+))?$/.exec(key ?? "") ?? [];
    const there = (k) => k !== undefined && Number(k) < this.graph.nodes.length;
    if (!there(node) || (kind === "derivative" && !there(wrt))) return null;
    return quantityOf(kind, Number(node), kind === "derivative" ? Number(wrt) : null);
  }

  // Buttons and keys

  buttons() {
    element("wrong").disabled = this.graph.formulas;
    const on = (id, type, action) => element(id).addEventListener(type, action);
    on("first", "click", () => this.go(0));
    on("back", "click", () => this.go(this.state.step - 1));
    on("play", "click", () => this.play(!this.playing));
    on("next", "click", () => this.go(this.state.step + 1));
    on("last", "click", () => this.go(this.playback.last));
    on("scrub", "input", (event) => this.go(Number(event.target.value)));
    on("speed", "change", () => this.playing && this.play(true));
    on("wrong", "change", (event) => this.setWrong(event.target.checked));
    on("closer", "click", () => this.pictures.shown?.camera.zoomBy(1.25));
    on("further", "click", () => this.pictures.shown?.camera.zoomBy(0.8));
    on("whole", "click", () => this.pictures.shown?.camera.whole());
    on("descend", "click", () => this.descend());
    on("restore", "click", () => this.restore());
    on("eta", "input", (event) => {
      const eta = Number(event.target.value);
      if (event.target.value !== "" && Number.isFinite(eta)) this.state.eta = eta;
      this.paint();
    });
    on("open-help", "click", () => element("help").showModal());
    document.querySelectorAll("button[data-zoom]").forEach((button) => {
      button.addEventListener("click", () => this.setZoom(button.dataset.zoom));
    });
  }

  keys() {
    const zooms = [...this.pictures.all.keys()];
    const actions = {
      " ": () => this.play(!this.playing),
      n: () => this.go(this.state.step + 1),
      p: () => this.go(this.state.step - 1),
      ArrowRight: () => this.go(this.state.step + 1),
      ArrowLeft: () => this.go(this.state.step - 1),
      Home: () => this.go(0),
      End: () => this.go(this.playback.last),
      Escape: () => this.keep(null),
      "?": () => element("help").showModal(),
      "+": () => this.pictures.shown?.camera.zoomBy(1.25),
      "-": () => this.pictures.shown?.camera.zoomBy(0.8),
      0: () => this.pictures.shown?.camera.whole(),
      w: () => this.setWrong(!this.state.wrong),
      1: () => this.setZoom(zooms[0]),
      2: () => this.setZoom(zooms[1]),
      3: () => this.setZoom(zooms[2]),
    };
    document.addEventListener("pointerdown", () => (this.keyboard = false), true);
    document.addEventListener("keydown", (event) => {
      this.keyboard = true;
      if (element("help").open || event.ctrlKey || event.metaKey || event.altKey) return;
      const { target } = event;
      // Fields keep their own keys; so does a button the space bar.
      if (target.matches("input, select, textarea") && event.key !== "Escape") return;
      if (event.key === " " && target.matches("button, summary, a")) return;
      const action = actions[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    });
  }
}

new Page(JSON.parse(element("model").textContent));
