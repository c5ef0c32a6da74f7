// The keyboard's way through the timeline: a cursor that moves in time, opens what is there,
// and tells screen readers where it is.

import { now } from './clock.js';
import { beforePaint, setAttribute } from './dom.js';
import * as format from './format.js';
import { describe } from './timeline-tip.js';
import * as views from './timeline-view.js';

/** So many steps from one side to the other. */
const STEPS = 200;

export class Cursor {
  constructor(timeline) {
    this.timeline = timeline;
    this.at_ms = null;
  }

  /** Returns whether the key means something here. */
  key(name, { shift }) {
    const { timeline } = this;
    const span_ms = views.span(timeline.view);
    const step_ms = Math.max(1000, Math.round(span_ms / STEPS / 1000) * 1000) * (shift ? 10 : 1);
    const actions = {
      ArrowLeft: () => this.move(-step_ms),
      ArrowRight: () => this.move(step_ms),
      ArrowDown: () => this.move(-step_ms),
      ArrowUp: () => this.move(step_ms),
      PageUp: () => this.move(span_ms / 2),
      PageDown: () => this.move(-span_ms / 2),
      '+': () => timeline.zoomMiddle(0.5),
      '=': () => timeline.zoomMiddle(0.5),
      '-': () => timeline.zoomMiddle(2),
      Home: () => this.set(timeline.series.oldest_ms ?? timeline.view.from_ms),
      End: () => this.toNow(),
      Enter: () => this.open(shift),
      ' ': () => this.open(shift),
    };
    if (!actions[name]) return false;
    actions[name]();
    return true;
  }

  move(by_ms) {
    const { selected_ms, series, view } = this.timeline;
    const from = this.at_ms ?? selected_ms ?? Math.min(view.to_ms, series.last_ms || now()) - 1000;
    this.set(Math.min(now(), Math.max(series.oldest_ms ?? -Infinity, from + by_ms)));
  }

  toNow() {
    this.timeline.look(views.following(views.span(this.timeline.view), now()));
    this.set(now() - 1000);
  }

  /** null takes the cursor away. */
  set(ms) {
    this.at_ms = ms;
    if (ms !== null) this.timeline.look(views.reveal(this.timeline.view, ms, now()));
    this.tell();
    beforePaint(this.timeline.paint);
  }

  /** For screen readers: when, and what is there. Also called when the data have come. */
  tell() {
    if (this.at_ms === null) return;
    const { series, slider, tolerance_ms, view } = this.timeline;
    setAttribute(slider, 'aria-valuemin', Math.round((series.oldest_ms ?? view.from_ms) / 1000));
    setAttribute(slider, 'aria-valuemax', Math.round(now() / 1000));
    setAttribute(slider, 'aria-valuenow', Math.round(this.at_ms / 1000));
    setAttribute(slider, 'aria-valuetext', [format.moment(this.at_ms), ...describe(series, this.at_ms, tolerance_ms, now())].join('; '));
  }

  open(second) {
    if (this.at_ms === null) return;
    const { series, tolerance_ms } = this.timeline;
    const [event] = series.eventsAt(this.at_ms, tolerance_ms, now());
    if (event && !second) this.timeline.openEvent(event);
    else this.timeline.openSecond(Math.floor(this.at_ms));
  }
}
