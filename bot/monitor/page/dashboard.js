// The dashboard: asks for the figures every two seconds while somebody looks, and shows them.

import { Chart } from "./chart.js";
import { element } from "./dom.js";
import { count, language, moment, ours, share, span, speak, word, wordOr } from "./words.js";

const EVERY = 2000;
const PATIENCE = 10000;
const HOUR = 3600;
/** Seconds of waiting after which a glance should be drawn to it. */
const LONG_WAIT = 30;
const STORED = "kefu.language";

const byId = (id) => document.getElementById(id);
/** In Telegram's Mini App: who looks, signed by Telegram. It is sent along and kept nowhere. */
const initData = new URLSearchParams(location.hash.slice(1)).get("tgWebAppData");

const charts = [
  new Chart("depthChart", "depth", count),
  new Chart("oldestChart", "oldest", span),
  new Chart("answersChart", "rate", count),
  new Chart("fill", "fill", share, 1),
];

let points = [];
let figures = null;
let timer = 0;

class Problem extends Error {
  constructor(kind) {
    super(kind);
    this.kind = kind;
  }
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (initData) headers.Authorization = `tma ${initData}`;
  let response;
  try {
    response = await fetch(`dashboard/${path}`, { ...options, headers, signal: AbortSignal.timeout(PATIENCE) });
  } catch {
    throw new Problem("offline");
  }
  if (response.status === 403) throw new Problem("refused");
  if (response.status === 503) throw new Problem("redis");
  if (!response.ok) throw new Problem("offline");
  return response.status === 204 ? null : response.json();
}

const order = (path, body) =>
  ask(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Kefu-Seal": figures.seal },
    body: JSON.stringify(body),
  });

// What is shown

function show() {
  if (!figures) return;
  showVerdict();
  showTiles();
  charts.forEach((chart) => chart.draw(points, figures.now));
  showQueues();
  showWorkers();
  fillList("alerts", figures.alerts.map(alertLine));
  fillList("acts", figures.acts.map(actLine));
  byId("leave").hidden = !figures.can_leave;
  document.title = figures.waiting ? `(${count(figures.waiting)}) kefu 客服` : "kefu 客服";
}

function showVerdict() {
  const { waiting, oldest, workers, queues, is_delivered } = figures;
  const paused = queues.filter((queue) => queue.paused);
  const lines = [];
  if (!workers.length) lines.push(["bad", word("noWorkers")]);
  if (!is_delivered) lines.push(["bad", word("undelivered")]);
  if (paused.length) lines.push(["note", word("queuesPaused", { queues: paused.map(queueName).join(", ") })]);
  const wait = { count: count(waiting), wait: span(oldest) };
  lines.push(waiting ? [oldest > LONG_WAIT ? "note" : "good", word("somebodyWaits", wait)] : ["good", word("nobodyWaits")]);
  // Only what has changed is replaced: the list is read out when it changes.
  const list = byId("verdict");
  const texts = lines.map(([, text]) => text);
  while (list.children.length > lines.length) list.lastChild.remove();
  lines.forEach(([kind, text], at) => {
    const line = list.children[at] ?? list.appendChild(element("li"));
    if (line.textContent !== texts[at]) line.textContent = text;
    line.className = kind;
  });
}

function showTiles() {
  const { counts, waiting, oldest, depth } = figures;
  const value = (name) => counts[name] ?? 0;
  const rate = points.at(-1)?.rate ?? 0;
  const tiles = [
    ["waiting", count(waiting), word("waitingHint", { depth: count(depth) }), false],
    ["oldest", span(oldest), "", oldest > LONG_WAIT],
    ["answersTile", count(rate), word("answersHint", { count: count(value("answered")) }), false],
    ["sent", count(value("sent")), word("sentHint"), false],
    ["unknownTile", count(value("unknown")), word("unknownHint"), value("unknown") > 0],
    ["refusedTile", count(value("refused")), word("refusedHint"), value("refused") > 0],
    ["apologies", count(value("apologies")), word("apologiesHint"), value("apologies") > 0],
  ];
  byId("tiles").replaceChildren(
    ...tiles.map(([name, text, hint, isNoted]) =>
      element(
        "div",
        { class: isNoted ? "card noted" : "card", "data-tile": name },
        element("dt", {}, word(name)),
        element("dd", { class: "figure" }, text),
        element("dd", { class: "hint" }, hint),
      ),
    ),
  );
}

const queueName = ({ name }) => wordOr(`queue_${name}`, name);

/** Rows are kept, so that a button under the pointer or with the focus stays what it is. */
function rowOf(table, name, make) {
  const body = byId(table).tBodies[0];
  return [...body.rows].find((row) => row.dataset.name === name) ?? body.appendChild(make());
}

const cell = (label, ...content) => element("td", { "data-label": label, class: "number" }, ...content);

function showQueues() {
  for (const queue of figures.queues) {
    const row = rowOf("queues", queue.name, () => {
      const deed = (act) => element("button", { type: "button", "data-act": act, click: () => question(act, queue.name) });
      return element(
        "tr",
        { "data-name": queue.name },
        element("th", { scope: "row" }, element("span"), element("code", {}, queue.name), element("em")),
        ...["depth", "in_flight", "failed"].map((name) => element("td", { class: "number", "data-figure": name })),
        element("td", { class: "deeds" }, deed("requeue"), deed("pause"), deed("resume")),
      );
    });
    row.classList.toggle("paused", queue.paused);
    row.querySelector("th span").textContent = queueName(queue);
    row.querySelector("th em").textContent = queue.paused ? word("paused") : "";
    const labels = { depth: "depth", in_flight: "inFlight", failed: "failed" };
    for (const [name, label] of Object.entries(labels)) {
      const figure = row.querySelector(`[data-figure=${name}]`);
      figure.textContent = count(queue[name]);
      figure.dataset.label = word(label);
      figure.classList.toggle("noted", name === "failed" && queue.failed > 0);
    }
    const isOffered = { requeue: queue.failed > 0, pause: !queue.paused, resume: queue.paused };
    for (const button of row.querySelectorAll("button")) {
      const { act } = button.dataset;
      button.textContent = word(act);
      button.setAttribute("aria-label", `${word(act)}: ${queueName(queue)}`);
      button.hidden = !isOffered[act];
    }
  }
}

function showWorkers() {
  const { workers } = figures;
  const table = byId("workers");
  table.hidden = !workers.length;
  table.nextElementSibling.hidden = workers.length > 0;
  table.tBodies[0].replaceChildren(
    ...workers.map((worker) => {
      const busy = { busy: count(worker.in_flight), slots: count(worker.slots), fill: share(Math.min(worker.fill, 1)) };
      const meter = element("meter", { min: 0, max: 1, value: worker.fill, "aria-label": word("fill") });
      return element(
        "tr",
        {},
        element("th", { scope: "row" }, element("code", {}, worker.name)),
        element("td", { class: "slots", "data-label": word("slots") }, meter, element("span", {}, word("busy", busy))),
        cell(word("jobs"), count(worker.jobs)),
        cell(word("steps"), count(worker.steps_per_second)),
        element("td", { "data-label": word("model") }, worker.model),
      );
    }),
  );
}

function fillList(id, lines) {
  byId(id).replaceChildren(...lines);
  byId(id).nextElementSibling.hidden = lines.length > 0;
}

function line(at, ...content) {
  const time = element("time", { datetime: new Date(at * 1000).toISOString() }, moment(at));
  return element("li", {}, time, element("span", {}, ...content));
}

function alertLine({ at, kind, ...details }) {
  // What was set aside has a kind that says why; all of them carry the update's id.
  const text = wordOr("update_id" in details ? "alert_set_aside" : `alert_${kind}`, kind);
  const why = [details.error, details.update_id && `#${details.update_id}`, details.entry ?? details.job_id];
  return line(at ?? 0, text, element("code", {}, why.filter(Boolean).join(" · ")));
}

function actLine({ at, admin, act, queue, jobs }) {
  const text = word("byAdmin", { id: admin, act: word(`act_${act}`), queue: queueName({ name: queue }) });
  return line(at, jobs === null ? text : `${text} ${word("jobsMoved", { count: count(jobs) })}`);
}

// Asking for the figures

async function refresh() {
  clearTimeout(timer);
  try {
    const found = await ask(`figures?since=${points.at(-1)?.at ?? 0}`);
    const known = points.at(-1)?.at ?? 0; // Another request may have been quicker.
    const fresh = found.points.map(([at, depth, oldest, rate, fill]) => ({ at, depth, oldest, rate, fill }));
    points = [...points, ...fresh.filter(({ at }) => at > known)].filter(({ at }) => at > found.now - HOUR);
    figures = found;
    byId("board").hidden = false;
    byId("refused").hidden = true;
    show();
    showConnection("online");
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.kind === "refused") return refuse();
    showConnection(problem.kind);
  }
  if (!document.hidden) timer = setTimeout(refresh, EVERY);
}

function refuse() {
  figures = null;
  points = [];
  byId("board").hidden = true;
  byId("leave").hidden = true;
  byId("refused").hidden = false;
  byId("connection").textContent = "";
}

function showConnection(state) {
  const node = byId("connection");
  node.dataset.word = state;
  if (node.textContent !== word(state)) node.textContent = word(state);
  document.body.classList.toggle("offline", state !== "online");
}

// What an admin may do

function question(act, name) {
  if (act === "resume") return perform(act, name);
  const dialog = byId("question");
  const queue = figures.queues.find((one) => one.name === name);
  const values = { queue: queueName(queue), count: count(queue.failed) };
  byId("question-text").textContent = word(`${act}Question`, values);
  dialog.querySelector(".problem").textContent = "";
  dialog.querySelector("[value=yes]").textContent = word(act);
  dialog.querySelector("form").onsubmit = async (event) => {
    event.preventDefault();
    if (await perform(act, name)) dialog.close();
  };
  dialog.showModal();
}

async function perform(act, queue) {
  try {
    await order("act", { act, queue });
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    showConnection(problem.kind === "refused" ? "offline" : problem.kind);
    byId("question").querySelector(".problem").textContent = word(problem.kind);
    return false;
  }
  await refresh();
  return true;
}

async function leave() {
  try {
    await order("leave", {});
  } catch (problem) {
    if (!(problem instanceof Problem)) throw problem;
    if (problem.kind !== "refused") return showConnection(problem.kind);
  }
  clearTimeout(timer);
  refuse();
}

// Language, start

function setLanguage(tag) {
  speak(tag);
  for (const button of document.querySelectorAll(".languages button")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language()));
  }
  show();
}

function start() {
  byId("charts").append(...charts.map(({ node }) => node));
  setLanguage(localStorage.getItem(STORED) ?? ours(navigator.language));
  for (const button of document.querySelectorAll(".languages button")) {
    button.addEventListener("click", () => {
      localStorage.setItem(STORED, button.dataset.language);
      setLanguage(button.dataset.language);
    });
  }
  byId("leave").addEventListener("click", leave);
  byId("question").querySelector("[value=cancel]").addEventListener("click", () => byId("question").close());
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
  refresh();
}

start();
