// A list of events, newest first, each once, kept up to date by its id.

import { snapshotUrl } from './api.js';
import { kindBadge } from './badges.js';
import { now } from './clock.js';
import { arrange, h, setAttribute, setText } from './dom.js';
import * as format from './format.js';
import { glyph } from './glyphs.js';
import { streamHref } from './router.js';
import { labelOf } from './store.js';

/** One event. With `pictures`, its snapshot too; without `stream`, all are of one. */
class Row {
  constructor(event, { pictures, stream }) {
    this.time = h('time');
    this.duration = h('span', { class: 'duration' });
    this.what = h('a', { class: 'what', href: streamHref(event.stream, { event: event.id }) });
    this.stream = stream ? h('span', { class: 'of' }) : null;
    this.fill = h('i', { class: 'fill' });
    this.number = h('span', { class: 'number' });
    this.score = h('span', { class: 'score', title: 'score now / highest, 0 to 1: how far it is over its threshold' },
      this.number, h('span', { class: 'bar thin', 'aria-hidden': 'true' }, this.fill));
    this.marks = h('span', { class: 'marks' });
    this.thumb = pictures ? h('span', { class: 'thumb' }) : null;
    this.element = h('li', { class: 'event' }, this.thumb,
      h('span', { class: 'when' }, this.time), kindBadge(event.kind), this.stream, this.what,
      this.duration, this.score, this.marks);
    this.set(event);
  }

  set(event) {
    this.event = event;
    format.setTime(this.time, event.begin_ms);
    this.relabel();
    setText(this.what, event.what);
    setText(this.number, `score ${format.score(event.score)} / ${format.score(event.top_score)}`);
    this.fill.style.transform = `scaleX(${event.top_score})`;
    this.element.classList.toggle('going-on', event.end_ms === null);
    this.setMarks(event);
    if (this.thumb) this.setThumb(event);
    this.tick();
  }

  /** Labels may become known after the events. */
  relabel() {
    if (this.stream) setText(this.stream, labelOf(this.event.stream));
  }

  setMarks({ clip, protected: kept }) {
    const key = `${clip} ${kept}`;
    if (this.marksKey === key) return;
    this.marksKey = key;
    const clipWords = { ready: 'clip', pending: 'clip not ready yet', none: 'no clip', deleted: 'clip deleted' };
    const play = clip === 'ready' ? glyph('play') : null;
    this.marks.replaceChildren(h('span', { class: `clip-${clip}` }, play, clipWords[clip] ?? clip));
    if (kept) this.marks.append(h('span', {}, glyph('lock'), 'protected'));
  }

  setThumb({ id, snapshot }) {
    if (!snapshot) {
      if (!this.thumb.hasChildNodes()) this.thumb.append(h('span', { class: 'no-picture' }, 'no picture'));
    } else if (!this.thumb.querySelector('img')) {
      const image = h('img', { alt: '', loading: 'lazy', decoding: 'async', width: 160, height: 90, src: snapshotUrl(id) });
      image.addEventListener('error', () => image.replaceWith(h('span', { class: 'no-picture' }, 'no picture')));
      this.thumb.replaceChildren(image);
    }
  }

  /** What goes on gets longer. */
  tick() {
    const { begin_ms, end_ms } = this.event;
    const length = format.duration((end_ms ?? now()) - begin_ms);
    setText(this.duration, end_ms === null ? `${length}, going on` : length);
  }
}

export class EventList {
  constructor({ pictures = false, stream = true, limit = Infinity, label }) {
    this.options = { pictures, stream };
    this.limit = limit;
    this.rows = new Map();
    this.current = null;
    this.element = h('ol', { class: pictures ? 'events with-pictures' : 'events', 'aria-label': label });
    if (!stream) this.element.classList.add('of-one');
  }

  /** Adds or changes; order and limit follow from the ids, which sort by time. */
  put(...events) {
    for (const event of events) {
      const row = this.rows.get(event.id);
      if (row) row.set(event);
      else this.rows.set(event.id, new Row(event, this.options));
    }
    const ids = [...this.rows.keys()].sort().reverse();
    for (const id of ids.splice(this.limit)) this.rows.delete(id);
    arrange(this.element, ids.map((id) => this.rows.get(id).element));
    this.setCurrent(this.current);
  }

  clear() {
    this.rows.clear();
    this.element.replaceChildren();
  }

  get oldest() {
    return [...this.rows.keys()].sort()[0] ?? null;
  }

  get size() {
    return this.rows.size;
  }

  /** Marks the one that is opened elsewhere on the page. */
  setCurrent(id) {
    this.current = id;
    for (const [key, row] of this.rows) setAttribute(row.what, 'aria-current', key === id ? 'true' : null);
  }

  relabel() {
    for (const row of this.rows.values()) row.relabel();
  }

  tick() {
    for (const row of this.rows.values()) if (row.event.end_ms === null) row.tick();
  }
}
