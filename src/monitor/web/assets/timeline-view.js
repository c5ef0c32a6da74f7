// Which stretch of time is shown, and how it changes. Pure arithmetic on {from_ms, to_ms, follow}.

const MIN = 60_000;
const H = 60 * MIN;
const D = 24 * H;

export const RANGES = [
  ['10 min', 10 * MIN], ['1 h', H], ['6 h', 6 * H], ['24 h', D], ['7 d', 7 * D], ['30 d', 30 * D],
];
const SHORTEST_MS = 30_000;
const LONGEST_MS = 62 * D;

const fit = (span_ms) => Math.min(LONGEST_MS, Math.max(SHORTEST_MS, span_ms));

export const span = (view) => view.to_ms - view.from_ms;

export function following(span_ms, now_ms) {
  return { from_ms: now_ms - fit(span_ms), to_ms: now_ms, follow: true };
}

/** Reaching now is following; nothing later can be looked at. */
function bounded(from_ms, to_ms, now_ms) {
  const span_ms = to_ms - from_ms;
  if (to_ms >= now_ms) return following(span_ms, now_ms);
  return { from_ms, to_ms, follow: false };
}

export function pan(view, by_ms, now_ms) {
  return bounded(view.from_ms + by_ms, view.to_ms + by_ms, now_ms);
}

/** `factor` over 1 shows more. What is at `at_ms` stays where it is. */
export function zoom(view, at_ms, factor, now_ms) {
  const wide = fit(span(view) * factor);
  const share = (at_ms - view.from_ms) / span(view);
  return bounded(at_ms - share * wide, at_ms + (1 - share) * wide, now_ms);
}

export function between(from_ms, to_ms, now_ms) {
  const middle = (from_ms + to_ms) / 2;
  const half = fit(to_ms - from_ms) / 2;
  return bounded(middle - half, middle + half, now_ms);
}

/** Has an event in sight as a whole, if it is not longer than what one wants to see. */
export function revealSpan(view, begin_ms, end_ms, now_ms) {
  const length = end_ms - begin_ms;
  if (begin_ms >= view.from_ms && end_ms <= view.to_ms) return view;
  if (length > span(view) * 0.8) return between(begin_ms - length / 4, end_ms + length / 4, now_ms);
  return reveal(reveal(view, end_ms, now_ms), begin_ms, now_ms);
}

/** Moves as little as needed to have `ms` in sight, with a margin. */
export function reveal(view, ms, now_ms) {
  const margin = span(view) * 0.08;
  if (ms < view.from_ms + margin) return pan(view, ms - margin - view.from_ms, now_ms);
  if (ms > view.to_ms - margin && !view.follow) return pan(view, ms + margin - view.to_ms, now_ms);
  return view;
}
