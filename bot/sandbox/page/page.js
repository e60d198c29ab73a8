// The page: one conversation for each person, side by side or behind tabs, fed by one stream of events.

import { call, follow } from "./api.js";
import { Conversation } from "./conversation.js";
import { element } from "./dom.js";
import { language, ours, say, speak, word } from "./words.js";

const FIRST_NEW_ID = 101;
const STORED = "kefu.language";

const byId = (id) => document.getElementById(id);
const isNarrow = matchMedia("(max-width: 719px)");
const conversations = new Map();
const tabs = new Map();
let clock = () => Date.now();
let knownUntil = 0;

function openConversation(user) {
  const conversation = new Conversation(user, { now: () => clock(), onUnread: showUnread, onAlert: showAlert });
  const dot = element("span", { class: "badge", hidden: true });
  const select = () => activate(user.id);
  const tab = element(
    "button",
    { type: "button", role: "tab", id: `tab-${user.id}`, "aria-controls": `user-${user.id}`, click: select },
    element("span", { dir: "auto" }),
    dot,
  );
  conversations.set(user.id, conversation);
  tabs.set(user.id, { tab, dot });
  byId("tabs").append(tab);
  byId("conversations").append(conversation.node);
  return conversation;
}

function showState(state, isNew) {
  const skew = state.now * 1000 - Date.now();
  clock = () => Date.now() + skew;
  if (isNew) knownUntil = state.seq;
  byId("bot").textContent = state.bots.map(({ username }) => `@${username}`).join(" ");
  for (const user of state.users) {
    const conversation = conversations.get(user.id) ?? openConversation(user);
    conversation.name(user);
    tabs.get(user.id).tab.firstChild.textContent = user.name;
  }
  if (isNew) {
    const ids = new Set(state.users.map(({ id }) => id));
    for (const [id, conversation] of conversations) ids.has(id) ? conversation.reset() : close(id, conversation);
  }
  if (!conversations.has(active())) activate(Number(location.hash.slice(1)) || state.users[0]?.id);
  byId("conversations").setAttribute("aria-busy", "false");
}

function close(id, conversation) {
  conversation.node.remove();
  tabs.get(id).tab.remove();
  conversations.delete(id);
  tabs.delete(id);
}

async function showEvents(events) {
  // Somebody else may have added a person; groups are not shown.
  if (events.some(({ chat_id }) => chat_id > 0 && !conversations.has(chat_id))) showState(await call("state"), false);
  for (const [chat, its] of Map.groupBy(events, ({ chat_id }) => chat_id)) {
    const past = its.filter(({ seq }) => seq <= knownUntil);
    const live = its.filter(({ seq }) => seq > knownUntil);
    if (past.length) conversations.get(chat)?.apply(past, false);
    if (live.length) conversations.get(chat)?.apply(live, true);
  }
}

// Tabs

const active = () => Number(document.querySelector("#conversations > .active")?.dataset.user);

function activate(id) {
  const chosen = conversations.has(id) ? id : conversations.keys().next().value;
  for (const [other, conversation] of conversations) {
    const isActive = other === chosen;
    conversation.node.classList.toggle("active", isActive);
    tabs.get(other).tab.setAttribute("aria-selected", String(isActive));
    tabs.get(other).tab.tabIndex = isActive ? 0 : -1;
    if (isActive) conversation.toEnd();
  }
  tabs.get(chosen)?.tab.scrollIntoView({ block: "nearest", inline: "nearest" });
  history.replaceState(null, "", `#${chosen}`);
  seeAll();
}

function onTabKey(event) {
  const ids = [...tabs.keys()];
  const steps = { ArrowRight: 1, ArrowLeft: -1 };
  const at = ids.indexOf(active());
  const next = { Home: 0, End: ids.length - 1 }[event.key] ?? (at + steps[event.key] + ids.length) % ids.length;
  if (Number.isNaN(next)) return;
  event.preventDefault();
  activate(ids[next]);
  tabs.get(ids[next]).tab.focus();
}

function layOut() {
  for (const [id, { node }] of conversations) {
    node.setAttribute("role", isNarrow.matches ? "tabpanel" : "region");
    tabs.get(id).tab.hidden = !isNarrow.matches;
  }
  seeAll();
}

// Unread messages

const seeAll = () => conversations.forEach((conversation) => conversation.seen());

function showUnread({ user, unread }) {
  const { dot } = tabs.get(user.id);
  dot.hidden = unread === 0;
  dot.textContent = unread;
  say(dot, "label", "unread", { count: unread });
  const all = [...conversations.values()].reduce((sum, conversation) => sum + conversation.unread, 0);
  document.title = all ? `(${all}) kefu 客服` : "kefu 客服";
}

// Dialogs, language, start

function showAlert(text) {
  byId("alert-text").textContent = text;
  byId("alert").showModal();
}

async function addCustomer(event) {
  event.preventDefault();
  const dialog = byId("newcomer");
  const form = dialog.querySelector("form");
  const name = form.elements.name.value.trim();
  if (!name) return form.elements.name.focus();
  const id = Math.max(FIRST_NEW_ID, ...[...conversations.keys()].map((known) => known + 1));
  try {
    await call("users", { id, name, language_code: form.elements.language.value });
    showState(await call("state"), false);
  } catch (problem) {
    dialog.querySelector(".problem").textContent = word("failed", { reason: problem.message });
    return;
  }
  dialog.close();
  form.reset();
  layOut();
  activate(id);
  const { node, composer } = conversations.get(id);
  node.scrollIntoView({ inline: "end" });
  composer.focus();
}

function setLanguage(tag) {
  speak(tag);
  for (const button of document.querySelectorAll(".languages button")) {
    button.setAttribute("aria-pressed", String(button.dataset.language === language()));
  }
}

function showConnection(isUp) {
  say(byId("connection"), "text", isUp ? "online" : "offline");
  document.body.classList.toggle("offline", !isUp);
}

function start() {
  setLanguage(localStorage.getItem(STORED) ?? ours(navigator.language));
  for (const button of document.querySelectorAll(".languages button")) {
    button.addEventListener("click", () => {
      localStorage.setItem(STORED, button.dataset.language);
      setLanguage(button.dataset.language);
    });
  }
  const dialog = byId("newcomer");
  byId("add").addEventListener("click", () => dialog.showModal());
  dialog.querySelector("[value=cancel]").addEventListener("click", () => dialog.close());
  dialog.querySelector("form").addEventListener("submit", addCustomer);
  byId("tabs").addEventListener("keydown", onTabKey);
  document.addEventListener("visibilitychange", seeAll);
  isNarrow.addEventListener("change", layOut);
  const onState = (state, isNew) => (showState(state, isNew), layOut());
  follow({ onState, onEvents: showEvents, onConnection: showConnection });
}

start();
