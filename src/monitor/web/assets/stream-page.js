// The page of one stream: picture and numbers, timeline, events. Decides what is opened and
// keeps it in the address, so that a link leads to the same.

import { getEvent } from './api.js';
import { ProblemBadges, StateBadge } from './badges.js';
import { eachSecond } from './clock.js';
import { beforePaint, h, setText } from './dom.js';
import { EventFeed } from './event-feed.js';
import { EventPanel, LivePanel, SecondPanel } from './panels.js';
import { eventsHref, note, streamHref } from './router.js';
import * as store from './store.js';
import { Timeline } from './timeline.js';
import { Viewer } from './viewer.js';

export class StreamPage {
  constructor({ name, params }) {
    this.name = name;
    this.paint = this.paint.bind(this);
    this.build();
    this.stops = [
      store.on('streams', () => this.paintSoon()),
      store.on('stream', (stream) => stream.name === name && this.paintSoon()),
      store.on('event', (event) => event.id === this.event?.id && this.eventChanged(event)),
      eachSecond(() => this.tick()),
    ];
    this.open(params);
    this.paint();
  }

  build() {
    const { name } = this;
    this.heading = h('h1');
    this.full = h('span', { class: 'name-note' });
    this.state = new StateBadge();
    this.problems = new ProblemBadges();
    this.missing = h('p', { class: 'empty', hidden: true }, 'There is no stream of this name now. What is kept of it is shown.');
    const openSecond = (at_ms) => {
      this.openSecond(at_ms);
      this.show();
    };
    const openEvent = (event) => {
      this.openEvent(event);
      this.show();
    };
    this.viewer = new Viewer({ name, step: (ms) => openSecond(this.at_ms + ms), live: () => this.openLive() });
    this.livePanel = new LivePanel();
    this.secondPanel = new SecondPanel({ name, openEvent });
    this.eventPanel = new EventPanel({ changed: store.setEvent, openSecond });
    this.side = h('section', { class: 'side', 'aria-label': 'numbers' });
    this.desk = h('div', { class: 'desk' }, this.viewer.element, this.side);
    this.timeline = new Timeline({ name, openSecond, openEvent });
    this.feed = new EventFeed({
      filter: { stream: name }, page: 20, stream: false, label: 'events of this stream', empty: 'No event of this stream is kept.',
    });
    this.element = h('div', { class: 'page stream-page' },
      h('div', { class: 'page-head' }, this.heading, this.full, this.state.element, this.problems.element),
      this.missing,
      this.desk,
      this.timeline.element,
      h('section', { 'aria-labelledby': 'stream-events' },
        h('div', { class: 'section-head' },
          h('h2', { id: 'stream-events' }, 'Events'), h('a', { href: eventsHref({ stream: name }) }, 'all, with pictures')),
        this.feed.element));
  }

  get title() {
    return store.labelOf(this.name);
  }

  /** The address has changed while this stream is shown. */
  update({ params }) {
    this.open(params);
    this.show();
  }

  async open(params) {
    const at_ms = Number(params.get('at'));
    const id = params.get('event');
    if (id) await this.openId(id);
    else if (at_ms) this.openSecond(at_ms);
    else this.openLive();
  }

  async openId(id) {
    const known = store.events.get(id);
    if (known) return this.openEvent(known);
    if (!this.side.hasChildNodes()) this.openLive();
    try {
      const event = await getEvent(id);
      if (!this.gone) this.openEvent(event);
    } catch (error) {
      if (this.gone) return;
      this.openLive();
      this.viewer.say(`The event could not be loaded: ${error.message}.`);
    }
  }

  openLive() {
    this.turn(null, null);
    this.viewer.showLive();
    this.side.replaceChildren(this.livePanel.element);
    this.timeline.select();
    note(streamHref(this.name));
    this.paintSoon();
  }

  /** What was chosen far down must be seen. */
  show() {
    this.viewer.element.scrollIntoView({ block: 'nearest' });
  }

  openSecond(at_ms) {
    this.turn(at_ms, null);
    this.viewer.showSecond(at_ms);
    this.secondPanel.show(at_ms);
    this.side.replaceChildren(this.secondPanel.element);
    this.timeline.select({ at_ms });
    note(streamHref(this.name, { at: at_ms }));
    this.paintSoon();
  }

  openEvent(event) {
    this.turn(null, event);
    this.viewer.showEvent(event);
    this.eventPanel.show(event);
    this.side.replaceChildren(this.eventPanel.element);
    this.timeline.select({ event });
    note(streamHref(this.name, { event: event.id }));
    this.paintSoon();
  }

  turn(at_ms, event) {
    this.at_ms = at_ms;
    this.event = event;
    this.feed.list.setCurrent(event?.id ?? null);
  }

  eventChanged(event) {
    this.event = event;
    this.viewer.showEvent(event);
    this.eventPanel.show(event);
  }

  paintSoon() {
    beforePaint(this.paint);
  }

  paint() {
    const stream = store.streams.get(this.name);
    setText(this.heading, this.title);
    this.missing.hidden = Boolean(stream) || store.link === 'connecting';
    this.desk.hidden = !stream && this.at_ms === null && this.event === null;
    this.state.element.hidden = !stream;
    if (!stream) return;
    setText(this.full, stream.label === stream.name ? '' : stream.name);
    this.state.set(stream.state);
    this.problems.set(stream.problems);
    this.viewer.update(stream);
    this.livePanel.update(stream);
  }

  tick() {
    this.paintSoon();
    this.viewer.tick();
    if (this.event?.end_ms === null) this.eventPanel.tick();
  }

  destroy() {
    this.gone = true;
    for (const stop of this.stops) stop();
    for (const part of [this.viewer, this.livePanel, this.secondPanel, this.timeline, this.feed]) part.destroy();
  }
}
