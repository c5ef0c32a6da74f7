// Small labels that say how a stream is: its state, its problems, and what an event is.

import { arrange, h, setText } from './dom.js';
import { glyph } from './glyphs.js';
import { kind } from './kinds.js';

export class StateBadge {
  constructor() {
    this.element = h('span', { class: 'state' });
  }

  set(state) {
    if (this.state === state) return;
    this.state = state;
    this.element.dataset.state = state;
    this.element.replaceChildren(glyph(state), state);
  }
}

export function kindBadge(name) {
  const { glyph: shape, word, weight, says } = kind(name);
  return h('span', { class: `kind ${weight}`, title: says || null }, glyph(shape), word);
}

/** The problems of a stream; each badge is made once. */
export class ProblemBadges {
  constructor() {
    this.element = h('ul', { class: 'problems', 'aria-label': 'problems' });
    this.made = new Map();
  }

  set(problems) {
    const items = problems.map((name) => {
      if (!this.made.has(name)) this.made.set(name, h('li', {}, kindBadge(name)));
      return this.made.get(name);
    });
    arrange(this.element, items);
    this.element.hidden = items.length === 0;
  }
}

/** Number of streams in each state, as words: "4 live, 1 reconnecting". */
export function countStates(element, streams) {
  const counts = new Map();
  for (const { state } of streams) counts.set(state, (counts.get(state) ?? 0) + 1);
  const order = ['live', 'connecting', 'reconnecting', 'ended'];
  const known = order.filter((state) => counts.has(state));
  setText(element, known.map((state) => `${counts.get(state)} ${state}`).join(', '));
}
