// What the page knows now: the streams, their last minutes, the latest events, and whether
// the server is there. Changed by live.js only; views read it and listen.

/** So much of each stream is kept for sparklines, and to bridge a timeline's request. */
export const HISTORY_MS = 300_000;
const EVENTS_KEPT = 300;

export const streams = new Map();
export const events = new Map();
/** "connecting", "open", "lost" or "denied". */
export let link = 'connecting';

const histories = new Map();
const listeners = new Map();

/**
 * Topics: "streams" (the list), "stream" (one, with it), "event" (one, with it), "link",
 * and "refill" (messages may have been missed: ask again for what grows).
 */
export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(listener);
  return () => listeners.get(topic).delete(listener);
}

function tell(topic, value) {
  for (const listener of listeners.get(topic) ?? []) listener(value);
}

export function setLink(state) {
  if (link === state) return;
  link = state;
  tell('link', state);
}

export function setStreams(list) {
  const names = new Set(list.map((stream) => stream.name));
  for (const name of streams.keys()) if (!names.has(name)) histories.delete(name);
  streams.clear();
  for (const stream of list) {
    streams.set(stream.name, stream);
    remember(stream);
  }
  tell('streams');
}

export const refill = () => tell('refill');

export function setStream(stream) {
  const isNew = !streams.has(stream.name);
  streams.set(stream.name, stream);
  remember(stream);
  tell(isNew ? 'streams' : 'stream', stream);
}

export function setEvent(event) {
  events.set(event.id, event);
  if (events.size > EVENTS_KEPT) events.delete([...events.keys()].sort()[0]);
  tell('event', event);
}

/** Points {end_ms, correspondence, level_dbfs} in order of time. */
export function history(name) {
  if (!histories.has(name)) histories.set(name, []);
  return histories.get(name);
}

function remember(stream) {
  if (stream.last_ms === null) return;
  const points = history(stream.name);
  const last = points.at(-1);
  // A change of state repeats the newest moment; only a newer one is a new point.
  if (last && stream.last_ms <= last.end_ms) return;
  points.push({ end_ms: stream.last_ms, correspondence: stream.correspondence, level_dbfs: stream.level_dbfs });
  trim(points);
}

/** What the server knows of the last minutes, continued by what has been received since. */
export function fillHistory(name, known) {
  const points = history(name);
  const last = known.at(-1)?.end_ms ?? -Infinity;
  points.splice(0, points.length, ...known, ...points.filter((point) => point.end_ms > last));
  trim(points);
}

function trim(points) {
  const oldest = points.at(-1)?.end_ms - HISTORY_MS;
  const keep = points.findIndex((point) => point.end_ms >= oldest);
  if (keep > 0) points.splice(0, keep);
}

export const labelOf = (name) => streams.get(name)?.label ?? name;
