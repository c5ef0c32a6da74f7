// Numbers, times and durations as people read them. Times are Unix milliseconds; shown in
// the viewer's zone, with UTC to hover over.

import { h, setAttribute, setText } from './dom.js';

const parts = (options) => new Intl.DateTimeFormat('en-GB', { hourCycle: 'h23', ...options });
const clockFormat = parts({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
const minuteFormat = parts({ hour: '2-digit', minute: '2-digit' });
const dayFormat = parts({ weekday: 'short', day: 'numeric', month: 'short' });
const NONE = '–';

export const clock = (ms) => clockFormat.format(ms);
export const minute = (ms) => minuteFormat.format(ms);
export const day = (ms) => dayFormat.format(ms);
export const utc = (ms) => `${new Date(ms).toISOString().slice(0, 19).replace('T', ' ')} UTC`;

const sameDay = (a, b) => new Date(a).toDateString() === new Date(b).toDateString();

/** With the day unless that is today. */
export function moment(ms, now = Date.now()) {
  return sameDay(ms, now) ? clock(ms) : `${day(ms)} ${clock(ms)}`;
}

export function range(from, to) {
  const end = sameDay(from, to) ? clock(to) : `${day(to)} ${clock(to)}`;
  return `${day(from)} ${clock(from)} – ${end}`;
}

/** A `<time>` with the local time as text and UTC as its tooltip. */
export function timeElement(ms, now) {
  const element = h('time');
  setTime(element, ms, now);
  return element;
}

export function setTime(element, ms, now) {
  setText(element, moment(ms, now));
  setAttribute(element, 'datetime', new Date(ms).toISOString());
  setAttribute(element, 'title', utc(ms));
}

/** Two units at most: "12 s", "4 min 05 s", "3 h 20 min", "2 d 4 h". */
export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${String(Math.floor((s % 3600) / 60)).padStart(2, '0')} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

const known = (value) => value !== null && value !== undefined && Number.isFinite(value);
// A true minus sign has the width of a digit, so that numbers do not jitter. None before a zero.
const signed = (value, digits) => value.toFixed(digits).replace(/^-(?=[0.]*$)/, '').replace('-', '−');

export const score = (value) => (known(value) ? value.toFixed(2) : NONE);
export const level = (value) => (known(value) ? signed(value, 1) : NONE);
export const deviation = (value) => (known(value) ? signed(value, 1) : NONE);
export const percent = (value) => `${Math.round(value * 100)} %`;

/** How far sound and picture have come apart; null while it is not known. */
export function drift({ av_drift_ms: ms }) {
  if (!known(ms)) return null;
  const whole = Math.round(ms);
  if (whole === 0) return 'sound and picture together';
  return `sound ${Math.abs(whole)} ms ${whole > 0 ? 'earlier' : 'later'} than at the start`;
}

export function plural(count, word) {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
