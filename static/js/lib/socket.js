// One websocket per page, shared by everything on it.
//
// subscribe("jobs", (data, message) => …, () => refetch): messages come once and in order; after a
// break the server sends what was missed, or says "resync" and onResync fetches the whole again.

const PATH = "/ws/live";
const SEEN = 2000;
const PING = 25_000;

const topics = new Map();
let socket = null;
let attempts = 0;
let pinger = null;
let state = "closed";
const watchers = new Set();

/** Listen to a topic; returns a function that stops listening. */
export function subscribe(topic, handler, onResync = () => {}) {
  let entry = topics.get(topic);
  if (!entry) {
    entry = { listeners: new Set(), last: "", seen: new Set(), behind: false };
    topics.set(topic, entry);
    ask(topic, entry);
  }
  const listener = { handler, onResync };
  entry.listeners.add(listener);
  if (!socket) connect();
  return () => entry.listeners.delete(listener);
}

/** Hear "open" and "closed"; called at once with the state now. */
export function watchState(watcher) {
  watchers.add(watcher);
  watcher(state);
}

function tell(next) {
  state = next;
  for (const watcher of watchers) watcher(next);
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  const mine = new WebSocket(`${scheme}://${location.host}${PATH}`);
  socket = mine;
  mine.addEventListener("open", () => {
    attempts = 0;
    tell("open");
    for (const [topic, entry] of topics) ask(topic, entry);
    clearInterval(pinger);
    pinger = setInterval(() => send({ op: "ping" }), PING);
  });
  mine.addEventListener("message", (event) => receive(JSON.parse(event.data)));
  mine.addEventListener("close", (event) => closed(mine, event.code));
}

function closed(which, code) {
  if (which !== socket) return;
  clearInterval(pinger);
  tell("closed");
  if (code === 4401) return;
  const wait = Math.min(30_000, 500 * 2 ** attempts) * (0.5 + Math.random());
  attempts += 1;
  setTimeout(connect, wait);
}

function send(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}

function ask(topic, entry) {
  send({ op: "subscribe", topic, last: entry.last });
}

function receive(message) {
  const entry = topics.get(message.topic);
  if (message.op === "message" && entry) deliver(entry, message);
  else if (message.op === "subscribed" && entry && message.state === "resync") resync(entry);
  else if (message.op === "resync") for (const one of topics.values()) resync(one);
  else if (message.op === "error") console.warn("socket:", message.message, message.topic ?? "");
}

function deliver(entry, message) {
  if (entry.seen.has(message.id)) return;
  entry.seen.add(message.id);
  if (entry.seen.size > SEEN) entry.seen.delete(entry.seen.values().next().value);
  if (isLater(message.id, entry.last)) entry.last = message.id;
  for (const { handler } of [...entry.listeners]) {
    try {
      handler(message.data, message);
    } catch (error) {
      console.error(error);
    }
  }
}

function resync(entry) {
  for (const { onResync } of [...entry.listeners]) onResync();
}

function isLater(id, than) {
  if (!than) return true;
  const [ms, n] = id.split("-").map(Number);
  const [oldMs, oldN] = than.split("-").map(Number);
  return ms > oldMs || (ms === oldMs && n > oldN);
}

// A laptop that wakes, a phone that comes back: do not wait for the timer.
addEventListener("online", () => socket?.readyState === WebSocket.CLOSED && connect());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && socket?.readyState === WebSocket.CLOSED && state === "closed") connect();
});
