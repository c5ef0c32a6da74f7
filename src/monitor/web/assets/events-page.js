// The page of all events: filters, and as far back as there are any.

import { h } from './dom.js';
import { EventFeed } from './event-feed.js';
import { kind, KIND_NAMES } from './kinds.js';
import { eventsHref, note } from './router.js';
import * as store from './store.js';

export class EventsPage {
  title = 'Events';

  constructor({ params }) {
    this.stream = h('select', { id: 'filter-stream', onchange: () => this.filtered() });
    this.kind = h('select', { id: 'filter-kind', onchange: () => this.filtered() },
      h('option', { value: '' }, 'all kinds'),
      ...KIND_NAMES.map((name) => h('option', { value: name }, kind(name).word)));
    this.setStreams(params.get('stream') ?? '');
    this.setKind(params.get('kind') ?? '');
    this.feed = new EventFeed({
      filter: this.filter(), pictures: true, label: 'events', empty: 'No event of that kind is kept.',
    });
    this.element = h('div', { class: 'page' },
      h('div', { class: 'page-head' }, h('h1', {}, 'Events'),
        h('form', { class: 'filters', onsubmit: (submit) => submit.preventDefault() },
          h('label', { for: 'filter-stream' }, 'stream'), this.stream,
          h('label', { for: 'filter-kind' }, 'kind'), this.kind)),
      this.feed.element);
    this.stop = store.on('streams', () => this.setStreams(this.stream.value));
  }

  /** Also offers one that is asked for but gone: its events may still be kept. */
  setStreams(chosen) {
    const names = [...store.streams.keys()];
    if (chosen && !names.includes(chosen)) names.push(chosen);
    this.stream.replaceChildren(h('option', { value: '' }, 'all streams'),
      ...names.map((name) => h('option', { value: name }, store.labelOf(name))));
    this.stream.value = chosen;
  }

  setKind(chosen) {
    if (chosen && !KIND_NAMES.includes(chosen)) this.kind.append(h('option', { value: chosen }, kind(chosen).word));
    this.kind.value = chosen;
  }

  filter() {
    return { stream: this.stream.value, kind: this.kind.value };
  }

  filtered() {
    note(eventsHref(this.filter()));
    this.feed.setFilter(this.filter());
  }

  update({ params }) {
    this.setStreams(params.get('stream') ?? '');
    this.setKind(params.get('kind') ?? '');
    this.feed.setFilter(this.filter());
  }

  destroy() {
    this.stop();
    this.feed.destroy();
  }
}
