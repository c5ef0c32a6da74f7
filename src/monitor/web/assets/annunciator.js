// The strip at the top of every page that names each stream with problems: what an operator
// looks at first. Always there, so that nothing jumps when a problem begins.

import { countStates, ProblemBadges } from './badges.js';
import { arrange, beforePaint, h, setAttribute, setText } from './dom.js';
import { plural } from './format.js';
import { glyph } from './glyphs.js';
import { weight } from './kinds.js';
import { streamHref } from './router.js';
import * as store from './store.js';

export class Annunciator {
  constructor(element) {
    this.element = element;
    this.chips = new Map();
    this.summary = h('p', { class: 'summary' });
    this.list = h('ul', { class: 'chips' });
    element.append(this.summary, this.list);
    this.paint = this.paint.bind(this);
    for (const topic of ['streams', 'stream']) store.on(topic, () => beforePaint(this.paint));
    store.on('link', () => beforePaint(this.paint));
    this.paint();
  }

  paint() {
    const streams = [...store.streams.values()];
    const troubled = streams.filter((stream) => stream.problems.length > 0);
    // Heaviest first, else in the streams' own order.
    troubled.sort((a, b) => (weight(a.problems) === weight(b.problems) ? 0 : weight(a.problems) === 'alarm' ? -1 : 1));
    for (const name of this.chips.keys()) if (!troubled.some((stream) => stream.name === name)) this.chips.delete(name);
    arrange(this.list, troubled.map((stream) => this.chip(stream)));
    this.paintSummary(streams.length, troubled.length, streams);
  }

  paintSummary(all, troubled, streams) {
    const state = all === 0 ? 'none' : troubled ? 'problems' : 'well';
    if (this.state !== state) {
      this.state = state;
      this.words = h('span');
      this.summary.replaceChildren(...(state === 'well' ? [glyph('well')] : []), this.words);
      setAttribute(this.summary, 'data-state', state);
    }
    if (state === 'none') setText(this.words, store.link === 'connecting' ? 'connecting…' : 'no stream');
    else if (state === 'problems') setText(this.words, `${troubled} of ${plural(all, 'stream')} with problems`);
    else {
      const counts = h('span');
      countStates(counts, streams);
      setText(this.words, `no problems: ${counts.textContent}`);
    }
  }

  chip(stream) {
    let chip = this.chips.get(stream.name);
    if (!chip) {
      const label = h('span', { class: 'chip-label' });
      const problems = new ProblemBadges();
      chip = { label, problems, element: h('li', { class: 'chip' }, h('a', { href: streamHref(stream.name) }, label), problems.element) };
      this.chips.set(stream.name, chip);
    }
    setText(chip.label, stream.label);
    chip.problems.set(stream.problems);
    chip.element.dataset.weight = weight(stream.problems);
    return chip.element;
  }
}
