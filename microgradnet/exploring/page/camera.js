// Pan and zoom of one picture, by its viewBox: dragging, the wheel, two fingers, keys.

const CLOSEST = 4; // pixels a point
const READABLE = 0.72;

export class Camera {
  constructor(svg, canvas) {
    this.svg = svg;
    this.canvas = canvas;
    this.width = Number(svg.dataset.width);
    this.height = Number(svg.dataset.height);
    this.fingers = new Map();
    this.dragged = false;
    svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY / 400), this.at(event));
    }, { passive: false });
    svg.addEventListener("pointerdown", (event) => {
      if (this.fingers.size === 0) this.dragged = false;
      this.fingers.set(event.pointerId, this.at(event));
    });
    svg.addEventListener("pointermove", (event) => this.drag(event));
    for (const type of ["pointerup", "pointercancel", "pointerleave"]) {
      svg.addEventListener(type, (event) => this.fingers.delete(event.pointerId));
    }
  }

  /** The place in the picture under a pointer. */
  at(event) {
    const place = this.canvas.getBoundingClientRect();
    return {
      x: this.x + (event.clientX - place.left) / this.scale,
      y: this.y + (event.clientY - place.top) / this.scale,
    };
  }

  drag(event) {
    const from = this.fingers.get(event.pointerId);
    if (!from) return;
    const to = this.at(event);
    if (this.fingers.size === 2) {
      const [other] = [...this.fingers].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const span = (place) => Math.hypot(place.x - other.x, place.y - other.y) || 1;
      this.dragged = true;
      this.zoomBy(span(to) / span(from), other);
      this.fingers.set(event.pointerId, this.at(event));
      return;
    }
    if (!this.dragged && Math.hypot(to.x - from.x, to.y - from.y) * this.scale < 5) return;
    this.dragged = true;
    this.moveTo(this.x + from.x - to.x, this.y + from.y - to.y);
  }

  /** See the whole picture, or, where it would be too small to read, as much as can be read. */
  whole(readable = false) {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    if (!w || !h) return;
    const fitting = Math.min(w / (this.width + 24), h / (this.height + 36), 1.6);
    this.scale = readable ? Math.max(fitting, READABLE) : fitting;
    const left = this.width * this.scale > w ? -12 : (this.width - w / this.scale) / 2;
    this.moveTo(left, (this.height - h / this.scale) / 2 - 4);
  }

  zoomBy(factor, at = this.middle()) {
    const scale = Math.min(CLOSEST, Math.max(0.02, this.scale * factor));
    const ratio = this.scale / scale;
    this.scale = scale;
    this.moveTo(at.x - (at.x - this.x) * ratio, at.y - (at.y - this.y) * ratio);
  }

  middle() {
    return {
      x: this.x + this.canvas.clientWidth / this.scale / 2,
      y: this.y + this.canvas.clientHeight / this.scale / 2,
    };
  }

  /** Bring a place into view, if it is not: the nearer half of the way to the middle. */
  follow(x, y, always = false) {
    const w = this.canvas.clientWidth / this.scale;
    const h = this.canvas.clientHeight / this.scale;
    const margin = { x: Math.min(90, w / 4), y: Math.min(50, h / 4) };
    const inside = x > this.x + margin.x && x < this.x + w - margin.x && y > this.y + margin.y && y < this.y + h - margin.y;
    if (!inside || always) this.moveTo(x - w / 2, y - h / 2);
  }

  moveTo(x, y) {
    this.x = x;
    this.y = y;
    this.svg.setAttribute("viewBox", [x, y, this.canvas.clientWidth / this.scale, this.canvas.clientHeight / this.scale].join(" "));
  }

  resize() {
    if (this.scale) this.moveTo(this.x, this.y);
    else this.whole(true);
  }
}
