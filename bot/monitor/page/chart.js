// A line over the last hour, drawn as SVG, with the figure of now above it and a cursor for pointer and arrow keys.

import { element } from "./dom.js";
import { moment, word } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const HOUR = 3600;
const HEIGHT = 100;
/** Seconds between two samples beyond which the line is broken: nobody took any in between. */
const GAP = 25;

function svg(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

/** The next of 1, 2, 5, 10, 20, … that is not below `value`. */
export function ceiling(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

/** Runs of points without a gap in them. */
export function runs(points) {
  const found = [];
  for (const point of points) {
    const last = found.at(-1);
    if (last && point.at - last.at(-1).at <= GAP) last.push(point);
    else found.push([point]);
  }
  return found;
}

export class Chart {
  /** `key`: which figure of a point; `format`: how it is written; `top`: the scale's end, if it is fixed. */
  constructor(title, key, format, top) {
    Object.assign(this, { title, key, format, top, points: [], chosen: null, now: 0 });
    this.area = svg("path", { class: "area" });
    this.line = svg("path", { class: "line" });
    this.mark = svg("path", { class: "mark" });
    this.dot = svg("path", { class: "dot" });
    const drawing = svg("svg", { viewBox: `0 0 ${HOUR} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    drawing.append(this.area, this.line, this.mark, this.dot);
    this.name = element("h3", {});
    this.value = element("p", { class: "value" });
    this.scale = element("span", { class: "scale" });
    this.readout = element("span", { class: "readout", hidden: true });
    // A slider over time: screen readers say the chosen moment, arrow keys move it.
    this.plot = element(
      "div",
      {
        class: "plot",
        role: "slider",
        tabindex: "0",
        keydown: (event) => this.onKey(event),
        pointermove: (event) => this.choose(this.nearest(event)),
        pointerdown: (event) => this.choose(this.nearest(event)),
        pointerleave: () => this.choose(null),
        blur: () => this.choose(null),
      },
      drawing,
      this.scale,
      this.readout,
    );
    this.from = element("span");
    this.to = element("span");
    const axis = element("p", { class: "axis", "aria-hidden": "true" }, this.from, this.to);
    this.node = element("figure", { class: "card chart" }, element("figcaption", {}, this.name, this.value), this.plot, axis);
  }

  /** Draw these points, oldest first. `now` in seconds is the right edge. */
  draw(points, now) {
    Object.assign(this, { points, now });
    const values = points.map((point) => point[this.key]);
    this.highest = Math.max(0, ...values);
    this.end = this.top ?? ceiling(this.highest);
    this.from.textContent = word("hourAgo");
    this.to.textContent = word("nowAxis");
    this.name.textContent = word(this.title);
    const last = points.at(-1);
    const isCurrent = last && now - last.at <= 2 * GAP;
    this.value.textContent = isCurrent ? this.format(last[this.key]) : "–";
    this.scale.textContent = points.length ? this.format(this.end) : word("noPoints");
    let line = "";
    let area = "";
    for (const run of runs(points)) {
      const path = run.map((point) => `${this.x(point)} ${this.y(point)}`).join("L");
      // A single sample is still a dot of the line's width.
      line += `M${path}${run.length === 1 ? "h0" : ""}`;
      area += `M${this.x(run[0])} ${HEIGHT}L${path}L${this.x(run.at(-1))} ${HEIGHT}Z`;
    }
    this.line.setAttribute("d", line);
    this.area.setAttribute("d", area);
    const values_ = { title: word(this.title), now: this.value.textContent, highest: this.format(this.highest) };
    this.plot.setAttribute("aria-label", word("summary", values_));
    this.plot.setAttribute("aria-valuemin", 0);
    this.plot.setAttribute("aria-valuemax", Math.max(0, points.length - 1));
    // What was chosen has moved to the left, or has gone.
    this.choose(this.chosen && points.includes(this.chosen) ? this.chosen : null);
  }

  x = (point) => Math.round(HOUR - (this.now - point.at));

  y = (point) => Math.round((1 - Math.min(point[this.key], this.end) / this.end) * HEIGHT * 100) / 100;

  nearest({ clientX }) {
    const { left, width } = this.plot.getBoundingClientRect();
    const at = this.now - HOUR * (1 - (clientX - left) / width);
    const distance = (point) => Math.abs(point.at - at);
    return this.points.reduce((best, point) => (best && distance(best) <= distance(point) ? best : point), null);
  }

  onKey(event) {
    if (!this.points.length) return;
    const last = this.points.length - 1;
    const at = this.chosen ? this.points.indexOf(this.chosen) : last;
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -30, PageUp: 30 };
    const next = { Home: 0, End: last }[event.key] ?? at + steps[event.key];
    if (event.key === "Escape") this.choose(null);
    if (Number.isNaN(next)) return;
    event.preventDefault();
    this.choose(this.points[Math.min(Math.max(next, 0), last)]);
  }

  choose(point) {
    this.chosen = point;
    this.readout.hidden = !point;
    this.mark.setAttribute("d", point ? `M${this.x(point)} 0V${HEIGHT}` : "");
    this.dot.setAttribute("d", point ? `M${this.x(point)} ${this.y(point)}h0` : "");
    const shown = point ?? this.points.at(-1);
    this.plot.setAttribute("aria-valuenow", shown ? this.points.indexOf(shown) : 0);
    const text = shown ? `${moment(shown.at)} · ${this.format(shown[this.key])}` : word("noPoints");
    this.plot.setAttribute("aria-valuetext", text);
    if (!point) return;
    this.readout.textContent = text;
    const share = this.x(point) / HOUR;
    this.readout.style.insetInlineStart = `${share * 100}%`;
    this.readout.style.translate = `${-share * 100}% 0`;
  }
}
