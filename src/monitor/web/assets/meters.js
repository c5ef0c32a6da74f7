// The two bars that every stream has: correspondence against the stream's own normal, and
// the level of its sound.

import { h, setAttribute, setText } from './dom.js';
import * as format from './format.js';

/** The quiet end of the meter; below it is silence for an ear in the room. */
const FLOOR_DBFS = -80;

const clamp = (value) => Math.min(1, Math.max(0, value));

export class CorrespondenceMeter {
  constructor() {
    this.number = h('span', { class: 'figure' });
    this.zone = h('i', { class: 'zone' });
    this.fill = h('i', { class: 'fill' });
    this.median = h('i', { class: 'tick' });
    this.bar = h('div', {
      class: 'bar correspondence', role: 'meter', 'aria-label': 'correspondence', 'aria-valuemin': 0, 'aria-valuemax': 1,
    }, this.zone, this.fill, this.median);
    this.note = h('span', { class: 'note' });
    this.element = h('div', { class: 'meter' },
      h('span', { class: 'name' }, 'correspondence'), this.number, this.bar, this.note);
  }

  set(value, normal) {
    const below = value !== null && normal !== null && value < normal.low;
    const note = value === null ? 'not judged' : normal === null ? 'no normal known yet' : below ? '▼ below normal' : 'normal';
    setText(this.number, format.score(value));
    setText(this.note, note);
    this.element.classList.toggle('below', below);
    this.fill.style.transform = `scaleX(${clamp(value ?? 0)})`;
    this.zone.hidden = this.median.hidden = normal === null;
    if (normal) {
      this.zone.style.left = `${clamp(normal.low) * 100}%`;
      this.median.style.left = `${clamp(normal.median) * 100}%`;
    }
    // The role demands a number even if there is none; the text says so.
    setAttribute(this.bar, 'aria-valuenow', value ?? 0);
    setAttribute(this.bar, 'aria-valuetext', value === null ? note : `${format.score(value)}, ${note.replace('▼ ', '')}`);
  }
}

export class LevelMeter {
  constructor() {
    this.number = h('span');
    this.fill = h('i', { class: 'fill' });
    this.bar = h('div', {
      class: 'bar level', role: 'meter', 'aria-label': 'level', 'aria-valuemin': FLOOR_DBFS, 'aria-valuemax': 0,
    }, this.fill);
    for (const tick of [-60, -40, -20]) {
      const mark = h('i', { class: 'tick faint' });
      mark.style.left = `${(1 - tick / FLOOR_DBFS) * 100}%`;
      this.bar.append(mark);
    }
    this.element = h('div', { class: 'meter' },
      h('span', { class: 'name' }, 'level'), h('span', { class: 'figure' }, this.number, h('small', {}, ' dBFS')), this.bar);
  }

  set(dbfs) {
    setText(this.number, format.level(dbfs));
    this.fill.style.transform = `scaleX(${dbfs === null ? 0 : clamp(1 - dbfs / FLOOR_DBFS)})`;
    setAttribute(this.bar, 'aria-valuenow', dbfs ?? FLOOR_DBFS);
    setAttribute(this.bar, 'aria-valuetext', dbfs === null ? 'not known' : `${format.level(dbfs)} dBFS`);
  }
}
