// Four charts: time to first token and latency, over 5 minutes and over 1 hour. Each is a fixed number of nodes that are
// drawn anew; a day of figures makes the page no larger.

import { count, draw, make, millis, say } from "./dom.js";

const WINDOWS = { "5m": { width: 5, text: "5 min" }, "1h": { width: 60, text: "1 h" } };
const BUCKETS = 60;
const KINDS = { ttft: "First token", latency: "Latency" };
const HEIGHT = 150, LEFT = 52, RIGHT = 8, TOP = 8, BOTTOM = 22, BARS = 26;
const STEPS = [1, 10, 100, 1e3, 1e4, 1e5, 1e6].flatMap((power) => [power, 2 * power, 5 * power]); // ms: beyond what is measured
const LINES = 7; // as many powers of ten, at most

/** The points of every name and window, the newest BUCKETS of each. */
export class Points {
  #known = new Map();

  clear() {
    this.#known.clear();
  }

  take(points) {
    for (const point of points) {
      const key = `${point.window}/${point.name}`;
      if (!this.#known.has(key)) this.#known.set(key, new Map());
      const own = this.#known.get(key);
      own.set(point.at, point);
      while (own.size > BUCKETS + 1) own.delete(own.keys().next().value);
    }
  }

  /** The points within a window that ends now, by time; from the last second of the newest bucket on nothing moves. */
  of(window, name, now) {
    const width = WINDOWS[window].width, oldest = now - BUCKETS * width;
    const own = this.#known.get(`${window}/${name}`);
    if (own === undefined) return [];
    for (const at of own.keys()) if (at > now + width) own.delete(at); // the daemon's clock was set back
    return [...own.values()].filter((point) => point.at > oldest).sort((a, b) => a.at - b.at);
  }

  names() {
    return new Set([...this.#known.keys()].map((key) => key.slice(key.indexOf("/") + 1)).filter(Boolean));
  }
}

export class Chart {
  #width = 320;
  #points = [];
  #totals = null;
  #now = 0;
  #over = null; // where the pointer is, in the drawing's own units

  constructor(parent, kind, window, timeOf = String) {
    this.kind = kind;
    this.window = window;
    this.timeOf = timeOf;
    this.#build(parent);
    new ResizeObserver(([entry]) => {
      this.#width = Math.max(entry.contentRect.width, 160);
      this.show(this.#points, this.#totals, this.#now);
    }).observe(this.figure);
  }

  #build(parent) {
    this.figure = make("figure", "chart");
    const caption = make("figcaption");
    this.readout = make("span", "readout");
    this.head = make("span");
    caption.append(this.head, this.readout);
    this.svg = draw("svg", { role: "img", height: HEIGHT });
    this.grid = Array.from({ length: LINES }, () => draw("path", { class: "grid" }));
    this.ticks = this.grid.map(() => draw("text", { class: "tick", "text-anchor": "end" }));
    this.ends = ["start", "end"].map((anchor) => draw("text", { class: "tick", "text-anchor": anchor }));
    const shape = (name) => draw("path", { class: name });
    [this.bars, this.band, this.line, this.fails, this.cross] = ["bars", "band", "line", "fails", "cross"].map(shape);
    this.counted = draw("text", { class: "tick", "text-anchor": "middle" });
    const shapes = [this.bars, this.band, this.line, this.fails, this.cross];
    this.svg.append(...this.grid, ...shapes, this.counted, ...this.ticks, ...this.ends);
    this.ends[0].textContent = `${WINDOWS[this.window].text} ago`;
    this.ends[1].textContent = "now";
    this.figure.append(caption, this.svg);
    parent.append(this.figure);
    this.svg.addEventListener("pointermove", (event) => this.#point(event));
    this.svg.addEventListener("pointerleave", () => this.#point(null));
  }

  /** Draw the points of a window that ends now; `totals` is the whole window in figures. */
  show(points, totals, now) {
    this.#points = points;
    this.#totals = totals;
    this.#now = now;
    const told = points.filter((point) => this.#high(point) !== null);
    const [low, high] = scaleOf(told.flatMap((point) => [this.#low(point), this.#high(point)]));
    const share = (value) => Math.log(Math.max(value, low) / low) / Math.log(high / low);
    const y = (value) => TOP + (1 - share(value)) * (HEIGHT - TOP - BOTTOM);
    this.svg.setAttribute("viewBox", `0 0 ${this.#width} ${HEIGHT}`);
    this.#frame(told.length > 0 ? ticksOf(low, high) : [], y);
    const runs = runsOf(points, (point) => this.#high(point) !== null, WINDOWS[this.window].width);
    const middle = (point) => [this.#x(point), y(this.#low(point))];
    const upper = (point) => [this.#x(point), y(this.#high(point))];
    this.line.setAttribute("d", runs.map((run) => path(run.map(middle)) + (run.length === 1 ? "h.01" : "")).join(""));
    this.band.setAttribute("d", runs.map((run) => `${path([...run.map(upper), ...run.map(middle).reverse()])}z`).join(""));
    this.#counts(points);
    this.#read();
  }

  #frame(values, y) {
    this.grid.forEach((line, index) => {
      const value = values[index] ?? null, at = value === null ? HEIGHT - BOTTOM : y(value);
      line.setAttribute("d", `M${LEFT} ${round(at)}H${this.#width - RIGHT}`);
      place(this.ticks[index], LEFT - 6, round(at) + 4);
      say(this.ticks[index], value === null ? "" : tick(value));
    });
    place(this.ends[0], LEFT, HEIGHT - 5);
    place(this.ends[1], this.#width - RIGHT, HEIGHT - 5);
    place(this.counted, (LEFT + this.#width - RIGHT) / 2, HEIGHT - 5);
  }

  #counts(points) {
    const most = Math.max(...points.map((point) => point.requests), 1);
    const base = HEIGHT - BOTTOM, wide = Math.max((this.#width - LEFT - RIGHT) / BUCKETS - 1, 1);
    const bar = (point, high) => `M${round(this.#x(point) - wide / 2)} ${base}v${-round(high)}h${round(wide)}v${round(high)}z`;
    this.bars.setAttribute("d", points.map((point) => bar(point, (point.requests / most) * BARS)).join(""));
    const failed = points.filter((point) => point.failures);
    this.fails.setAttribute("d", failed.map((point) => bar(point, 4)).join(""));
  }

  #point(event) {
    const box = this.svg.getBoundingClientRect();
    this.#over = event === null ? null : ((event.clientX - box.left) / box.width) * this.#width;
    this.#read();
  }

  /** Say the figures of the window, or of the step that is pointed at, with its time. */
  #read() {
    const distance = (point) => Math.abs(this.#x(point) - this.#over);
    const nearest = (best, point) => (best === null || distance(point) < distance(best) ? point : best);
    const step = this.#over === null ? null : this.#points.reduce(nearest, null);
    this.cross.setAttribute("d", step === null ? "" : `M${round(this.#x(step))} ${TOP}V${HEIGHT - BOTTOM}`);
    const kind = KINDS[this.kind], { text } = WINDOWS[this.window];
    say(this.head, step === null ? `${kind}, ${text}` : this.timeOf(step.at));
    say(this.readout, this.#figures(step ?? this.#totals));
    say(this.counted, step === null ? "" : counted(step));
    const whole = `${this.#figures(this.#totals)}; ${counted(this.#totals)}`;
    this.svg.setAttribute("aria-label", `${kind} of the last ${text}: ${whole}`);
  }

  #figures(told) {
    if (!told || this.#low(told) === null) return "no figures";
    return `median ${millis(this.#low(told))}, p95 ${millis(this.#high(told))}`;
  }

  #x(point) {
    const { width } = WINDOWS[this.window];
    const share = 1 - (this.#now - point.at - width / 2) / (BUCKETS * width);
    return LEFT + Math.min(Math.max(share, 0), 1) * (this.#width - LEFT - RIGHT);
  }

  #low(point) {
    return point[`${this.kind}_p50_ms`];
  }

  #high(point) {
    return point[`${this.kind}_p95_ms`];
  }
}

/** The charts, in the order in which they are shown. */
export const makeCharts = (parent, timeOf) =>
  Object.keys(KINDS).flatMap((kind) => Object.keys(WINDOWS).map((window) => new Chart(parent, kind, window, timeOf)));

const round = (value) => Math.round(value * 10) / 10;
const path = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${round(x)} ${round(y)}`).join("");

function place(text, x, y) {
  text.setAttribute("x", x);
  text.setAttribute("y", y);
}

/** The ends of a logarithmic scale, ms: one answer that took minutes flattens no others, and noise fills no whole chart. */
function scaleOf(values) {
  const high = Math.min(...STEPS.filter((step) => step >= Math.max(...values, 10)));
  const low = Math.max(...STEPS.filter((step) => step <= Math.max(Math.min(0.9 * Math.min(...values), high / 10), 1)));
  return [low, high];
}

/** The steps of a short scale; of a long one each that is ten times the one before. */
function ticksOf(low, high) {
  const within = STEPS.filter((step) => step >= low && step <= high);
  return within.length <= 5 ? within : within.filter((step) => Number.isInteger(Math.log10(step)));
}

/** How many requests, and how many of them have failed or were refused. */
function counted(told) {
  const failed = told?.failures ? `, ${count(told.failures)} failed` : "";
  const refused = told?.refused ? `, ${count(told.refused)} refused` : "";
  return `${count(told?.requests ?? 0)} requests${failed}${refused}`;
}

const tick = (value) => (value < 1000 ? `${value} ms` : `${count(value / 1000)} s`);

/** Runs of neighbours that have a figure: a line over a silence would tell what nobody measured. */
function runsOf(points, isTold, width) {
  const runs = [];
  let last = null;
  for (const point of points) {
    if (isTold(point)) {
      if (last !== null && point.at - last.at <= width * 1.5) runs.at(-1).push(point);
      else runs.push([point]);
      last = point;
    }
  }
  return runs;
}
