// The server's time, and one tick a second for all that shows time passing. The viewer's
// own clock may be wrong by minutes; "now" on this page is the server's.

let offset_ms = 0;
const listeners = new Set();

export function setServerTime(now_ms) {
  offset_ms = now_ms - Date.now();
}

export function now() {
  return Date.now() + offset_ms;
}

/** Calls `listener` each second while the page can be seen; returns how to stop that. */
export function eachSecond(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tick() {
  if (!document.hidden) for (const listener of listeners) listener();
  setTimeout(tick, 1000 - (now() % 1000));
}

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) for (const listener of listeners) listener();
});
tick();
