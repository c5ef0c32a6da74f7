// Where a time axis has its marks and what they say, in the viewer's zone. Days begin at
// local midnight, also on the days when the clocks change.

import * as format from './format.js';

const S = 1000;
const MIN = 60 * S;
const H = 60 * MIN;
const STEPS_MS = [1, 2, 5, 10, 15, 30].map((n) => n * S).concat([1, 2, 5, 10, 15, 30].map((n) => n * MIN));
const STEPS_H = [1, 2, 3, 6, 12];
const STEPS_D = [1, 2, 7, 14];

/** Marks as {ms, label, day}: `day` where a new day begins. At least `apart` pixels apart. */
export function marks(from_ms, to_ms, width, apart) {
  const least = ((to_ms - from_ms) / width) * apart;
  const small = STEPS_MS.find((step) => step >= least);
  if (small) return byStep(from_ms, to_ms, small);
  const hours = STEPS_H.find((step) => step * H >= least);
  if (hours) return byHour(from_ms, to_ms, hours);
  return byDay(from_ms, to_ms, STEPS_D.find((step) => step * 24 * H >= least) ?? 28);
}

const label = (ms, fine) => (fine ? format.clock(ms) : format.minute(ms));
const isMidnight = (ms) => format.clock(ms) === '00:00:00';
const mark = (ms, fine) => (isMidnight(ms) ? { ms, label: format.day(ms), day: true } : { ms, label: label(ms, fine), day: false });

function byStep(from_ms, to_ms, step) {
  const found = [];
  // Zones differ from UTC by whole quarters of an hour; half-hour steps need the zone's own.
  const zone = new Date(from_ms).getTimezoneOffset() * MIN;
  for (let ms = Math.ceil((from_ms - zone) / step) * step + zone; ms <= to_ms; ms += step) found.push(mark(ms, step < MIN));
  return found;
}

function byHour(from_ms, to_ms, hours) {
  const found = [];
  const day = new Date(from_ms);
  day.setHours(0, 0, 0, 0);
  for (; day.getTime() <= to_ms; day.setDate(day.getDate() + 1)) {
    // Each from the day's own date: counting on would be an hour off after the clocks change.
    for (let hour = 0; hour < 24; hour += hours) {
      const ms = new Date(day.getFullYear(), day.getMonth(), day.getDate(), hour).getTime();
      if (ms >= from_ms && ms <= to_ms) found.push(mark(ms, false));
    }
  }
  return found;
}

function byDay(from_ms, to_ms, days) {
  const found = [];
  const date = new Date(from_ms);
  date.setHours(0, 0, 0, 0);
  for (; date.getTime() <= to_ms; date.setDate(date.getDate() + days)) {
    if (date.getTime() >= from_ms) found.push({ ms: date.getTime(), label: format.day(date.getTime()), day: true });
  }
  return found;
}
