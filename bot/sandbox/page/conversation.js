// One person's chat with the bot: applies the transcript's events to the screen.

import { call } from "./api.js";
import { Composer } from "./composer.js";
import { element, icon, ICONS } from "./dom.js";
import { Message } from "./message.js";
import { examplesFor, say } from "./words.js";

const REACTIONS = ["👍", "❤", "😁", "🤔", "🙏", "👎"];
const TYPING_MS = 5000;
const DRAFT_MS = 30000;
const ANSWER_MS = 15000;
const NOTICE_MS = 5000;
const HUES = 5;

export class Conversation {
  /** now(): the sandbox's time in ms. onUnread: the number changed. onAlert(text): a text wants to be confirmed. */
  constructor(user, { now, onUnread, onAlert }) {
    this.user = user;
    this.now = now;
    this.onUnread = onUnread;
    this.onAlert = onAlert;
    this.unread = 0;
    this.messages = new Map();
    this.pressed = new Map();
    this.draft = null;
    this.build();
    this.name(user);
  }

  /** Show a changed name or language. */
  name(user) {
    this.user = user;
    this.title.textContent = user.name;
    this.avatar.textContent = [...user.name][0];
    for (const node of [this.node, this.log]) say(node, "label", "conversation", { name: user.name });
    say(this.role, "text", user.is_admin ? "admin" : "customer", { id: user.id });
    this.tongue.textContent = ownName(user.language_code);
    this.composer.name(user);
    this.showWelcome();
  }

  /** Apply events, oldest first. isLive: they happen now, so that they may count as unread. */
  apply(events, isLive) {
    const follows = this.isAtEnd();
    for (const event of events) this[`on_${event.type}`]?.(event, isLive);
    this.welcome.hidden = this.messages.size > 0 || this.draft !== null;
    if (follows) this.toEnd();
    else if (isLive && events.some(isFromBot)) this.down.hidden = false;
    if (isLive && !this.isSeen()) this.setUnread(this.unread + events.filter(isFromBot).length);
  }

  /** Forget everything that was shown, after the sandbox was started anew. */
  reset() {
    for (const message of this.messages.values()) message.node.remove();
    this.messages.clear();
    this.dropDraft();
    this.endTyping();
    this.composer.endEdit();
    this.welcome.hidden = false;
    this.setUnread(0);
  }

  /** Called when the person may have come to see the conversation. */
  seen() {
    if (this.isSeen()) this.setUnread(0);
  }

  build() {
    this.avatar = element("span", { class: `avatar hue-${this.user.id % HUES}`, "aria-hidden": "true" });
    this.title = element("h2", { dir: "auto" });
    this.role = element("span");
    this.tongue = element("span", { class: "tongue" });
    this.badge = element("span", { class: "badge", hidden: true });
    const about = element("p", {}, this.role, this.tongue);
    const head = element("header", {}, this.avatar, element("div", {}, this.title, about), this.badge);
    this.welcome = element("div", { class: "welcome" });
    this.list = element("div", { class: "messages" });
    this.typing = say(element("div", { class: "typing", role: "img", hidden: true }), "label", "typing");
    this.typing.append(element("i"), element("i"), element("i"));
    this.log = element(
      "div",
      { class: "log", role: "log", "aria-live": "polite", tabindex: "0", keydown: (event) => this.onKey(event) },
      this.welcome,
      this.list,
      this.typing,
    );
    this.log.addEventListener("scroll", () => this.isAtEnd() && (this.down.hidden = true), { passive: true });
    this.log.addEventListener("focusin", ({ target }) => this.showTool(target.closest(".message")));
    this.log.addEventListener("pointerover", ({ target }) => this.showTool(target.closest(".message")));
    this.down = element("button", { type: "button", class: "down", hidden: true, click: () => this.toEnd() }, icon(ICONS.down));
    say(this.down, "label", "newMessages");
    this.notice = element("p", { class: "notice", role: "status", dir: "auto", hidden: true });
    this.composer = new Composer(this.user, {
      onSent: () => this.toEnd(),
      onProblem: (problem) => this.tell(problem),
      lastOwn: () => [...this.messages.values()].reverse().find(isEditable),
    });
    const body = element("div", { class: "middle" }, this.log, this.down, this.notice);
    const id = this.user.id;
    this.node = element("section", { class: "conversation", id: `user-${id}`, "data-user": id }, head, body, this.composer.node);
    this.tool = this.buildTool();
    this.actions = {
      command: (name) => this.composer.send(name),
      press: (message, button) => this.press(message, button),
      stop: (draft) => this.ask("stop", { draft_id: draft }),
    };
    // A phone's keyboard and a growing input take room from the log: its end stays in sight.
    new ResizeObserver(() => this.follows && this.toEnd()).observe(this.log);
  }

  showWelcome() {
    const { name, is_admin } = this.user;
    const invitation = say(element("p"), "text", is_admin ? "emptyAdmin" : "emptyCustomer", { name });
    const examples = examplesFor(this.user).map((text) => {
      const send = () => (this.composer.focus(), this.composer.send(text));
      return element("button", { type: "button", class: "example", dir: "auto", click: send }, text);
    });
    const picture = element("img", { src: "/page/icon.svg", alt: "", width: "56", height: "56" });
    this.welcome.replaceChildren(picture, invitation, ...examples);
  }

  // What happened

  on_message(event, isLive) {
    if (this.messages.has(event.message_id)) return;
    let message = event.from === "bot" ? this.draft : null;
    if (message) {
      clearTimeout(this.draftTimer);
      this.draft = null;
    } else {
      message = new Message(event.from, this.actions);
      this.list.insertBefore(message.node, this.draft?.node ?? null);
      message.node.classList.toggle("arriving", isLive);
    }
    if (event.from === "bot") this.endTyping();
    message.show(event, this.messages.get(event.reply_to));
    this.messages.set(event.message_id, message);
  }

  on_edit(event) {
    this.messages.get(event.message_id)?.edit(event);
  }

  on_delete({ message_id }) {
    const message = this.messages.get(message_id);
    if (!message) return;
    this.messages.delete(message_id);
    message.node.remove();
  }

  on_draft(event) {
    const left = event.expires_at ? event.expires_at * 1000 - this.now() : DRAFT_MS;
    if (left <= 0) return;
    this.endTyping();
    if (!this.draft) {
      this.draft = new Message("bot", this.actions);
      this.draft.node.classList.add("arriving");
      this.list.append(this.draft.node);
    }
    this.draft.showDraft(event);
    clearTimeout(this.draftTimer);
    this.draftTimer = setTimeout(() => this.dropDraft(), left);
  }

  on_draft_end({ reason }) {
    // Sent: the message that comes next takes its place. Replaced: so does the next draft.
    if (reason === "stopped" || reason === "expired") this.dropDraft();
  }

  on_reaction({ message_id, from, emoji }) {
    this.messages.get(message_id)?.react(from, emoji, () => this.ask("reactions", { message_id, emoji: null }));
  }

  on_action(event) {
    const left = event.expires_at ? event.expires_at * 1000 - this.now() : TYPING_MS;
    if (left <= 0 || this.draft) return;
    this.typing.hidden = false;
    clearTimeout(this.typingTimer);
    this.typingTimer = setTimeout(() => this.endTyping(), left);
  }

  on_callback({ message_id, data, callback_query_id }) {
    const press = this.pressed.get(`${message_id} ${data}`);
    if (press) press.query = callback_query_id;
  }

  on_callback_answer({ callback_query_id, text, show_alert }) {
    const press = [...this.pressed.values()].find(({ query }) => query === callback_query_id);
    if (!press) return;
    this.endPress(press, true);
    if (text && show_alert) this.onAlert(text);
    else if (text) this.tell(text);
  }

  // What the person does

  async press(message, button) {
    const data = button.dataset.callback;
    const key = `${message.id} ${data}`;
    if (!data || this.pressed.has(key)) return;
    const press = { key, message, data, query: null };
    press.timer = setTimeout(() => this.endPress(press, false), ANSWER_MS);
    this.pressed.set(key, press);
    button.setAttribute("aria-busy", "true");
    if (!(await this.ask("presses", { message_id: message.id, data }))) this.endPress(press, false);
  }

  endPress(press, isAnswered) {
    clearTimeout(press.timer);
    this.pressed.delete(press.key);
    const button = press.message.button(press.data);
    button?.removeAttribute("aria-busy");
    button?.classList.toggle("answered", isAnswered);
  }

  async ask(what, body) {
    try {
      await call(`users/${this.user.id}/${what}`, body);
      return true;
    } catch (problem) {
      this.tell(problem);
      return false;
    }
  }

  onKey(event) {
    if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
    if (!event.target.matches(".log, .message")) return;
    const nodes = [...this.list.children];
    const at = nodes.indexOf(event.target.closest(".message"));
    const next = event.key === "ArrowUp" ? (at < 0 ? nodes.length : at) - 1 : at + 1;
    if (at < 0 && event.key === "ArrowDown") return;
    event.preventDefault();
    (nodes[next] ?? (next < 0 ? nodes[0] : this.composer.input))?.focus();
  }

  // A tool beside the message under the pointer or with the focus: one for all, so that Tab stays short.

  buildTool() {
    const choices = REACTIONS.map((emoji) => {
      const react = () => (this.closePicker(), this.ask("reactions", { message_id: this.tooled.id, emoji }));
      return say(element("button", { type: "button", click: react }, emoji), "label", "reactWith", { emoji });
    });
    this.picker = element("div", { class: "picker", hidden: true }, ...choices);
    const edit = () => this.composer.edit(this.tooled);
    const open = () => (this.picker.hidden = !this.picker.hidden) || choices[0].focus();
    this.editTool = say(element("button", { type: "button", click: edit }, icon(ICONS.edit)), "label", "edit");
    this.reactTool = say(element("button", { type: "button", click: open }, icon(ICONS.react)), "label", "react");
    const leave = ({ relatedTarget }) => this.tool.contains(relatedTarget) || (this.picker.hidden = true);
    const escape = ({ key }) => key === "Escape" && this.closePicker();
    return element("div", { class: "tool", focusout: leave, keydown: escape }, this.picker, this.editTool, this.reactTool);
  }

  showTool(node) {
    const message = node?.message;
    if (!message || message === this.tooled || message.id === undefined || !this.picker.hidden) return;
    this.tooled = message;
    this.editTool.hidden = !isEditable(message);
    this.reactTool.hidden = message.from !== "bot";
    message.bubble.append(this.tool);
  }

  closePicker() {
    if (this.picker.hidden) return;
    this.picker.hidden = true;
    this.reactTool.focus();
  }

  // The screen

  tell(what) {
    this.notice.hidden = false;
    this.notice.classList.toggle("problem", what instanceof Error);
    if (what instanceof Error) say(this.notice, "text", "failed", { reason: what.message });
    else {
      delete this.notice.dataset.word;
      this.notice.textContent = what;
    }
    clearTimeout(this.noticeTimer);
    this.noticeTimer = setTimeout(() => (this.notice.hidden = true), NOTICE_MS);
  }

  endTyping() {
    clearTimeout(this.typingTimer);
    this.typing.hidden = true;
  }

  dropDraft() {
    clearTimeout(this.draftTimer);
    this.draft?.node.remove();
    this.draft = null;
  }

  isSeen() {
    return !document.hidden && this.node.checkVisibility();
  }

  setUnread(count) {
    if (count === this.unread) return;
    this.unread = count;
    this.badge.hidden = count === 0;
    this.badge.textContent = count;
    this.onUnread(this);
  }

  isAtEnd() {
    this.follows = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 48;
    return this.follows;
  }

  toEnd() {
    this.follows = true;
    this.down.hidden = true;
    this.log.scrollTop = this.log.scrollHeight;
  }
}

/** A language's name in itself: 中文, فارسی. */
function ownName(tag) {
  try {
    return new Intl.DisplayNames(tag, { type: "language" }).of(tag);
  } catch {
    return tag;
  }
}

const isFromBot = ({ type, from }) => type === "message" && from === "bot";
const isEditable = ({ from, kind, id }) => from === "user" && kind === "text" && id !== undefined;
