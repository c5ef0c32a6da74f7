// The first page: all streams as tiles, and the latest events over all of them.

import { getTimeline } from './api.js';
import { countStates } from './badges.js';
import { eachSecond, now } from './clock.js';
import { arrange, h } from './dom.js';
import { EventFeed } from './event-feed.js';
import { eventsHref } from './router.js';
import * as store from './store.js';
import { Tile } from './tile.js';

const LATEST = 12;

export class Overview {
  title = 'Streams';

  constructor() {
    this.tiles = new Map();
    this.count = h('span', { class: 'count' });
    this.list = h('ul', { class: 'tiles' });
    this.empty = h('p', { class: 'empty', hidden: true },
      'No stream yet. They appear here as soon as the program has opened them.');
    this.feed = new EventFeed({
      page: LATEST, more: false, label: 'latest events', empty: 'No event yet. Problems of the streams will be listed here.',
    });
    this.element = h('div', { class: 'page' },
      h('div', { class: 'page-head' }, h('h1', {}, 'Streams'), this.count),
      this.list, this.empty,
      h('section', { 'aria-labelledby': 'latest' },
        h('div', { class: 'page-head' }, h('h2', { id: 'latest' }, 'Latest events'), h('a', { href: eventsHref() }, 'all events')),
        this.feed.element));
    this.stops = [
      store.on('streams', () => this.setList()),
      store.on('stream', (stream) => this.onStream(stream)),
      store.on('refill', () => this.fillSparklines()),
      eachSecond(() => this.tick()),
    ];
    this.setList();
  }

  /** In the server's order, always: an operator finds a stream by its place. */
  setList() {
    const names = [...store.streams.keys()];
    for (const [name, tile] of this.tiles) {
      if (store.streams.has(name)) continue;
      tile.destroy();
      this.tiles.delete(name);
    }
    const added = names.filter((name) => !this.tiles.has(name));
    for (const name of added) this.tiles.set(name, new Tile(name));
    arrange(this.list, names.map((name) => this.tiles.get(name).element));
    for (const tile of this.tiles.values()) tile.update();
    countStates(this.count, store.streams.values());
    this.empty.hidden = names.length > 0 || store.link === 'connecting';
    this.fillSparklines(added);
  }

  /** Once for each stream, and after messages were missed: what happened before. */
  async fillSparklines(names = [...this.tiles.keys()]) {
    for (const name of names) {
      const to_ms = Math.round(now());
      try {
        const line = await getTimeline(name, { from_ms: to_ms - store.HISTORY_MS, to_ms, points: 300 });
        const points = line.t_ms.map((t_ms, i) => ({
          end_ms: t_ms + line.step_ms, correspondence: line.mean[i], level_dbfs: line.level_dbfs[i],
        }));
        store.fillHistory(name, points.filter((point) => point.correspondence !== null));
        this.tiles.get(name)?.update();
      } catch {
        // Without it the sparkline starts empty and grows; that needs no message.
      }
    }
  }

  onStream(stream) {
    this.tiles.get(stream.name)?.update();
    countStates(this.count, store.streams.values());
  }

  /** Ages grow and sparklines move on even when nothing arrives. */
  tick() {
    for (const [name, tile] of this.tiles) {
      if (now() - (store.streams.get(name)?.last_ms ?? 0) > 2000) tile.update();
    }
  }

  destroy() {
    for (const stop of this.stops) stop();
    for (const tile of this.tiles.values()) tile.destroy();
    this.feed.destroy();
  }
}
