// The matrices: paints their entries, joins the two places of a weight, and tells what is pointed at.

import { draw, element } from "./dom.js";
import { fullNumeral, numeral } from "./numbers.js";
import { keyOf, quantityOf } from "./words.js";

export class Sheet {
  constructor(page) {
    this.page = page;
    this.sheet = element("sheet");
    this.joins = element("joins");
    this.entries = [...this.sheet.querySelectorAll(".slot")].map((cell) => {
      const { kind, node, wrt, name } = cell.dataset;
      const quantity = quantityOf(kind, Number(node), wrt === undefined ? null : Number(wrt));
      return { cell, name, quantity, key: keyOf(quantity), number: cell.firstElementChild };
    });
    this.at = 0;
    this.entries.forEach(({ cell, quantity }, k) => {
      cell.addEventListener("pointerenter", () => this.page.point(quantity));
      cell.addEventListener("pointerleave", () => this.page.point(null));
      cell.addEventListener("click", () => {
        this.at = k;
        this.page.keep(quantity);
      });
    });
    // MathML has no roles for its parts, so the sheet is one thing with a cursor in it.
    this.sheet.addEventListener("focus", () => this.sheet.matches(":focus-visible") && this.move(this.at));
    this.sheet.addEventListener("blur", () => this.leave());
    this.sheet.addEventListener("keydown", (event) => this.key(event));
    const scrollable = [...this.sheet.querySelectorAll(".numbers")];
    new ResizeObserver(() => scrollable.forEach((box) => {
      const wider = box.scrollWidth > box.clientWidth;
      if (wider) box.setAttribute("tabindex", "0");
      else box.removeAttribute("tabindex");
    })).observe(this.sheet);
  }

  key(event) {
    const entry = this.entries[this.at];
    if (!entry || event.target !== this.sheet) return;
    if (event.key === "Enter") this.page.keep(entry.quantity);
    else if (event.key === "ArrowLeft") this.move(this.at - 1);
    else if (event.key === "ArrowRight") this.move(this.at + 1);
    else if (event.key === "ArrowUp") this.move(this.beside(-1));
    else if (event.key === "ArrowDown") this.move(this.beside(1));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Put the cursor on an entry, point at it and say it. */
  move(k) {
    if (!this.entries[k]) return;
    this.leave();
    this.at = k;
    const { cell, quantity } = this.entries[k];
    cell.classList.add("cursor");
    cell.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.page.point(quantity);
    element("spoken").textContent = cell.dataset.spoken;
  }

  leave() {
    this.entries[this.at]?.cell.classList.remove("cursor");
    this.page.point(null);
  }

  /** The nearest entry in a row above or below the cursor. */
  beside(direction) {
    const here = this.entries[this.at].cell.getBoundingClientRect();
    let best = { distance: Infinity, k: this.at };
    this.entries.forEach(({ cell }, k) => {
      const there = cell.getBoundingClientRect();
      const down = direction * (there.top - here.top);
      const distance = 2 * down + Math.abs(there.left - here.left);
      if (down >= 4 && distance < best.distance) best = { distance, k };
    });
    return best.k;
  }

  paint(view, follow) {
    const { frame, focus } = view;
    const receiving = new Set(frame.reports.map(({ parent }) => parent));
    let now = null;
    for (const { cell, number, quantity, key, name } of this.entries) {
      const { value, status } = view.look(quantity);
      const text = status === "missing" ? "·" : numeral(value, 3);
      if (number.textContent !== text) number.textContent = text;
      cell.dataset.status = status;
      const spoken = status === "missing" ? "not yet" : text + (status === "partial" ? " so far" : "");
      cell.dataset.spoken = `${name} ${spoken}`;
      cell.setAttribute("title", `${name} = ${status === "missing" ? "not yet" : fullNumeral(value)}`);
      const computing =
        (frame.phase === "forward" && quantity.kind === "data" && quantity.node === frame.current) ||
        (frame.phase === "backward" && (quantity.kind === "grad" || quantity.kind === "new") &&
          (receiving.has(quantity.node) || (frame.seed && quantity.node === frame.current))) ||
        (frame.phase === "backward" && quantity.kind === "derivative" && quantity.node === frame.current && !frame.seed);
      cell.classList.toggle("now", computing);
      if (computing && !now && isLeft(cell)) now = cell;
      const lit = focus.main.has(key) || focus.members.has(quantity.node);
      cell.classList.toggle("lit", lit);
      cell.classList.toggle("source", focus.keys.has(key) && !lit);
    }
    if (follow && now) this.scrollTo(now);
    this.join(view);
  }

  /** Scroll within the sheet only, and only if the entry is out of sight. */
  scrollTo(cell) {
    const outer = this.sheet.parentElement;
    const inner = cell.closest(".equation").getBoundingClientRect();
    const frame = outer.getBoundingClientRect();
    if (outer.scrollHeight <= outer.clientHeight + 1) return;
    if (inner.top < frame.top || inner.bottom > frame.bottom) {
      outer.scrollTop += inner.top - frame.top - (frame.height - inner.height) / 2;
    }
  }

  /** A line between the two places of each weight that takes part: its row in W, its row in Wᵀ. */
  join({ focus }) {
    const places = new Map();
    for (const { cell, quantity, key } of this.entries) {
      if (quantity.kind !== "data" || !(focus.keys.has(key) || focus.members.has(quantity.node))) continue;
      const matrix = cell.closest(".matrix");
      if (cell.closest(".family").dataset.key === "update" || !matrix) continue;
      const pair = places.get(key) ?? {};
      if (matrix.classList.contains("transposed")) pair.turned ??= cell;
      else pair.plain ??= cell;
      places.set(key, pair);
    }
    const origin = this.sheet.getBoundingClientRect();
    const paths = [...places.values()].filter(({ plain, turned }) => plain && turned).map(({ plain, turned }) => {
      const [a, b] = [plain, turned].map((cell) => {
        const r = cell.getBoundingClientRect();
        return { x: r.left + r.width / 2 - origin.left, top: r.top - origin.top, bottom: r.bottom - origin.top };
      });
      const middle = (a.bottom + b.top) / 2;
      return `M${a.x},${a.bottom}C${a.x},${middle} ${b.x},${middle} ${b.x},${b.top}`;
    });
    this.joins.replaceChildren(...paths.map((d) => draw("path", { d })));
  }
}

/** Whether an entry stands left of the equals sign: the one that an equation computes. */
function isLeft(cell) {
  const matrix = cell.closest(".matrix");
  return matrix.parentElement.querySelector(".matrix") === matrix;
}
