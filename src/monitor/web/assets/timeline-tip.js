// What is at one time of the timeline: as words for the slider's value, and as a box beside
// the pointer.

import { h, setText } from './dom.js';
import * as format from './format.js';
import { gapReason, kind } from './kinds.js';

/** Lines of words: first the time, then what is known of it. */
export function describe(series, ms, tolerance_ms, now_ms) {
  const step = series.at(ms);
  const lines = [];
  if (step && step.mean !== null) {
    const spread = series.step_ms > 1000 ? ` (${format.score(step.min)} to ${format.score(step.max)} in ${format.duration(series.step_ms)})` : '';
    lines.push(`correspondence ${format.score(step.mean)}${spread}`);
    if (step.level_dbfs !== null) lines.push(`level ${format.level(step.level_dbfs)} dBFS`);
  }
  const gap = series.gapAt(ms, tolerance_ms / 2);
  if (gap) lines.push(`not judged: ${gapReason(gap.why)}`);
  else if (step?.lost) lines.push(`${step.lost} s not judged`);
  else if (!step || step.mean === null) lines.push('nothing judged');
  for (const event of series.eventsAt(ms, tolerance_ms, now_ms)) lines.push(`${kind(event.kind).word}: ${event.what}`);
  return lines;
}

export class Tip {
  constructor() {
    this.time = h('strong');
    this.utc = h('span', { class: 'utc' });
    this.lines = h('div');
    // The same is the slider's value for screen readers.
    this.element = h('div', { class: 'tip', 'aria-hidden': 'true', hidden: true }, this.time, this.utc, this.lines);
  }

  show(x, width, ms, lines) {
    setText(this.time, `${format.day(ms)} ${format.clock(ms)}`);
    setText(this.utc, format.utc(ms));
    this.lines.replaceChildren(...lines.map((line) => h('p', {}, line)));
    this.element.hidden = false;
    const own = this.element.offsetWidth;
    const left = x + 14 + own > width ? x - 14 - own : x + 14;
    this.element.style.transform = `translateX(${Math.round(Math.max(0, left))}px)`;
  }

  hide() {
    this.element.hidden = true;
  }
}
