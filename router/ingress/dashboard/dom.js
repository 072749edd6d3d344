// Small tools over the page: elements by id, rows that are reused, and numbers as people read them.

export const byId = (id) => document.getElementById(id);

/** Make an element with a class and a text. */
export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** Set a text only where it is another one: a text that stays costs no layout and keeps a selection. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Keep one child per item, by key and in order, and no other child; children are made once and filled again.
 *
 * Items of one key have a child each. What is left over goes first: a child that is moved loses the keyboard's focus. */
export function keep(parent, items, keyOf, create, fill) {
  const old = new Map();
  for (const child of parent.children) old.set(child.dataset.key, [...(old.get(child.dataset.key) ?? []), child]);
  const kept = items.map((item) => {
    const key = String(keyOf(item));
    const child = old.get(key)?.shift() ?? create(item);
    child.dataset.key = key;
    return child;
  });
  for (const left of old.values()) for (const child of left) child.remove();
  let place = parent.firstElementChild;
  kept.forEach((child, index) => {
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
    fill(child, items[index]);
  });
}

/** Make a table's row of cells; each says the name of its column where the table is shown as cards. */
export function row(names, numbers = new Set()) {
  const tr = make("tr");
  tr.setAttribute("role", "row");
  for (const name of names) {
    const td = make("td", numbers.has(name) ? "number" : "");
    td.setAttribute("role", "cell");
    td.dataset.label = name;
    tr.append(td);
  }
  return tr;
}

const SVG = "http://www.w3.org/2000/svg";

/** Make an element of a drawing. */
export function draw(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

// Every state has a word, a shape and a tone: colour alone tells nothing.
const STATES = {
  healthy: ["circle", "good"], running: ["circle", "good"], live: ["circle", "good"], admitted: ["circle", "good"],
  probation: ["half", "warn"], degraded: ["triangle", "warn"], cooldown: ["half", "warn"], loading: ["half", "warn"],
  "backing-off": ["half", "warn"], passive: ["triangle", "warn"], connecting: ["half", "warn"], stopping: ["half", "warn"],
  unhealthy: ["diamond", "bad"], excluded: ["cross", "bad"], exhausted: ["cross", "bad"], stale: ["triangle", "bad"],
  quarantined: ["cross", "bad"],
  held: ["square", "off"], disabled: ["dash", "off"], unconfigured: ["ring", "off"],
  reading: ["ring", "off"], queued: ["half", "warn"], asking: ["ring", "accent"], answering: ["circle", "accent"],
  "reading-on": ["half", "off"], ending: ["cross", "off"],
  info: ["dash", "off"], warning: ["triangle", "warn"], error: ["diamond", "bad"], critical: ["diamond", "bad"],
};

/** Show a state in an element: its shape, and its word behind it. */
export function showState(element, word, text = word) {
  if (element.dataset.word !== word) {
    const [shape, tone] = STATES[word] ?? ["ring", "off"];
    const svg = draw("svg", { class: "shape", "aria-hidden": "true", viewBox: "0 0 12 12" });
    svg.append(draw("use", { href: `#shape-${shape}` }));
    element.replaceChildren(svg, make("span"));
    element.dataset.word = word;
    element.dataset.tone = tone;
    element.classList.add("state");
  }
  say(element.lastElementChild, text);
}

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/** A count: exact up to 9,999, then in thousands or millions. */
export function count(value) {
  if (value < 10_000) return WHOLE.format(value);
  return value < 1_000_000 ? `${(value / 1000).toFixed(1)} k` : `${(value / 1_000_000).toFixed(1)} M`;
}

/** Milliseconds, as a duration. */
export function millis(value) {
  if (value === null || value === undefined) return "–";
  return value < 1000 ? `${Math.round(value)} ms` : seconds(value / 1000);
}

/** Seconds, as a duration. */
export function seconds(value) {
  const left = Math.max(value, 0);
  if (left < 10) return `${left.toFixed(1)} s`;
  if (left < 120) return `${Math.round(left)} s`;
  if (left < 7200) return `${Math.floor(left / 60)} min`;
  return left < 172_800 ? `${Math.floor(left / 3600)} h` : `${Math.floor(left / 86_400)} d`;
}

/** USD, to the cent, so that columns of it are aligned. */
export function usd(value) {
  if (value === null || value === undefined) return "–";
  return value > 0 && value < 0.01 ? "<$0.01" : `$${value.toFixed(2)}`;
}

/** A share, as per cent. */
export const percent = (share) =>
  share === null || share === undefined ? "–" : `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
