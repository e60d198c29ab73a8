// The page's own words in English and Chinese, and the questions that an empty conversation offers.

const WORDS = {
  en: {
    add: "New customer",
    addIt: "Add",
    admin: "Admin {id}",
    assistant: "Shop assistant",
    attach: "Send a photo, a voice message or a sticker",
    cancel: "Cancel",
    close: "Close",
    commands: "Commands",
    conversation: "Conversation of {name}",
    conversations: "Conversations",
    customer: "Customer {id}",
    edit: "Edit",
    edited: "edited",
    editing: "Editing your message",
    emptyAdmin: "Watch the queues and counters from here, or write like any customer.",
    emptyCustomer: "Write as {name}, or begin with one of these:",
    failed: "That did not go through: {reason}",
    interface: "Language of this page",
    language: "Language",
    messageOf: "Message as {name}",
    name: "Name",
    newMessages: "New messages",
    noCommands: "The bot offers no commands here.",
    ok: "OK",
    online: "Connected",
    offline: "No connection, trying again …",
    photo: "Photo",
    react: "React",
    reactWith: "React with {emoji}",
    reaction: "Reaction {emoji}",
    removeReaction: "Remove your reaction {emoji}",
    send: "Send",
    spoiler: "Hidden text, press to show it",
    sticker: "Sticker",
    stop: "Stop",
    stopping: "Stopping …",
    thinking: "Thinking …",
    typing: "Shop assistant is typing",
    unread: "{count} unread",
    unreachable: "the sandbox does not answer",
    voice: "Voice message",
    write: "Write a message …",
    you: "You",
  },
  zh: {
    add: "添加顾客",
    addIt: "添加",
    admin: "管理员 {id}",
    assistant: "客服助手",
    attach: "发送图片、语音或贴纸",
    cancel: "取消",
    close: "关闭",
    commands: "命令",
    conversation: "{name} 的对话",
    conversations: "对话",
    customer: "顾客 {id}",
    edit: "编辑",
    edited: "已编辑",
    editing: "正在编辑消息",
    emptyAdmin: "在这里查看队列和统计，也可以像顾客一样提问。",
    emptyCustomer: "以 {name} 的身份提问，或从下面的问题开始：",
    failed: "没有成功：{reason}",
    interface: "页面语言",
    language: "语言",
    messageOf: "以 {name} 的身份发消息",
    name: "名字",
    newMessages: "新消息",
    noCommands: "机器人在这里没有提供命令。",
    ok: "好",
    online: "已连接",
    offline: "连接中断，正在重试……",
    photo: "图片",
    react: "表情回应",
    reactWith: "用 {emoji} 回应",
    reaction: "回应 {emoji}",
    removeReaction: "取消你的回应 {emoji}",
    send: "发送",
    spoiler: "隐藏的文字，按一下显示",
    sticker: "贴纸",
    stop: "停止",
    stopping: "正在停止……",
    thinking: "正在思考……",
    typing: "客服助手正在输入",
    unread: "{count} 条未读",
    unreachable: "沙盒没有回应",
    voice: "语音消息",
    write: "输入消息……",
    you: "你",
  },
};

const EXAMPLES = {
  en: ["How long does delivery take?", "Where is my order?", "/suggest a gift under 30 EUR"],
  zh: ["配送需要多久？", "我的订单到哪里了？", "/suggest 30 欧元以内的礼物"],
};
const ADMIN_EXAMPLES = ["/queues", "/stats", "/help"];

let current = "en";

/** Which of our two languages a language tag stands for; English unless it is Chinese. */
export const ours = (tag) => (/^zh\b/i.test(tag ?? "") ? "zh" : "en");

/** The language that the page speaks. */
export const language = () => current;

/** What an empty conversation of this user offers, in the user's language. */
export const examplesFor = (user) => (user.is_admin ? ADMIN_EXAMPLES : EXAMPLES[ours(user.language_code)]);

/** One of the page's words or sentences, with its {values} filled in. */
export function word(key, values = {}) {
  return WORDS[current][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
}

/** Let an element carry a word as its text, its label (also its tooltip) or its placeholder, whatever the language. */
export function say(node, part, key, values) {
  const name = part === "text" ? "word" : part === "label" ? "wordLabel" : "wordPlaceholder";
  node.dataset[name] = key;
  if (values) node.dataset.values = JSON.stringify(values);
  fill(node);
  return node;
}

/** Speak another language everywhere on the page. */
export function speak(tag) {
  current = ours(tag);
  document.documentElement.lang = current === "zh" ? "zh-Hans" : "en";
  document.querySelectorAll("[data-word], [data-word-label], [data-word-placeholder]").forEach(fill);
}

function fill(node) {
  const { word: text, wordLabel: label, wordPlaceholder: placeholder, values } = node.dataset;
  const filled = values ? JSON.parse(values) : {};
  if (text) node.textContent = word(text, filled);
  if (placeholder) node.placeholder = word(placeholder, filled);
  if (label) {
    node.setAttribute("aria-label", word(label, filled));
    if (node.matches("button")) node.title = word(label, filled);
  }
}
