// The sandbox's control API: what people do, and one stream of what happened in every chat.
//
// One stream, not one per conversation: browsers open at most six connections to a server, for all their tabs together.

import { word } from "./words.js";

const FIRST_RETRY_MS = 300;
const LAST_RETRY_MS = 3000;

/** Something that the sandbox refused or could not hear; the message is for the person at the page. */
export class Refusal extends Error {}

/** Call the control API and return what it answers. */
export async function call(path, body) {
  const request = { headers: { "Content-Type": "application/json" }, method: "POST", body: JSON.stringify(body) };
  let response;
  try {
    response = await fetch(`/control/${path}`, body === undefined ? {} : request);
  } catch {
    throw new Refusal(word("unreachable"));
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(answer.error ?? answer.description ?? `HTTP ${response.status}`);
  return answer;
}

/**
 * Follow everything that happens, for ever, across broken connections and restarts of the sandbox.
 *
 * onState(state, isNew): after each connection; isNew when the sandbox was started anew and knows nothing of before.
 * onEvents(events): in order, each event once. onConnection(isUp): when the stream breaks or stands again.
 */
export function follow({ onState, onEvents, onConnection }) {
  let life = null;
  let seq = 0;
  let retry = FIRST_RETRY_MS;

  async function connect() {
    try {
      const state = await call("state");
      const isNew = state.life !== life;
      if (isNew) [life, seq] = [state.life, 0];
      onState(state, isNew);
    } catch (problem) {
      if (!(problem instanceof Refusal)) throw problem;
      return again();
    }
    listen();
  }

  function listen() {
    const stream = new EventSource(`/control/events?after=${seq}`);
    let batch = [];
    const deliver = () => {
      const events = batch;
      batch = [];
      onEvents(events);
    };
    stream.onopen = () => {
      retry = FIRST_RETRY_MS;
      onConnection(true);
    };
    stream.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.seq <= seq) return;
      seq = event.seq;
      // A long history arrives as many events at once: it is drawn in one go.
      if (batch.push(event) === 1) setTimeout(deliver);
    };
    // The browser's own retry would ask for the first `after` again, and could not see that the sandbox is another.
    stream.onerror = () => {
      stream.close();
      again();
    };
  }

  function again() {
    onConnection(false);
    setTimeout(connect, retry);
    retry = Math.min(retry * 2, LAST_RETRY_MS);
  }

  connect();
}
