// The live page: one stream of news, a state that it changes, and panels that are drawn from the state.

import { makeCharts, Points } from "./charts.js";
import { byId, keep, make, say, seconds, showState } from "./dom.js";
import { countOn, showCost, showDaemon, showEvents, showFigures, showLive, showProviders, showTokens, showTree } from "./panels.js";

const STALE_AFTER_S = 12; // the daemon gives a sign of life every 5 s
const RETRY_S = [1, 2, 5, 10];
const DRAW_EVERY_MS = 200; // however fast news come: nobody reads faster
const MAX_EVENTS = 100;
const SURE_MS = 4000;
const HIDDEN_MS = 30_000; // then a page that nobody sees lets go of its stream: a browser has six per router

const state = { daemon: null, providers: [], live: null, tree: null, spend: null, traffic: null };
const points = new Points();
const charts = makeCharts(byId("charts-all"), timeOf);
let events = [];
let lost = 0;
let heard = null; // when the last news came, of this machine's monotonic clock
let offset = 0; // what the daemon's clock is ahead of this machine's, seconds
let source = null;
let tries = 0;
let retry = null;
let hiding = null;
const dirty = new Set();
let isPlanned = false;
let drawnAt = 0;

const now = () => Date.now() / 1000 + offset;
const chosen = () => document.querySelector("input[name=window]:checked").value;

// ---- the stream

function connect() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource("/dashboard/events");
  source.addEventListener("open", () => {
    points.clear();
    events = [];
    lost = 0;
  });
  source.addEventListener("news", (event) => take(JSON.parse(event.data)));
  source.addEventListener("beat", (event) => hear(JSON.parse(event.data)));
  source.addEventListener("bye", () => again("the router is stopping"));
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) again("refused");
    else showConnection();
  });
}

/** Ask again after a while; where the router wants a token by now, say where it is given. */
async function again(why) {
  source.close();
  heard = null;
  showConnection();
  const wait = RETRY_S[Math.min(tries, RETRY_S.length - 1)];
  tries += 1;
  retry = setTimeout(connect, wait * 1000);
  if (why !== "refused") return;
  try {
    const answer = await fetch("/dashboard", { method: "HEAD" });
    if (answer.redirected) window.location.assign(answer.url);
  } catch {
    // it is not there: the next try tells
  }
}

/** Let go of the stream where nobody has seen the page for a while; take it up again where somebody does. */
function onSight() {
  clearTimeout(hiding);
  if (document.hidden) {
    hiding = setTimeout(() => {
      clearTimeout(retry);
      source.close();
      heard = null;
      tries = 0;
    }, HIDDEN_MS);
  } else {
    if (source.readyState === EventSource.CLOSED) connect();
    redraw("charts");
  }
}

function hear(message) {
  heard = performance.now();
  tries = 0;
  offset = message.now - Date.now() / 1000;
  showConnection();
}

function take(message) {
  for (const [name, part] of Object.entries(message.parts ?? {})) {
    state[name] = part;
    dirty.add(name);
  }
  if (message.points) {
    points.take(message.points);
    dirty.add("points");
  }
  if (message.events) {
    events = [...message.events.reverse(), ...events].slice(0, MAX_EVENTS);
    lost += message.lost;
    dirty.add("events");
  }
  hear(message);
  plan();
}

function showConnection() {
  const silent = heard === null ? Infinity : (performance.now() - heard) / 1000;
  const isLive = silent < STALE_AFTER_S && source.readyState === EventSource.OPEN;
  const isFirst = heard === null && tries === 0;
  showState(byId("connection"), isLive ? "live" : isFirst ? "connecting" : "stale");
  const stale = byId("stale");
  stale.hidden = isLive || isFirst;
  if (!stale.hidden) {
    const since = Number.isFinite(silent) ? ` for ${seconds(silent)}` : "";
    say(stale, `No data from the router${since}: what is shown is old. Reconnecting automatically.`);
  }
  byId("board").classList.toggle("old", !stale.hidden);
}

// ---- the drawing

function plan() {
  if (isPlanned || document.hidden) return;
  isPlanned = true;
  const rest = DRAW_EVERY_MS - (performance.now() - drawnAt);
  setTimeout(() => requestAnimationFrame(drawAll), Math.max(rest, 0));
}

function drawAll() {
  isPlanned = false;
  drawnAt = performance.now();
  if (state.daemon === null) return;
  const changed = new Set(dirty);
  dirty.clear();
  const is = (...names) => names.some((name) => changed.has(name));
  const window = chosen();
  byId("board").hidden = false;
  if (is("daemon")) showDaemon(state);
  if (is("daemon", "providers", "traffic", "window")) showProviders(state, window);
  if (is("traffic", "window", "spend", "live") && state.traffic) showFigures(state, window);
  if (is("traffic", "window") && state.traffic) showTokens(state, window);
  if (is("spend") && state.spend) showCost(state);
  if (is("live") && state.live) showLive(state, cancel);
  if (is("tree") && state.tree) showTree(state);
  if (is("points", "traffic", "charts")) drawCharts();
  if (is("events") && !byId("events-hold").checked) drawEvents();
  countOn(now());
}

function drawCharts() {
  const pick = byId("charts-of");
  const names = [["", "all requests"], ...[...points.names()].sort().map((name) => [name, name])];
  keep(pick, names, ([name]) => name, ([name, text]) => Object.assign(make("option", "", text), { value: name }), () => {});
  const at = now();
  const totals = (window) => (pick.value ? state.traffic?.[window].providers[pick.value] : state.traffic?.[window].all);
  for (const chart of charts) chart.show(points.of(chart.window, pick.value, at), totals(chart.window), at);
}

function drawEvents() {
  const only = byId("events-warnings").checked;
  showEvents(only ? events.filter((one) => one.level !== "info") : events, timeOf);
  say(byId("events-lost"), lost ? `${lost} arrived too fast to be shown` : "");
}

let format = null;
let formatOf = "";

function timeOf(wall) {
  const zone = state.daemon?.timezone ?? "UTC";
  if (format === null || formatOf !== zone) {
    const how = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    try {
      format = new Intl.DateTimeFormat("en", { ...how, timeZone: zone });
    } catch {
      format = new Intl.DateTimeFormat("en", { ...how, timeZone: "UTC" }); // a zone that this browser does not know
    }
    formatOf = zone;
  }
  return format.format(new Date(wall * 1000));
}

// ---- what a person does

async function cancel(button, id) {
  if (!button.dataset.sure) {
    button.dataset.sure = "1";
    button.textContent = "Really?";
    button.setAttribute("aria-label", `Really cancel request ${id}?`);
    setTimeout(() => unsure(button, id), SURE_MS);
    return;
  }
  unsure(button, id);
  // A button that goes takes the focus with it. Not to the next one: an Enter that is held would cancel them all.
  if (document.activeElement === button) byId("live-title").focus();
  button.disabled = true;
  say(byId("live-told"), await askToCancel(id));
}

function unsure(button, id) {
  delete button.dataset.sure;
  button.textContent = "Cancel";
  button.setAttribute("aria-label", `Cancel request ${id}`);
}

async function askToCancel(id) {
  try {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`/admin/requests/${encodeURIComponent(id)}/cancel`, { method: "POST", headers, body: "{}" });
    const body = await answer.json();
    if (answer.ok) return body.result === "cancelled" ? `Request ${id} was cancelled.` : `Request ${id} is already ending.`;
    const more = answer.status === 401 ? " Log in with the admin token at /dashboard/login." : "";
    return `${body.error?.message ?? body.error ?? `The router refused: ${answer.status}`}.${more}`;
  } catch {
    return "The router cannot be reached.";
  }
}

const THEMES = ["system", "light", "dark"];

function showTheme() {
  const theme = document.documentElement.dataset.theme ?? "system";
  say(byId("theme"), `Theme: ${theme}`);
}

function nextTheme() {
  const theme = document.documentElement.dataset.theme ?? "system";
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
  if (next === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("theme", next);
  } catch {
    // it lasts as long as the page, then
  }
  showTheme();
}

function redraw(...names) {
  for (const name of names) dirty.add(name);
  plan();
}

byId("theme").addEventListener("click", nextTheme);
byId("window").addEventListener("change", () => redraw("window"));
byId("charts-of").addEventListener("change", () => redraw("charts"));
byId("events-warnings").addEventListener("change", () => redraw("events"));
byId("events-hold").addEventListener("change", () => redraw("events"));
document.addEventListener("visibilitychange", onSight);
setInterval(() => {
  showConnection();
  if (!byId("board").hidden && heard !== null) {
    countOn(now());
    redraw("charts");
  }
}, 1000);

showTheme();
showState(byId("connection"), "connecting");
connect();
