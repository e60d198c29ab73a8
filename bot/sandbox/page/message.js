// One message on the screen: a draft that grows, then what was sent; its buttons, reactions and time.

import { element, icon, ICONS } from "./dom.js";
import { link, render, safeAddress } from "./entities.js";
import { language, say } from "./words.js";

const EMOJI = { photo: "🖼️", voice: "🎤" };

export class Message {
  /** actions: what a click asks the conversation for (command, press, stop). */
  constructor(from, actions) {
    this.from = from;
    this.actions = actions;
    this.text = "";
    this.reactions = new Map();
    this.words = element("span", { class: "text" });
    this.meta = element("span", { class: "meta" });
    this.body = element("div", { class: "body", dir: "auto" }, this.words, this.meta);
    this.bubble = element("div", { class: "bubble" }, this.body);
    const sender = say(element("span", { class: "unseen" }), "text", from === "bot" ? "assistant" : "you");
    this.node = element("div", { class: `message ${from}`, tabindex: "-1" }, sender, this.bubble);
    this.node.message = this;
  }

  /** Show what the bot has written so far. */
  showDraft({ draft_id, text, entities, can_stop }) {
    const grown = text.startsWith(this.text) ? this.text.length : 0;
    this.node.dataset.draft = draft_id;
    // Screen readers wait for the whole message instead of reading every step.
    this.node.setAttribute("aria-busy", "true");
    this.text = text;
    if (text) {
      delete this.words.dataset.word;
      this.words.replaceChildren(render(text, entities, { onCommand: this.actions.command, newFrom: grown }));
    } else {
      say(this.words, "text", "thinking");
    }
    // Stop stands where the time will, so that the bubble keeps its height when the draft becomes the message.
    if (!can_stop) this.meta.replaceChildren();
    else if (!this.meta.firstChild) this.meta.append(this.stopButton(draft_id));
  }

  /** Show a message that was sent. A draft becomes it in place, so that nothing on the screen jumps. */
  show({ message_id, kind, text, entities, buttons, at, photo_url }, quoted) {
    this.id = message_id;
    this.kind = kind ?? "text";
    this.text = text;
    delete this.node.dataset.draft;
    delete this.words.dataset.word;
    this.node.removeAttribute("aria-busy");
    this.node.dataset.messageId = message_id;
    this.node.classList.toggle("sticker", kind === "sticker");
    this.write(text, entities);
    if (kind && kind !== "text") this.body.before(this.medium(kind, photo_url));
    if (quoted) this.body.before(element("div", { class: "quoted", dir: "auto" }, quoted.text || quoted.kind));
    this.meta.replaceChildren(stamp(at));
    this.showButtons(buttons);
  }

  /** Show a new text or new buttons of a message that was sent. */
  edit({ text, entities, buttons }) {
    if (text !== this.text && !this.meta.querySelector(".edited")) {
      this.meta.prepend(say(element("span", { class: "edited" }), "text", "edited"), " ");
    }
    this.text = text;
    this.write(text, entities);
    this.showButtons(buttons);
  }

  /** Show who reacts how; each side has one reaction. */
  react(from, emoji, onRemove) {
    if (emoji) this.reactions.set(from, emoji);
    else this.reactions.delete(from);
    this.chips?.remove();
    if (!this.reactions.size) return;
    this.chips = element("div", { class: "reactions" });
    for (const [side, shown] of this.reactions) {
      const chip =
        side === "user"
          ? say(element("button", { type: "button", class: "mine", click: onRemove }, shown), "label", "removeReaction", {
              emoji: shown,
            })
          : say(element("span", { role: "img" }, shown), "label", "reaction", { emoji: shown });
      this.chips.append(chip);
    }
    this.body.after(this.chips);
  }

  /** The button with this data, which may have been replaced since it was pressed. */
  button(data) {
    return [...this.node.querySelectorAll("button[data-callback]")].find((one) => one.dataset.callback === data);
  }

  write(text, entities) {
    this.words.replaceChildren(render(text, entities, { onCommand: this.actions.command }));
  }

  medium(kind, address) {
    this.node.querySelector(".medium")?.remove();
    if (kind === "sticker") return element("div", { class: "medium" }, "👍");
    const name = say(element("span"), "text", kind);
    const shown = address && safeAddress(address) ? link(address, name) : name;
    return element("div", { class: `medium ${kind}` }, element("span", { "aria-hidden": "true" }, EMOJI[kind] ?? "📎"), shown);
  }

  showButtons(rows) {
    this.keyboard?.remove();
    this.node.classList.toggle("with-buttons", Boolean(rows?.length));
    if (!rows?.length) return;
    this.keyboard = element("div", { class: "keyboard" });
    for (const row of rows) {
      this.keyboard.append(element("div", { class: "row" }, ...row.map((button) => this.inlineButton(button))));
    }
    this.bubble.after(this.keyboard);
  }

  inlineButton({ text, data, url, disabled }) {
    if (url && safeAddress(url)) return link(url, text, icon(ICONS.link));
    const press = (event) => this.actions.press(this, event.currentTarget);
    return element("button", { type: "button", "data-callback": data ?? "", disabled, click: press }, text);
  }

  stopButton(draft) {
    const button = say(element("button", { type: "button", class: "stop" }), "text", "stop");
    button.addEventListener("click", async () => {
      button.disabled = true;
      say(button, "text", "stopping");
      if (await this.actions.stop(draft)) return;
      button.disabled = false;
      say(button, "text", "stop");
    });
    return button;
  }
}

function stamp(seconds) {
  const at = new Date(seconds * 1000);
  const tag = language();
  const clock = at.toLocaleTimeString(tag, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  return element("time", { datetime: at.toISOString(), title: at.toLocaleString(tag) }, clock);
}
