// The one connection to /api/live. Keeps the store up to date, notices when the server is
// away, and comes back by itself.

import { getVersion, liveUrl } from './api.js';
import { setServerTime } from './clock.js';
import * as store from './store.js';

/** The server comments every 15 s, but browsers hide comments; after this much silence we ask. */
const SILENCE_MS = 12_000;
const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 10_000;

let source = null;
let heard_ms = 0;
let retry_ms = FIRST_RETRY_MS;
let retryTimer = null;
let seenStreams = false;

export function connect() {
  clearTimeout(retryTimer);
  source?.close();
  heard_ms = Date.now();
  source = new EventSource(liveUrl());
  // Open means nothing yet: a proxy may answer for a server that is away. `streams` comes first.
  source.addEventListener('streams', receive(onStreams));
  source.addEventListener('stream', receive(store.setStream));
  source.addEventListener('event', receive((message) => store.setEvent(message.event)));
  source.addEventListener('error', onError);
}

function receive(handle) {
  return (message) => {
    heard_ms = Date.now();
    handle(JSON.parse(message.data));
  };
}

function onStreams(message) {
  retry_ms = FIRST_RETRY_MS;
  setServerTime(message.now_ms);
  // The link first: an empty list means something else while connecting.
  store.setLink('open');
  store.setStreams(message.streams);
  // Any but the first may mean that messages were missed.
  if (seenStreams) store.refill();
  seenStreams = true;
}

function onError() {
  if (store.link !== 'denied') store.setLink('lost');
  // A dropped connection is tried again by the browser; after an HTTP error it gives up.
  if (source.readyState === EventSource.CLOSED) retryLater();
}

async function retryLater() {
  source.close();
  clearTimeout(retryTimer);
  retryTimer = setTimeout(connect, retry_ms);
  retry_ms = Math.min(retry_ms * 2, LAST_RETRY_MS);
  await isThere();
}

/** Also tells a server that wants a token from one that is away. */
async function isThere() {
  try {
    await getVersion();
    return true;
  } catch (error) {
    store.setLink(error.status === 401 ? 'denied' : 'lost');
    return false;
  }
}

async function watch() {
  if (source.readyState === EventSource.OPEN && Date.now() - heard_ms > SILENCE_MS) {
    if (await isThere()) heard_ms = Date.now();
    else connect();
  }
}

setInterval(watch, 5000);
// After sleep, timers come late and the connection may be dead without knowing it.
addEventListener('online', () => store.link !== 'open' && connect());
