// The dashboard's words in English and Chinese, and how figures, times and spans are written in each.

const WORDS = {
  en: {
    act_pause: "paused",
    act_requeue: "sent the failed jobs in again:",
    act_resume: "resumed",
    acts: "What admins did",
    alert_gave_up: "An answer was given up after three tries; the customer got an apology",
    alert_refused: "Telegram refused a reply",
    alert_set_aside: "An update from Telegram could not be handled and was set aside",
    alert_unknown: "Telegram’s response to a reply was lost; it may or may not have arrived",
    alert_unreadable: "A reply in the outbox could not be read and was dropped",
    alerts: "Alerts",
    apologies: "Apologies",
    apologiesHint: "after three failed tries",
    answersChart: "Answers a minute",
    answersTile: "Answers a minute",
    answersHint: "{count} since the counters began",
    busy: "{busy} of {slots} busy, {fill} lately",
    byAdmin: "Admin {id} {act} {queue}",
    cancel: "Cancel",
    dashboard: "Dashboard",
    deeds: "Actions",
    depth: "Waiting",
    depthChart: "Jobs waiting in the queues",
    failed: "Failed",
    fill: "Workers’ places in use",
    hour: "The last hour",
    hourAgo: "60 min ago",
    inFlight: "In flight",
    interface: "Language of this page",
    jobs: "Jobs done",
    jobsMoved: "({count})",
    leave: "Sign out",
    model: "Model",
    noActs: "Nothing yet.",
    noAlerts: "Nothing to report.",
    noWorkers: "No worker is running. Start one with: kefu worker",
    noPoints: "No figures yet",
    nobodyWaits: "Nobody waits.",
    now: "Now",
    nowAxis: "now",
    offline: "No connection, trying again …",
    oldest: "Longest wait",
    oldestChart: "Longest wait",
    online: "Live",
    pause: "Pause",
    pauseQuestion: "Pause “{queue}”? Workers finish what they have begun and take nothing more from it. Customers wait until you resume it.",
    paused: "paused",
    queue: "Queue",
    queue_bulk: "Bulk work",
    queue_suggest: "Suggestions",
    queue_support: "Questions",
    queues: "Queues",
    queuesPaused: "Paused: {queues}. Nobody takes these jobs until you resume.",
    redis: "Redis does not answer, trying again …",
    refused: "This page is for the shop’s admins. Write /dashboard to the bot in your private chat: it answers with a link that lets you in.",
    refusedHint: "Telegram did not take them",
    refusedTile: "Refused",
    requeue: "Try again",
    requeueQuestion: "Send the {count} failed jobs of “{queue}” in again? Each runs once more; one that fails again comes back here.",
    resume: "Resume",
    sent: "Replies sent",
    sentHint: "since the counters began",
    slots: "Slots",
    somebodyWaits: "{count} waiting, the first for {wait}.",
    steps: "Steps a second",
    summary: "{title}, the last hour: now {now}, highest {highest}",
    undelivered: "No bot delivers replies just now. Answers wait in the outbox.",
    unknownHint: "may or may not have arrived",
    unknownTile: "Unknown",
    waiting: "Customers waiting",
    waitingHint: "{depth} jobs in the queues",
    worker: "Worker",
    workers: "Workers",
  },
  zh: {
    act_pause: "暂停了",
    act_requeue: "重新提交了失败任务：",
    act_resume: "恢复了",
    acts: "管理员操作",
    alert_gave_up: "三次尝试均失败，已放弃回答并向顾客致歉",
    alert_refused: "Telegram 拒绝了一条回复",
    alert_set_aside: "一条来自 Telegram 的更新无法处理，已搁置",
    alert_unknown: "发送回复后没有收到 Telegram 的确认，可能已送达，也可能没有",
    alert_unreadable: "发件箱中的一条回复无法读取，已丢弃",
    alerts: "警报",
    apologies: "致歉",
    apologiesHint: "三次尝试失败之后",
    answersChart: "每分钟回答数",
    answersTile: "每分钟回答数",
    answersHint: "自开始计数以来 {count} 条",
    busy: "{slots} 个中 {busy} 个在用，近期 {fill}",
    byAdmin: "管理员 {id} {act}{queue}",
    cancel: "取消",
    dashboard: "监控面板",
    deeds: "操作",
    depth: "等待",
    depthChart: "队列中等待的任务",
    failed: "失败",
    fill: "工作进程占用率",
    hour: "最近一小时",
    hourAgo: "60 分钟前",
    inFlight: "处理中",
    interface: "页面语言",
    jobs: "完成任务",
    jobsMoved: "（{count} 个）",
    leave: "退出",
    model: "模型",
    noActs: "暂无记录。",
    noAlerts: "一切正常。",
    noWorkers: "没有工作进程在运行。启动命令：kefu worker",
    noPoints: "暂无数据",
    nobodyWaits: "没有顾客在等待。",
    now: "现在",
    nowAxis: "现在",
    offline: "连接中断，正在重试……",
    oldest: "最长等待",
    oldestChart: "最长等待时间",
    online: "实时",
    pause: "暂停",
    pauseQuestion: "暂停“{queue}”队列？工作进程会做完手上的任务，但不再领取新任务。在您恢复之前，顾客将一直等待。",
    paused: "已暂停",
    queue: "队列",
    queue_bulk: "批量任务",
    queue_suggest: "商品推荐",
    queue_support: "顾客提问",
    queues: "队列",
    queuesPaused: "已暂停：{queues}。恢复之前不会有人处理这些任务。",
    redis: "Redis 没有回应，正在重试……",
    refused: "此页面仅供本店管理员使用。请在与机器人的私聊中发送 /dashboard，它会回复一个登录链接。",
    refusedHint: "Telegram 没有接收",
    refusedTile: "被拒绝",
    requeue: "重试",
    requeueQuestion: "重新提交“{queue}”队列中失败的 {count} 个任务？每个任务会再执行一次，仍然失败的会回到这里。",
    resume: "恢复",
    sent: "已发送回复",
    sentHint: "自开始计数以来",
    slots: "槽位",
    somebodyWaits: "{count} 位顾客在等待，最早的已等 {wait}。",
    steps: "每秒步数",
    summary: "{title}，最近一小时：现在 {now}，最高 {highest}",
    undelivered: "目前没有机器人在发送回复，回答都在发件箱中等待。",
    unknownHint: "不确定是否送达",
    unknownTile: "结果未知",
    waiting: "等待中的顾客",
    waitingHint: "队列中有 {depth} 个任务",
    worker: "工作进程",
    workers: "工作进程",
  },
};

let current = "en";

/** Which of our two languages a language tag stands for; English unless it is Chinese. */
export const ours = (tag) => (/^zh\b/i.test(tag ?? "") ? "zh" : "en");

/** The language that the page speaks. */
export const language = () => current;

/** One of the page's words or sentences, with its {values} filled in. */
export const word = (key, values = {}) => WORDS[current][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);

/** The same, or the key itself where the page has no word for it. */
export const wordOr = (key, otherwise) => WORDS[current][key] ?? otherwise;

/** Speak another language everywhere on the page. */
export function speak(tag) {
  current = ours(tag);
  document.documentElement.lang = current === "zh" ? "zh-Hans" : "en";
  for (const node of document.querySelectorAll("[data-word]")) node.textContent = word(node.dataset.word);
  for (const node of document.querySelectorAll("[data-word-label]")) {
    node.setAttribute("aria-label", word(node.dataset.wordLabel));
  }
}

/** A number with its thousands apart. */
export const count = (value) => value.toLocaleString(current, { maximumFractionDigits: value < 10 ? 1 : 0 });

/** A share as per cent. */
export const share = (value) => value.toLocaleString(current, { style: "percent", maximumFractionDigits: 0 });

/** A span of seconds: 8 s, 2 min 5 s, 1 h 20 min. */
export function span(seconds) {
  const whole = Math.round(seconds);
  const [s, min, h] = current === "zh" ? [" 秒", " 分", " 小时"] : [" s", " min", " h"];
  if (whole < 60) return whole + s;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return minutes + min + (whole % 60 ? ` ${whole % 60}${s}` : "");
  return Math.floor(minutes / 60) + h + (minutes % 60 ? ` ${minutes % 60}${min}` : "");
}

/** The time of day; with the date if that is not today. */
export function moment(seconds) {
  const at = new Date(seconds * 1000);
  const day = at.toDateString() === new Date().toDateString() ? {} : { month: "short", day: "numeric" };
  return at.toLocaleString(current, { ...day, hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}
