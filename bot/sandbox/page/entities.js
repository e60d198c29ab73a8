// Turns a text and its entities into nodes. Offsets count UTF-16 units, as the indices of a JavaScript string do.

import { element } from "./dom.js";
import { say } from "./words.js";

const TAGS = {
  bold: "strong",
  italic: "em",
  underline: "u",
  strikethrough: "s",
  code: "code",
  pre: "pre",
  blockquote: "blockquote",
  expandable_blockquote: "blockquote",
};
const VERBATIM = new Set(["code", "pre", "url", "text_link", "email", "bot_command"]);
const SCHEMES = new Set(["http:", "https:", "mailto:", "tel:", "tg:"]);
const FINDINGS = /(?<url>https?:\/\/[^\s<>"]*[^\s<>"'.,;:!?)\]}。，；：！？）」』”’])|(?<![\w/])(?<command>\/[a-z][a-z0-9_]{0,31})(?![\w/])/g;

/** The address if it is one that a link may have, else null: `javascript:` never gets through. */
export function safeAddress(address) {
  try {
    return SCHEMES.has(new URL(address).protocol) ? address : null;
  } catch {
    return null;
  }
}

/** A link that opens beside the page and learns nothing about it. */
export function link(address, ...children) {
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, ...children);
}

/**
 * The nodes that show a text.
 * onCommand: called with a /command that is clicked. newFrom: what stands behind it is new and fades in.
 */
export function render(text, entities, { onCommand, newFrom = Infinity }) {
  const fragment = document.createDocumentFragment();
  const spans = (entities ?? []).map((entity) => ({ ...entity, end: entity.offset + entity.length }));
  spans.sort((a, b) => a.offset - b.offset || b.end - a.end);
  place(fragment, 0, text.length, spans, false);
  return fragment;

  function place(parent, from, to, waiting, verbatim) {
    let at = from;
    while (waiting.length) {
      const [span, ...rest] = waiting;
      const start = Math.max(span.offset, at);
      const end = Math.min(span.end, to);
      waiting = rest;
      if (start >= end) continue;
      write(parent, at, start, verbatim);
      const inside = rest.filter((other) => other.offset < end);
      // A span that crosses this one's end goes on behind it: HTML can only nest.
      const across = inside.filter((other) => other.end > end).map((other) => ({ ...other, offset: end }));
      waiting = [...across, ...rest.filter((other) => other.offset >= end)];
      const node = wrapper(span, text.slice(span.offset, span.end));
      parent.append(node);
      place(node, start, end, inside, verbatim || VERBATIM.has(span.type));
      at = end;
    }
    write(parent, at, to, verbatim);
  }

  function write(parent, from, to, verbatim) {
    if (from < newFrom && newFrom < to) {
      write(parent, from, newFrom, verbatim);
      from = newFrom;
    }
    if (from >= to) return;
    let target = parent;
    if (from >= newFrom) parent.append((target = element("span", { class: "fresh" })));
    const part = text.slice(from, to);
    let at = 0;
    // As Telegram's clients do: addresses and commands work without an entity.
    for (const found of verbatim ? [] : part.matchAll(FINDINGS)) {
      target.append(part.slice(at, found.index));
      target.append(found.groups.url ? link(found[0], found[0]) : command(found[0]));
      at = found.index + found[0].length;
    }
    target.append(part.slice(at));
  }

  function wrapper({ type, url, language }, words) {
    if (type === "text_link" || type === "url" || type === "email") {
      const address = safeAddress({ text_link: url, email: `mailto:${words}` }[type] ?? words);
      return address ? link(address) : element("span");
    }
    if (type === "bot_command") return command(words, "");
    if (type === "spoiler") return spoiler();
    return element(TAGS[type] ?? "span", { "data-language": type === "pre" ? language : null });
  }

  function command(name, label = name) {
    return element("button", { type: "button", class: "command", click: () => onCommand(name) }, label);
  }
}

function spoiler() {
  const reveal = () => {
    node.classList.add("shown");
    for (const name of ["role", "tabindex", "aria-label", "data-word-label"]) node.removeAttribute(name);
  };
  const node = element("span", {
    class: "spoiler",
    role: "button",
    tabindex: "0",
    click: reveal,
    keydown: (event) => ["Enter", " "].includes(event.key) && (event.preventDefault(), reveal()),
  });
  return say(node, "label", "spoiler");
}
