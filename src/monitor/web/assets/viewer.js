// The big picture of one stream: the newest, a stored second, or an event's clip. Always in
// the same place, and always saying which of the three it is.

import { clipUrl, frameUrl, latestUrl, snapshotUrl } from './api.js';
import { kindBadge } from './badges.js';
import { now } from './clock.js';
import { h, setAttribute, setText } from './dom.js';
import * as format from './format.js';
import { clipAbsence } from './kinds.js';
import { CORRESPONDS, LivePicture } from './picture.js';
import { isOld } from './tile.js';

/** Stepping through seconds with a held key must not ask for each. */
const SETTLE_MS = 120;

export class Viewer {
  /** `step(ms)` moves the shown second, `live()` goes back to the newest picture. */
  constructor({ name, step, live }) {
    this.name = name;
    this.mode = h('span', { class: 'mode' });
    this.time = h('time', { class: 'mode-time' });
    this.ago = h('span', { class: 'ago' });
    const stepButton = (seconds, text) => h('button', {
      type: 'button', 'aria-label': `${Math.abs(seconds)} s ${seconds < 0 ? 'back' : 'on'}`, onclick: () => step(seconds * 1000),
    }, text);
    this.steps = h('span', { class: 'segments', role: 'group', 'aria-label': 'step' },
      stepButton(-10, '−10 s'), stepButton(-1, '−1 s'), stepButton(1, '+1 s'), stepButton(10, '+10 s'));
    this.back = h('button', { type: 'button', class: 'primary', onclick: live }, 'back to live');
    this.live = new LivePicture({ alt: 'newest picture with heatmap' });
    this.peak = h('i', { class: 'peak', hidden: true });
    this.live.element.append(this.peak);
    this.stored = h('div', { class: 'stored' });
    this.words = h('p', { class: 'stage-words', hidden: true });
    this.fit = h('div', { class: 'fit' }, this.live.element, this.stored, this.words);
    this.element = h('section', { class: 'viewer', 'aria-label': 'picture' },
      h('div', { class: 'viewer-bar' }, this.mode, this.time, this.ago, h('span', { class: 'grow' }), this.steps, this.back),
      h('div', { class: 'stage' }, this.fit));
    this.showLive();
  }

  /** A moment of the stream: the newest picture goes on even while another one is shown. */
  update(stream) {
    this.stream = stream;
    if (stream.width) this.fit.style.setProperty('--ratio', stream.width / stream.height);
    if (this.kind !== 'live') return;
    const old = isOld(stream);
    setText(this.mode, old ? 'last picture' : 'live');
    this.element.classList.toggle('old', old);
    if (stream.picture !== null) this.live.want(latestUrl(this.name, stream.picture));
    this.say(stream.picture === null ? 'No picture yet.' : null);
    this.peak.hidden = old || !stream.peak || !(stream.correspondence > CORRESPONDS);
    if (stream.peak) {
      this.peak.style.left = `${stream.peak[0] * 100}%`;
      this.peak.style.top = `${stream.peak[1] * 100}%`;
    }
    this.tick();
  }

  tick() {
    if (this.kind === 'live') this.setTime(this.stream?.last_ms ?? null);
    else if (this.shown_ms !== null) setText(this.ago, `${format.duration(now() - this.shown_ms)} ago`);
  }

  setTime(ms) {
    this.time.hidden = ms === null;
    if (ms === null) return;
    format.setTime(this.time, ms);
    const age_ms = now() - ms;
    setText(this.ago, this.kind === 'live' && age_ms < 5000 ? '' : `${format.duration(age_ms)} ago`);
  }

  showLive() {
    this.turn('live', 'live');
    this.shown_ms = null;
    setText(this.ago, '');
    if (this.stream) this.update(this.stream);
  }

  async showSecond(at_ms) {
    this.turn('second', 'stored picture');
    this.shown_ms = at_ms;
    this.setTime(at_ms);
    if (!this.stored.hasChildNodes()) this.say('loading…');
    const turn = this.turns;
    await new Promise((done) => setTimeout(done, SETTLE_MS));
    if (turn !== this.turns) return;
    const image = new Image();
    image.alt = `picture of ${format.moment(at_ms)} with heatmap`;
    image.src = frameUrl(this.name, at_ms);
    try {
      await image.decode();
      if (turn !== this.turns) return;
      this.stored.replaceChildren(image);
      this.say(null);
    } catch {
      if (turn !== this.turns) return;
      this.stored.replaceChildren();
      this.say('No picture is kept of this second.');
    }
  }

  /** Called again when the event changes: a clip that is ready by now replaces the snapshot. */
  showEvent(event) {
    const key = `${event.id} ${event.clip}`;
    if (this.kind === 'event' && this.eventKey === key) return;
    this.turn('event', 'event');
    this.mode.replaceChildren(kindBadge(event.kind));
    this.eventKey = key;
    this.shown_ms = event.begin_ms;
    this.setTime(event.begin_ms);
    if (event.clip === 'ready') this.play(event);
    else this.showSnapshot(event);
  }

  play(event) {
    const video = h('video', { controls: true, playsinline: true, preload: 'metadata', 'aria-label': `clip: ${event.what}` });
    if (event.snapshot) video.poster = snapshotUrl(event.id);
    video.addEventListener('error', () => this.say('The clip could not be played. It may have been deleted meanwhile.'));
    video.src = clipUrl(event.id);
    this.stored.replaceChildren(video);
    this.say(null);
  }

  showSnapshot(event) {
    this.stored.replaceChildren();
    this.say(clipAbsence(event.clip));
    if (!event.snapshot) return;
    const image = h('img', { alt: `snapshot: ${event.what}`, src: snapshotUrl(event.id) });
    image.addEventListener('error', () => image.remove());
    this.stored.append(image);
  }

  turn(kind, words) {
    // What an older request brings must not replace what is shown now.
    this.turns = (this.turns ?? 0) + 1;
    const changed = this.kind !== kind;
    this.kind = kind;
    this.element.dataset.mode = kind;
    setText(this.mode, words);
    this.live.element.hidden = kind !== 'live';
    this.stored.hidden = kind === 'live';
    if (changed) this.stored.replaceChildren();
    if (changed) this.say(null);
    this.steps.hidden = kind !== 'second';
    this.back.hidden = kind === 'live';
    setAttribute(this.time, 'title', null);
  }

  say(text) {
    this.words.hidden = text === null;
    setText(this.words, text ?? '');
  }

  destroy() {
    this.turns += 1;
    this.live.destroy();
    this.stored.replaceChildren();
  }
}
