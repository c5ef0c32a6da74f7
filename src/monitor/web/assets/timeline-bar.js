// The timeline's buttons: fixed ranges, zoom, follow now; and which range is shown.

import { h, setAttribute, setText } from './dom.js';
import * as format from './format.js';
import { RANGES, span } from './timeline-view.js';

export class TimelineBar {
  /** `to` has range(span_ms), zoom(factor), pan(share) and follow(on). */
  constructor(to) {
    this.ranges = RANGES.map(([label, span_ms]) => {
      return { span_ms, button: h('button', { type: 'button', onclick: () => to.range(span_ms) }, label) };
    });
    const isFollowing = () => this.follow.getAttribute('aria-pressed') === 'true';
    this.follow = h('button', { type: 'button', onclick: () => to.follow(!isFollowing()) }, 'follow now');
    this.shown = h('span', { class: 'shown' });
    const button = (text, label, onclick) => h('button', { type: 'button', 'aria-label': label, title: label, onclick }, text);
    this.element = h('div', { class: 'timeline-bar' },
      h('div', { class: 'segments', role: 'group', 'aria-label': 'range' }, ...this.ranges.map(({ button: one }) => one)),
      h('div', { class: 'segments', role: 'group', 'aria-label': 'zoom and move' },
        button('‹', 'earlier', () => to.pan(-0.5)), button('−', 'zoom out', () => to.zoom(2)),
        button('+', 'zoom in', () => to.zoom(0.5)), button('›', 'later', () => to.pan(0.5))),
      this.follow, this.shown);
  }

  set(view) {
    for (const { span_ms, button } of this.ranges) setAttribute(button, 'aria-pressed', String(Math.abs(span(view) - span_ms) < 500));
    setAttribute(this.follow, 'aria-pressed', String(view.follow));
    setText(this.shown, format.range(view.from_ms, view.to_ms));
    setAttribute(this.shown, 'title', `${format.utc(view.from_ms)} to ${format.utc(view.to_ms)}`);
  }
}
