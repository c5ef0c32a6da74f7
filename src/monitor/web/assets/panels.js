// Beside the picture: the numbers of what is shown. One panel for the live stream, one for a
// stored second, one for an event.

import { clipUrl, getTimeline, isAbort, putProtected, spectrogramUrl } from './api.js';
import { kindBadge } from './badges.js';
import { now } from './clock.js';
import { h, setAttribute, setText } from './dom.js';
import * as format from './format.js';
import { glyph } from './glyphs.js';
import { clipAbsence, gapReason } from './kinds.js';
import { CorrespondenceMeter, LevelMeter } from './meters.js';
import { CORRESPONDS, LivePicture } from './picture.js';
import { Series } from './series.js';
import { isOld } from './tile.js';

/** A list of names and values; a value that is null is left out. */
class Facts {
  constructor(...names) {
    this.values = new Map(names.map((name) => [name, h('dd')]));
    this.element = h('dl', { class: 'facts' }, ...names.map((name) => h('div', {}, h('dt', {}, name), this.values.get(name))));
  }

  set(name, value) {
    const cell = this.values.get(name);
    cell.parentElement.hidden = value === null;
    if (value instanceof Node) cell.replaceChildren(value);
    else setText(cell, value ?? '');
  }
}

function soundPlace({ peak, correspondence }) {
  if (!peak || !(correspondence > CORRESPONDS)) return 'nowhere in the picture';
  return `${format.percent(peak[0])} from left, ${format.percent(peak[1])} from top`;
}

export class LivePanel {
  constructor() {
    this.correspondence = new CorrespondenceMeter();
    this.level = new LevelMeter();
    this.facts = new Facts('normal', 'deviation', 'sound comes from', 'lag', 'drift', 'picture', 'state since');
    this.spectrogram = new LivePicture({ alt: 'log-spectrogram of the newest second with its heatmap' });
    this.element = h('div', { class: 'panel' },
      this.correspondence.element, this.level.element, this.facts.element,
      h('figure', { class: 'spectrogram' }, this.spectrogram.element,
        h('figcaption', {}, h('span', {}, 'spectrogram, newest second'), h('span', {}, '↑ frequency  → time'))));
  }

  update(stream) {
    const { normal, z_score } = stream;
    const old = isOld(stream);
    this.correspondence.set(old ? null : stream.correspondence, normal);
    this.level.set(old ? null : stream.level_dbfs);
    this.facts.set('normal', normal ? `from ${format.score(normal.low)}, median ${format.score(normal.median)}` : 'not known yet');
    this.facts.set('deviation', z_score === null || old ? null : `${format.deviation(z_score)} σ over other cameras’ sounds`);
    this.facts.set('sound comes from', old ? '–' : soundPlace(stream));
    this.facts.set('lag', stream.last_ms === null ? '–' : `${stream.lag_s.toFixed(1)} s`);
    this.facts.set('drift', format.drift(stream));
    this.facts.set('picture', stream.width ? `${stream.width} × ${stream.height}` : 'none yet');
    this.facts.set('state since', `${format.moment(stream.since_ms)} (${format.duration(now() - stream.since_ms)})`);
    if (stream.picture !== null) this.spectrogram.want(spectrogramUrl(stream.name, stream.picture));
    this.spectrogram.element.parentElement.hidden = stream.picture === null;
  }

  destroy() {
    this.spectrogram.destroy();
  }
}

/** The values of one second, asked for by itself: the timeline may be coarser. */
export class SecondPanel {
  constructor({ name, openEvent }) {
    Object.assign(this, { name, openEvent });
    this.correspondence = new CorrespondenceMeter();
    this.level = new LevelMeter();
    this.facts = new Facts('time', 'UTC', 'not judged');
    this.events = h('ul', { class: 'links' });
    this.message = h('p', { class: 'note' });
    this.element = h('div', { class: 'panel' },
      this.correspondence.element, this.level.element, this.facts.element, this.events, this.message);
  }

  async show(at_ms) {
    this.request?.abort();
    this.request = new AbortController();
    this.facts.set('time', `${format.day(at_ms)} ${format.clock(at_ms)}`);
    this.facts.set('UTC', format.utc(at_ms).replace(' UTC', ''));
    try {
      const answer = await getTimeline(this.name, { from_ms: at_ms - 10_000, to_ms: at_ms + 10_000, points: 20 }, this.request.signal);
      const series = new Series();
      series.load(answer);
      this.fill(series, at_ms);
      setText(this.message, '');
    } catch (error) {
      if (!isAbort(error)) setText(this.message, `The values could not be loaded: ${error.message}.`);
    }
  }

  fill(series, at_ms) {
    const step = series.at(at_ms);
    this.correspondence.set(step?.mean ?? null, series.normal);
    this.level.set(step?.level_dbfs ?? null);
    const gap = series.gapAt(at_ms);
    this.facts.set('not judged', gap ? gapReason(gap.why) : step?.mean == null ? 'nothing is kept of this second' : null);
    this.events.replaceChildren(...series.eventsAt(at_ms, 0, now()).map((event) => h('li', {},
      h('button', { type: 'button', onclick: () => this.openEvent(event) }, kindBadge(event.kind), event.what))));
  }

  destroy() {
    this.request?.abort();
  }
}

export class EventPanel {
  constructor({ changed, openSecond }) {
    this.changed = changed;
    this.what = h('p', { class: 'event-what' });
    this.facts = new Facts('begin', 'end', 'duration', 'score', 'highest', 'clip');
    this.protect = h('button', { type: 'button', onclick: () => this.toggle() });
    this.download = h('a', { class: 'button', download: true }, 'download clip');
    this.message = h('p', { class: 'note', role: 'status' });
    this.element = h('div', { class: 'panel' }, this.what, this.facts.element,
      h('div', { class: 'actions' }, this.protect, this.download,
        h('button', { type: 'button', onclick: () => openSecond(this.event.begin_ms) }, 'picture at its begin')),
      this.message);
  }

  show(event) {
    if (this.event?.id !== event.id) setText(this.message, '');
    this.event = event;
    setText(this.what, event.what);
    this.facts.set('begin', format.timeElement(event.begin_ms));
    this.facts.set('end', event.end_ms === null ? 'going on' : format.timeElement(event.end_ms));
    this.facts.set('score', format.score(event.score));
    this.facts.set('highest', format.score(event.top_score));
    this.facts.set('clip', clipAbsence(event.clip) ?? (event.clip_s === null ? 'ready' : `${event.clip_s.toFixed(1)} s`));
    this.protect.replaceChildren(glyph('lock'), event.protected ? 'protected' : 'protect');
    setAttribute(this.protect, 'aria-pressed', String(event.protected));
    this.protect.title = 'protected events are never deleted to save space';
    this.download.hidden = event.clip !== 'ready';
    this.download.href = clipUrl(event.id);
    this.tick();
  }

  tick() {
    this.facts.set('duration', format.duration((this.event.end_ms ?? now()) - this.event.begin_ms));
  }

  async toggle() {
    this.protect.disabled = true;
    try {
      const event = await putProtected(this.event.id, !this.event.protected);
      setText(this.message, event.protected ? 'It will not be deleted.' : 'It may be deleted to save space.');
      this.changed(event);
    } catch (error) {
      setText(this.message, `It could not be changed: ${error.message}.`);
    }
    this.protect.disabled = false;
    this.protect.focus();
  }
}
