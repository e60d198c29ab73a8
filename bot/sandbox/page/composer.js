// Where a person writes: the text, the bot's command menu, attachments and the editing of an own message.

import { call } from "./api.js";
import { element, icon, ICONS } from "./dom.js";
import { say } from "./words.js";

const ATTACHMENTS = { photo: { photo: true }, voice: { voice: true }, sticker: { sticker: true } };

const STARTED = /^\/\w*$/;

export class Composer {
  /** onSent: after something was sent. onProblem: with a refusal. lastOwn: the person's newest text message. */
  constructor(user, { onSent, onProblem, lastOwn }) {
    this.id = user.id;
    this.onSent = onSent;
    this.onProblem = onProblem;
    this.lastOwn = lastOwn;
    this.commands = [];
    this.editing = null;
    this.build();
    this.name(user);
  }

  /** Show a changed name. */
  name({ name }) {
    say(this.input, "label", "messageOf", { name });
  }

  /** Send a text at once, whatever stands in the field. */
  async send(text) {
    await this.post("messages", { text });
  }

  /** Let the person change one of their messages. */
  edit(message) {
    this.editing = message;
    this.banner.hidden = false;
    this.input.value = message.text;
    this.input.focus();
    this.fit();
  }

  /** Put the cursor here, unless that would bring up a phone's keyboard. */
  focus() {
    if (matchMedia("(hover: hover)").matches) this.input.focus();
  }

  build() {
    this.input = element("textarea", {
      rows: "1",
      dir: "auto",
      autocomplete: "off",
      "aria-autocomplete": "list",
      "aria-controls": `commands-${this.id}`,
      enterkeyhint: "send",
      keydown: (event) => this.onKey(event),
      input: () => this.onInput(),
    });
    say(this.input, "placeholder", "write");
    this.menu = say(element("ul", { id: `commands-${this.id}`, class: "menu", role: "listbox", hidden: true }), "label", "commands");
    this.attachments = element("div", { class: "menu attachments", hidden: true });
    for (const [kind, body] of Object.entries(ATTACHMENTS)) {
      const label = say(element("span"), "text", kind);
      const send = () => (this.close(), this.input.focus(), this.post("messages", body));
      this.attachments.append(element("button", { type: "button", click: send }, icon(ICONS[kind]), label));
    }
    this.banner = element("div", { class: "banner", hidden: true }, icon(ICONS.edit), say(element("span"), "text", "editing"));
    this.banner.append(
      say(element("button", { type: "button", click: () => this.endEdit() }, icon(ICONS.close)), "label", "cancel"),
    );
    const slash = element("button", { type: "button", class: "slash", "aria-expanded": "false", click: () => this.toggleMenu() }, "/");
    const attach = element("button", { type: "button", "aria-expanded": "false", click: () => this.toggleAttachments() }, icon(ICONS.attach));
    this.slash = say(slash, "label", "commands");
    this.attach = say(attach, "label", "attach");
    this.submit = say(element("button", { type: "submit", class: "primary", disabled: true }, icon(ICONS.send)), "label", "send");
    this.node = element(
      "form",
      { class: "composer", submit: (event) => (event.preventDefault(), this.onSubmit()) },
      this.menu,
      this.attachments,
      this.banner,
      element("div", { class: "line" }, this.attach, element("div", { class: "field" }, this.input, this.slash), this.submit),
    );
    this.node.addEventListener("focusout", ({ relatedTarget }) => this.node.contains(relatedTarget) || this.close());
    this.node.addEventListener("keydown", (event) => event.key === "Escape" && this.onEscape());
    // A press on the menu or a button must not take the focus first: the menu would close under the pointer.
    this.node.addEventListener("mousedown", (event) => event.target !== this.input && event.preventDefault());
  }

  onInput() {
    this.fit();
    if (STARTED.test(this.input.value)) this.openMenu();
    else this.closeMenu();
  }

  onKey(event) {
    // While an input method is open (Chinese, Japanese …), Enter picks a word and sends nothing.
    if (event.isComposing || event.keyCode === 229) return;
    const options = this.menu.hidden ? [] : [...this.menu.querySelectorAll("[role=option]")];
    if (options.length && (event.key === "ArrowDown" || event.key === "ArrowUp")) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.select(options[(options.indexOf(this.selected) + step + options.length) % options.length]);
    } else if (options.length && event.key === "Tab" && !event.shiftKey) {
      event.preventDefault();
      this.input.value = `/${this.selected.dataset.command} `;
      this.onInput();
    } else if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      if (options.length) this.choose(this.selected);
      else this.onSubmit();
    } else if (event.key === "ArrowUp" && !this.input.value && this.lastOwn()) {
      event.preventDefault();
      this.edit(this.lastOwn());
    }
  }

  onEscape() {
    if (!this.menu.hidden || !this.attachments.hidden) this.close();
    else if (this.editing) this.endEdit();
  }

  async onSubmit() {
    const text = this.input.value;
    if (!text.trim() || this.busy) return;
    this.busy = true;
    const sent = this.editing
      ? await this.post("edits", { message_id: this.editing.id, text })
      : await this.post("messages", { text });
    this.busy = false;
    if (!sent) return;
    // What was typed meanwhile stays.
    this.input.value = this.input.value.startsWith(text) ? this.input.value.slice(text.length) : this.input.value;
    if (this.editing) this.endEdit();
    this.close();
    this.fit();
  }

  async post(what, body) {
    try {
      await call(`users/${this.id}/${what}`, body);
      this.onSent();
      return true;
    } catch (problem) {
      this.onProblem(problem);
      return false;
    }
  }

  endEdit() {
    this.editing = null;
    this.banner.hidden = true;
    this.input.value = "";
    this.fit();
  }

  fit() {
    this.submit.disabled = !this.input.value.trim();
    this.input.style.height = "auto";
    this.input.style.height = `${this.input.scrollHeight}px`;
  }

  // The command menu

  async toggleMenu() {
    if (!this.menu.hidden) return this.close();
    this.input.focus();
    await this.openMenu(true);
  }

  async openMenu(all = false) {
    this.attachments.hidden = true;
    // Asked for each time: a bot changes its commands with the language and for its admins.
    if (this.menu.hidden) this.commands = await this.fetchCommands();
    const typed = all ? "" : this.input.value.slice(1).toLowerCase();
    if (!all && !STARTED.test(this.input.value)) return this.closeMenu();
    const fitting = this.commands.filter(({ command }) => command.startsWith(typed));
    if (!fitting.length && typed) return this.closeMenu();
    this.menu.replaceChildren(...fitting.map((command, index) => this.option(command, index)));
    if (!fitting.length) this.menu.append(say(element("li", { class: "none" }), "text", "noCommands"));
    this.menu.hidden = false;
    this.slash.setAttribute("aria-expanded", "true");
    this.select(this.menu.querySelector("[role=option]"));
  }

  async fetchCommands() {
    try {
      return await call(`users/${this.id}/commands`);
    } catch {
      return [];
    }
  }

  option({ command, description }, index) {
    const node = element(
      "li",
      { id: `command-${this.id}-${index}`, role: "option", "data-command": command, click: () => this.choose(node) },
      element("b", {}, `/${command}`),
      element("span", { dir: "auto" }, description),
    );
    return node;
  }

  select(option) {
    this.selected?.removeAttribute("aria-selected");
    this.selected = option;
    if (!option) return this.input.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    option.scrollIntoView({ block: "nearest" });
    this.input.setAttribute("aria-activedescendant", option.id);
  }

  async choose(option) {
    this.close();
    // A started command gives way to the chosen one; another text waits in the field.
    if (STARTED.test(this.input.value)) this.input.value = "";
    this.fit();
    await this.send(`/${option.dataset.command}`);
  }

  toggleAttachments() {
    const open = this.attachments.hidden;
    this.close();
    this.attachments.hidden = !open;
    this.attach.setAttribute("aria-expanded", String(open));
    if (open) this.attachments.firstChild.focus();
  }

  closeMenu() {
    this.menu.hidden = true;
    this.slash.setAttribute("aria-expanded", "false");
    this.select(null);
  }

  close() {
    if (!this.attachments.hidden && this.attachments.contains(document.activeElement)) this.attach.focus();
    this.attachments.hidden = true;
    this.attach.setAttribute("aria-expanded", "false");
    this.closeMenu();
  }
}
