// What each panel shows of its part of the news. A panel only reads the state; what it shows is filled into rows that stay.

import { byId, count, keep, make, millis, percent, row, say, seconds, showState, usd } from "./dom.js";

const NUMBERS = new Set(["Next probe", "Restarts", "In flight", "Asked", "Failed", "TTFT", "Latency", "Age", "In", "Out", "Cached", "Hit rate", "Today", "Month", "Cap"]);
const PROVIDER = ["Provider", "State", "Why", "Next probe", "Restarts", "In flight", "Asked", "Failed", "TTFT", "Latency"];
const LIVE = ["Request", "Asked for", "Provider", "Phase", "Age", "TTFT", "Action"];
const TOKENS = ["Provider", "In", "Out", "Cached", "Hit rate"];
const ACCOUNT = ["Provider", "Today", "Month", "Cap"];

const nameOf = (item) => item.name;
const rowOf = (names) => () => row(names, NUMBERS);

/** Let an element count: up from, or down to, a moment in unix seconds. */
function counts(element, key, moment) {
  const value = moment === null || moment === undefined ? "" : String(moment);
  if (element.dataset[key] === value) return;
  if (value === "") {
    delete element.dataset[key];
    element.textContent = "–";
  } else {
    element.dataset[key] = value;
  }
}

/** Write every counting text anew; `now` in unix seconds of the daemon's clock. */
export function countOn(now) {
  for (const one of document.querySelectorAll("[data-since]")) say(one, seconds(now - Number(one.dataset.since)));
  for (const one of document.querySelectorAll("[data-until]")) {
    const left = Number(one.dataset.until) - now;
    say(one, left > 0.5 ? `in ${seconds(Math.ceil(left))}` : "now");
  }
}

function facts(list, pairs) {
  keep(list, pairs, ([name]) => name, () => {
    const one = make("div");
    one.append(make("dt"), make("dd"));
    return one;
  }, (one, [name, text, key]) => {
    say(one.firstElementChild, name);
    if (key) counts(one.lastElementChild, key, text);
    else say(one.lastElementChild, text);
  });
}

export function showDaemon({ daemon }) {
  showState(byId("daemon-state"), daemon.status);
  facts(byId("facts"), [
    ["Version", daemon.version],
    ["Up", daemon.started_at, "since"],
    ["Default profile", daemon.default_profile],
    ["Configuration", `no. ${daemon.generation}`],
  ]);
  const recording = byId("recording");
  recording.hidden = !daemon.recorded;
  say(recording, daemon.recorded);
  showAttention(daemon);
}

function showAttention(daemon) {
  const child = (one) => `${one.name}: ${one.state}, ${one.restarts} restarts${one.last_error ? `: ${one.last_error}` : ""}`;
  const items = [
    ...(daemon.is_routable ? [] : [["error", `No provider can answer for the default profile, ${daemon.default_profile}.`]]),
    ...(daemon.is_last_resort ? [["warning", "All providers of the default profile are out; requests go to them as a last resort."]] : []),
    ...daemon.degraded.filter((part) => !daemon.is_last_resort || part !== `profile/${daemon.default_profile}`).map((part) => ["error", `Degraded: ${part}: ${daemon.degraded_why[part]}`]),
    ...daemon.rejected.map((text) => ["error", `New configuration refused: ${text}`]),
    ...daemon.supervisors.map((one) => ["warning", `Supervisor ${child(one)}`]),
    ...daemon.warnings.map((text) => ["warning", text]),
  ];
  byId("attention").classList.toggle("well", items.length === 0);
  const shown = items.length ? items : [["healthy", "Nothing is degraded."]];
  const each = [...new Map(shown.map((item) => [item[1], item])).values()]; // two things may warn in the same words
  keep(byId("attention-list"), each, ([, text]) => text, () => make("li"), (li, [level, text]) => showState(li, level, text));
}

export function showProviders({ daemon, providers, traffic }, window) {
  const words = new Map(providers.map((one) => [one.name, one.word]));
  const chains = Object.entries(daemon.profiles);
  keep(byId("chains"), chains, ([name]) => name, () => {
    const li = make("li");
    li.append(make("b"), make("ol"));
    return li;
  }, (li, [name, chain]) => {
    say(li.firstElementChild, name === daemon.default_profile ? `${name} (default)` : name);
    keep(li.lastElementChild, chain, (one) => one, () => make("li"), (link, one) => showState(link, words.get(one) ?? "unconfigured", one));
  });
  const figures = traffic?.[window]?.providers ?? {};
  keep(byId("providers-rows"), providers, nameOf, rowOf(PROVIDER), (tr, one) => fillProvider(tr.children, one, figures[one.name]));
}

function fillProvider(cells, one, told) {
  two(cells[0], one.name, one.model || one.kind);
  cells[0].title = `kind: ${one.kind}`;
  if (!cells[1].firstElementChild) cells[1].append(make("span"));
  showState(cells[1].firstElementChild, one.word);
  const process = one.process ? `server ${one.process}` : "";
  two(cells[2], one.why || process || "–", one.why && process ? process : "");
  cells[2].firstElementChild.classList.toggle("blank", !one.why && !process);
  counts(cells[3], "until", one.next_probe_at ?? one.back_at);
  const left = one.restarts ? `${one.restarts.used} of ${one.restarts.max}` : "–";
  say(cells[4], one.is_restart_owed ? `${left}, one due` : left);
  cells[4].title = one.restarts ? `restarts used in ${seconds(one.restarts.window_s)}` : "this provider has no restart table";
  say(cells[5], count(one.in_flight));
  say(cells[6], count(told?.requests ?? 0));
  say(cells[7], count(told?.failures ?? 0));
  cells[7].classList.toggle("bad", Boolean(told?.failures));
  say(cells[8], millis(told?.ttft_p50_ms));
  say(cells[9], millis(told?.latency_p50_ms));
}

/** Fill a cell with a text, and a smaller one below it. */
function two(cell, text, more) {
  if (!cell.firstElementChild) cell.append(make("span", "first"), make("span", "more"));
  say(cell.firstElementChild, text);
  say(cell.lastElementChild, more);
}

export function showFigures({ traffic, spend, live }, window) {
  const all = traffic[window].all, minutes = window === "5m" ? 5 : 60;
  const asked = all.requests - all.cancelled - all.refused; // those for which a provider was asked, to their end
  facts(byId("figures"), [
    ["Requests", count(all.requests)],
    ["Failed", asked ? `${count(all.failures)} (${percent(all.failures / asked)})` : "0"],
    ["Refused", count(all.refused)],
    ["In flight", count(live?.count ?? 0)],
    ["TTFT, median", millis(all.ttft_p50_ms)],
    ["Latency, median", millis(all.latency_p50_ms)],
    ["Tokens out per minute", count(Math.round(all.output_tokens / minutes))],
    ["Cache hit rate", percent(all.cache_hit_rate)],
    ["Cost today", spend?.today ? usd(spend.today.spent_usd) : "–"],
  ]);
}

export function showTokens({ traffic }, window) {
  const { all, providers } = traffic[window];
  const rows = [...Object.entries(providers).map(([name, one]) => ({ name, one })), { name: "All", one: all }];
  keep(byId("tokens-rows"), rows, nameOf, rowOf(TOKENS), (tr, { name, one }) => {
    const texts = [name, count(one.input_tokens + one.cache_read_tokens + one.cache_write_tokens), count(one.output_tokens), count(one.cache_read_tokens), percent(one.cache_hit_rate)];
    texts.forEach((text, index) => say(tr.children[index], text));
    tr.classList.toggle("sum", name === "All");
  });
}

export function showCost({ spend }) {
  if (!spend.today) return;
  const budgets = [["Today", spend.day, spend.today], ["This month", spend.month, spend.this_month]];
  keep(byId("budgets"), budgets, ([name]) => name, makeBudget, fillBudget);
  for (const kind of ["providers", "profiles"]) {
    const none = [{ name: "nothing spent, no cap", today_usd: null, month_usd: null, cap_usd: null }];
    keep(byId(`cost-${kind}`), spend[kind].length ? spend[kind] : none, nameOf, rowOf(ACCOUNT), (tr, one) => {
      [one.name, usd(one.today_usd), usd(one.month_usd), usd(one.cap_usd)].forEach((text, index) => say(tr.children[index], text));
      tr.lastElementChild.classList.toggle("bad", one.cap_usd !== null && one.month_usd >= one.cap_usd);
    });
  }
}

function makeBudget() {
  const one = make("div", "budget");
  const bar = make("div", "gauge");
  bar.append(make("span"));
  one.append(make("span", "name"), make("strong"), make("span", "more"), bar);
  return one;
}

function fillBudget(one, [name, period, standing]) {
  const [title, spent, more, bar] = one.children;
  say(title, `${name} (${period})`);
  say(spent, usd(standing.spent_usd));
  const held = standing.reserved_usd > 0 ? `, ${usd(standing.reserved_usd)} held` : "";
  say(more, (standing.cap_usd === null ? "no cap" : `of ${usd(standing.cap_usd)}`) + held);
  const share = standing.cap_usd ? Math.min(standing.spent_usd / standing.cap_usd, 1) : 0;
  bar.hidden = standing.cap_usd === null;
  bar.firstElementChild.style.width = `${100 * share}%`;
  bar.dataset.tone = share >= 0.95 ? "bad" : share >= 0.8 ? "warn" : "accent";
}

/** Who asks: the program, which of its agents, and the conversation, as far as they are known; `name` writes the two keys. */
function whoOf(one, name) {
  const agent = [one.request_class === "main" ? "main agent" : one.request_class, name(one.agent)].filter(Boolean).join(" ");
  return [one.client, agent, one.session && `session ${name(one.session)}`].filter(Boolean);
}

/** A key in so many characters as tell it from others: some begin alike, as those that are made of the time of day. */
function short(key) {
  const bare = key.replace(/^sha256:/, "");
  return bare.length <= 16 ? bare : `${bare.slice(0, 8)}...${bare.slice(-4)}`;
}

export function showLive({ live }, onCancel) {
  const shown = live.requests.length;
  say(byId("live-count"), shown < live.count ? `${live.count}, the oldest ${shown} shown` : String(live.count));
  byId("live-none").hidden = live.count > 0;
  keep(byId("live-rows"), live.requests, (one) => one.number, () => {
    const tr = row(LIVE, NUMBERS);
    const button = make("button", "small", "Cancel");
    button.type = "button";
    button.addEventListener("click", () => onCancel(button, tr.dataset.id));
    tr.lastElementChild.append(button);
    tr.children[3].append(make("span"));
    return tr;
  }, (tr, one) => {
    const [request, asked, provider, phase, age, ttft, action] = tr.children;
    tr.dataset.id = one.id;
    two(request, one.id, whoOf(one, short).join(" · "));
    request.title = [one.id, ...whoOf(one, String)].join("\n");
    two(asked, one.asked_model || "–", one.profile);
    asked.title = [one.asked_model, one.profile, `dialect ${one.dialect}`].filter(Boolean).join("\n");
    const tried = [one.model, one.attempts > 1 ? `attempt ${one.attempts}` : ""].filter(Boolean);
    two(provider, one.provider || "–", tried.join(" · "));
    provider.title = [one.provider, ...tried].filter(Boolean).join("\n");
    showState(phase.firstElementChild, one.phase);
    counts(age, "since", one.opened_at);
    say(ttft, millis(one.ttft_ms));
    const button = action.firstElementChild;
    button.disabled = !one.can_cancel;
    if (!button.dataset.sure) button.setAttribute("aria-label", `Cancel request ${one.id}`);
  });
}

export function showTree({ tree }) {
  say(byId("tree-count"), `${tree.count} tasks`);
  const rows = tree.rows.map((one, index) => ({ ...one, index }));
  keep(byId("tree-rows"), rows, (one) => one.index, () => {
    const li = make("li", "node");
    li.append(make("span", "name"), make("span", "does"), make("span", "until"));
    return li;
  }, (li, one) => {
    const [name, does, until] = li.children;
    li.style.setProperty("--depth", one.depth);
    say(name, one.name);
    const waits = one.waits && `waits in ${one.waits}`;
    say(does, one.state === "cancelled" ? ["being cancelled", waits].filter(Boolean).join(", ") : waits || one.state);
    counts(until, "until", one.until);
    if (one.until === null) say(until, "");
  });
}

/** Show the newest events first, into rows that are used again and again. */
export function showEvents(events, timeOf) {
  const rows = events.map((one, index) => ({ one, index }));
  keep(byId("events-rows"), rows, ({ index }) => index, () => {
    const li = make("li", "event");
    li.append(make("time"), make("span"), make("b"), make("span", "about"), make("span", "text"));
    return li;
  }, (li, { one }) => {
    const [time, level, name, about, text] = li.children;
    say(time, timeOf(one.wall));
    showState(level, one.level);
    level.classList.add("level");
    say(name, one.name);
    say(about, [one.provider, one.request_id].filter(Boolean).join(" · "));
    say(text, one.text);
  });
}
