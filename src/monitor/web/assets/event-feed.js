// Events of the server in a list that stays right: asked for once, paged, joined by the live
// ones, and asked for again after the connection was lost.

import { getEvents, isAbort } from './api.js';
import { eachSecond } from './clock.js';
import { h, setText } from './dom.js';
import { EventList } from './event-list.js';
import * as store from './store.js';

export class EventFeed {
  /** `filter` is {stream, kind}, either may be empty. `more` offers older ones. */
  constructor({ filter = {}, page = 50, more = true, empty, ...list }) {
    this.filter = filter;
    this.page = page;
    this.list = new EventList({ limit: more ? Infinity : page, ...list });
    this.message = h('p', { class: 'empty', hidden: true });
    this.empty = empty;
    this.button = h('button', { type: 'button', hidden: true, onclick: () => this.older() }, 'Older events');
    this.wantsMore = more;
    this.element = h('div', { class: 'feed' }, this.list.element, this.message, this.button);
    this.stops = [
      store.on('event', (event) => this.matches(event) && this.put([event])),
      store.on('streams', () => this.list.relabel()),
      store.on('refill', () => this.load()),
      eachSecond(() => this.list.tick()),
    ];
    this.load();
  }

  matches(event) {
    return (!this.filter.stream || event.stream === this.filter.stream) && (!this.filter.kind || event.kind === this.filter.kind);
  }

  setFilter(filter) {
    this.filter = filter;
    this.list.clear();
    this.button.hidden = true;
    this.load();
  }

  /** The newest page. What is there already is brought up to date, never doubled. */
  async load() {
    await this.ask({}, (events) => {
      // Events of a filter that has changed meanwhile never arrive: the request was cancelled.
      if (this.list.size <= events.length) this.button.hidden = !this.wantsMore || events.length < this.page;
    });
  }

  async older() {
    this.button.disabled = true;
    await this.ask({ before: this.list.oldest }, (events) => { this.button.hidden = events.length < this.page; });
    this.button.disabled = false;
  }

  async ask(params, done) {
    this.request?.abort();
    this.request = new AbortController();
    if (this.list.size === 0) this.say('loading…');
    try {
      const { events } = await getEvents({ ...this.filter, limit: this.page, ...params }, this.request.signal);
      this.put(events);
      this.say(this.list.size === 0 ? this.empty : null);
      done(events);
    } catch (error) {
      if (!isAbort(error)) this.say(`The events could not be loaded: ${error.message}.`);
    }
  }

  put(events) {
    this.list.put(...events);
    if (events.length > 0) this.say(null);
  }

  say(text) {
    this.message.hidden = text === null;
    setText(this.message, text ?? '');
  }

  destroy() {
    this.request?.abort();
    for (const stop of this.stops) stop();
  }
}
