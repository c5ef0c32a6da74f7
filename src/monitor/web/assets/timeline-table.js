// The timeline as a table: the same for those who do not see the drawing. Filled only while
// it is open.

import { h, setText } from './dom.js';
import * as format from './format.js';
import { gapReason, kind } from './kinds.js';

const ROWS = 40;
const HEADS = ['begin', 'correspondence', 'lowest', 'highest', 'level (dBFS)', 'not judged', 'events'];

export class TimelineTable {
  /** `fill` is called when it has been opened. */
  constructor({ fill }) {
    this.caption = h('caption');
    this.body = h('tbody');
    this.element = h('details', { class: 'as-table', ontoggle: () => this.isOpen && fill() },
      h('summary', {}, 'This range as a table'),
      h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'timeline as a table' },
        h('table', {}, this.caption, h('thead', {}, h('tr', {}, ...HEADS.map((head) => h('th', { scope: 'col' }, head)))), this.body)));
  }

  get isOpen() {
    return this.element.open;
  }

  fill(series, view, now_ms) {
    const to_ms = Math.min(view.to_ms, now_ms);
    setText(this.caption, format.range(view.from_ms, to_ms));
    const width = Math.max(1000, Math.ceil((to_ms - view.from_ms) / ROWS / 1000) * 1000);
    const rows = [];
    for (let begin = Math.floor(view.from_ms / 1000) * 1000; begin < to_ms; begin += width) rows.push(this.row(series, begin, begin + width, now_ms));
    this.body.replaceChildren(...rows);
  }

  row(series, begin_ms, end_ms, now_ms) {
    const [first, last] = [series.indexAt(begin_ms - 1) + 1, series.indexAt(end_ms - 1)];
    const values = (column) => column.slice(first, last + 1).filter((value) => value !== null);
    const mean = (list) => (list.length ? list.reduce((sum, value) => sum + value, 0) / list.length : null);
    const [lows, highs] = [values(series.min), values(series.max)];
    const touches = (thing) => thing.begin_ms < end_ms && (thing.end_ms ?? now_ms) > begin_ms;
    const reasons = new Set(series.gaps.filter(touches).map((gap) => gapReason(gap.why)));
    const events = [...series.events.values()].filter(touches).map((event) => kind(event.kind).word);
    const lost = values(series.lost).reduce((sum, value) => sum + value, 0);
    const cells = [
      format.score(mean(values(series.mean))),
      format.score(lows.length ? Math.min(...lows) : null),
      format.score(highs.length ? Math.max(...highs) : null),
      format.level(mean(values(series.level_dbfs))),
      [lost ? `${lost} s` : '', [...reasons].join(', ')].filter(Boolean).join(': '),
      [...new Set(events)].join(', '),
    ];
    return h('tr', {}, h('th', { scope: 'row' }, format.timeElement(begin_ms)), ...cells.map((cell) => h('td', {}, cell)));
  }
}
