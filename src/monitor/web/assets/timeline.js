// The timeline of one stream: holds the view and the loaded data, asks the server when they
// no longer fit, and grows with live moments.

import { getTimeline, isAbort } from './api.js';
import { Canvas } from './canvas.js';
import { eachSecond, now } from './clock.js';
import { beforePaint, h, setText } from './dom.js';
import { Series } from './series.js';
import * as store from './store.js';
import { onTheme } from './theme.js';
import { TimelineBar } from './timeline-bar.js';
import { Cursor } from './timeline-cursor.js';
import { draw, layout, rowAt } from './timeline-draw.js';
import { listen } from './timeline-input.js';
import { TimelineTable } from './timeline-table.js';
import { describe, Tip } from './timeline-tip.js';
import * as views from './timeline-view.js';

const SETTLE_MS = 220;
/** A hole in the live moments is asked about, but not more often. */
const HOLE_PAUSE_MS = 5000;
const FAILURE_PAUSE_MS = 10_000;
const MOST_POINTS = 2000;
const HELP = 'Arrow keys move the cursor, with Shift by ten steps; plus and minus zoom; Home and End go to the oldest and to now; '
  + 'Enter opens what is at the cursor, Shift+Enter always the picture. '
  + 'Wheel or two fingers zoom, dragging moves, Shift and dragging zooms to what is marked.';

export class Timeline {
  /** `openSecond(at_ms)` and `openEvent(event)` are called for what is chosen. */
  constructor({ name, openSecond, openEvent }) {
    Object.assign(this, { name, openSecond, openEvent });
    this.series = new Series();
    this.view = views.following(views.RANGES[1][1], now());
    /** Which stretch is loaded, or asked for: {from_ms, to_ms, span_ms, open}, `open` if it reaches now and grows. */
    this.loaded = this.asking = null;
    this.hover = this.selected_ms = this.selectedEvent = this.marked = null;
    this.holeAsked_ms = this.failed_ms = -Infinity;
    this.paint = this.paint.bind(this);
    this.cursor = new Cursor(this);
    this.build();
    this.stops = [
      eachSecond(() => this.tick()),
      onTheme(() => beforePaint(this.paint)),
      store.on('stream', (stream) => stream.name === name && this.grow(stream)),
      store.on('event', (event) => event.stream === name && this.putEvent(event)),
      store.on('refill', () => this.load()),
    ];
  }

  build() {
    this.bar = new TimelineBar({
      range: (span_ms) => this.range(span_ms),
      zoom: (factor) => this.zoomMiddle(factor),
      pan: (share) => this.look(views.pan(this.view, share * views.span(this.view), now())),
      follow: (on) => this.look(on ? views.following(views.span(this.view), now()) : { ...this.view, follow: false }),
    });
    this.canvas = new Canvas({ resized: () => this.resized() });
    this.tip = new Tip();
    this.mark = h('div', { class: 'marked', hidden: true });
    this.slider = h('div', {
      class: 'slider', role: 'slider', tabindex: 0, 'aria-label': 'time', 'aria-describedby': 'timeline-help',
      'aria-orientation': 'horizontal', 'aria-valuenow': Math.round(now() / 1000), 'aria-valuetext': 'now',
      // A click focuses too, but needs no cursor.
      onfocus: () => this.slider.matches(':focus-visible') && this.cursor.move(0),
      onblur: () => this.cursor.set(null),
    }, this.canvas.element, this.mark, this.tip.element);
    this.table = new TimelineTable({ fill: () => this.fillTable() });
    this.message = h('p', { class: 'loading', role: 'status' });
    this.element = h('section', { class: 'timeline', 'aria-labelledby': 'timeline-title' },
      h('div', { class: 'section-head' }, h('h2', { id: 'timeline-title' }, 'Timeline'), this.bar.element),
      this.slider, this.message,
      h('div', { class: 'beneath' }, this.table.element,
        h('details', { class: 'keys' }, h('summary', {}, 'Keys and gestures'), h('p', { id: 'timeline-help' }, HELP))));
    this.stopListening = listen(this.slider, {
      pan: (pixels) => this.look(views.pan(this.view, pixels / this.scale, now())),
      zoom: (x, factor) => this.look(views.zoom(this.view, this.at(x), factor, now())),
      zoomTo: (left, right) => this.look(views.between(this.at(left), this.at(right), now())),
      mark: (pixels) => this.showMark(pixels),
      hover: (point) => this.setHover(point),
      click: (x, y, coarse) => this.click(x, y, coarse),
      key: (name, how) => this.cursor.key(name, how),
    });
  }

  // Pixels and time

  get scale() {
    return Math.max(1, this.places.right - this.places.left) / views.span(this.view);
  }

  at(x) {
    return this.view.from_ms + (x - this.places.left) / this.scale;
  }

  resized() {
    this.places = layout(this.canvas.width);
    this.canvas.element.style.height = `${this.places.height}px`;
    this.look(this.view);
  }

  // Looking

  look(view) {
    this.view = view;
    this.bar.set(view);
    beforePaint(this.paint);
    if (this.places && this.isMissing()) this.loadSoon();
    if (this.table.isOpen) this.fillTableSoon();
  }

  range(span_ms) {
    if (this.view.follow) return this.look(views.following(span_ms, now()));
    const middle = this.selected_ms ?? (this.view.from_ms + this.view.to_ms) / 2;
    return this.look(views.between(middle - span_ms / 2, middle + span_ms / 2, now()));
  }

  /** Around the cursor or what is selected, if in sight; else what is newest stays. */
  zoomMiddle(factor) {
    const inSight = (ms) => ms !== null && ms >= this.view.from_ms && ms <= this.view.to_ms;
    const middle = this.view.follow ? this.view.to_ms : (this.view.from_ms + this.view.to_ms) / 2;
    this.look(views.zoom(this.view, [this.cursor.at_ms, this.selected_ms].find(inSight) ?? middle, factor, now()));
  }

  /** Shows where the second or event is that is opened elsewhere on the page; null for neither. */
  select({ at_ms = null, event = null } = {}) {
    this.selected_ms = at_ms;
    this.selectedEvent = event?.id ?? null;
    if (event) this.putEvent(event);
    if (at_ms !== null) this.look(views.reveal(this.view, at_ms, now()));
    if (event) this.look(views.revealSpan(this.view, event.begin_ms, event.end_ms ?? now(), now()));
    beforePaint(this.paint);
  }

  tick() {
    if (this.view.follow) this.look(views.following(views.span(this.view), now()));
    else if (this.view.to_ms > now() - 5000) beforePaint(this.paint);
  }

  // Data

  isMissing() {
    // What is on its way counts as there.
    const have = this.asking ?? this.loaded;
    if (have === null) return true;
    const { series, view } = this;
    const span_ms = views.span(view);
    const tooCoarse = span_ms < have.span_ms * 0.6 && !(have === this.loaded && series.step_ms === 1000);
    const tooFine = span_ms > have.span_ms * 1.7;
    const before = view.from_ms < have.from_ms && (series.oldest_ms === null || have.from_ms > series.oldest_ms);
    return tooCoarse || tooFine || before || (!have.open && view.to_ms > have.to_ms);
  }

  loadSoon() {
    // After an error only what has been missed asks again at once, or time passing.
    const pause_ms = this.failed_ms + FAILURE_PAUSE_MS - now();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(), Math.max(pause_ms, this.loaded === null ? 0 : SETTLE_MS));
  }

  /** Asks for what is seen and some of both sides, so that a small move needs no request. */
  async load() {
    clearTimeout(this.timer);
    if (!this.places) return;
    const span_ms = views.span(this.view);
    const width = Math.max(10, this.places.right - this.places.left);
    const margin_ms = span_ms * Math.min(0.5, Math.max(0.1, (MOST_POINTS / width - 1) / 2));
    const now_ms = now();
    const from_ms = Math.round(this.view.from_ms - margin_ms);
    const to_ms = Math.round(Math.min(this.view.to_ms + margin_ms, now_ms));
    const points = Math.round(Math.min(MOST_POINTS, Math.max(10, (width * (to_ms - from_ms)) / span_ms)));
    this.request?.abort();
    const request = new AbortController();
    const asking = { from_ms, to_ms, span_ms, open: to_ms >= now_ms - 2000 };
    Object.assign(this, { request, asking });
    const slow = setTimeout(() => setText(this.message, 'loading…'), 400);
    try {
      const answer = await getTimeline(this.name, { from_ms, to_ms, points }, request.signal);
      this.take(answer, asking);
      setText(this.message, '');
    } catch (error) {
      if (!isAbort(error)) {
        this.failed_ms = now();
        setText(this.message, `The timeline could not be loaded: ${error.message}.`);
      }
    }
    clearTimeout(slow);
    if (this.asking === asking) this.asking = null;
  }

  take(answer, asked) {
    this.series.load(answer, asked.open);
    this.loaded = asked;
    // What came while the answer was on its way.
    if (asked.open) for (const point of store.history(this.name)) this.series.push(point.end_ms, point.correspondence, point.level_dbfs);
    for (const event of store.events.values()) if (event.stream === this.name) this.series.putEvent(event);
    this.cursor.tell();
    beforePaint(this.paint);
    if (this.table.isOpen) this.fillTable();
  }

  grow(stream) {
    if (stream.normal) this.series.normal = stream.normal;
    if (stream.last_ms === null || !this.series.open) return;
    const hole = this.series.push(stream.last_ms, stream.correspondence, stream.level_dbfs);
    this.series.trim(Math.min(this.view.from_ms, now() - views.span(this.view)) - views.span(this.view));
    this.loaded.from_ms = Math.max(this.loaded.from_ms, this.series.from_ms);
    beforePaint(this.paint);
    // The reason of a gap comes with the timeline only.
    if (hole && now() - this.holeAsked_ms > HOLE_PAUSE_MS) {
      this.holeAsked_ms = now();
      this.loadSoon();
    }
  }

  putEvent(event) {
    this.series.putEvent(event);
    beforePaint(this.paint);
  }

  // Showing

  paint() {
    if (!this.places) return;
    const context = this.canvas.begin();
    if (!context) return;
    draw(context, {
      series: this.series, view: this.view, now_ms: now(), places: this.places,
      hover_ms: this.hover && this.at(this.hover.x), cursor_ms: this.cursor.at_ms,
      selected_ms: this.selected_ms, selectedEvent: this.selectedEvent,
    });
    this.paintTip();
  }

  get tolerance_ms() {
    return 4 / this.scale;
  }

  paintTip() {
    const cursor_ms = this.cursor.at_ms;
    const cursorX = cursor_ms === null ? null : this.places.left + (cursor_ms - this.view.from_ms) * this.scale;
    const x = this.hover?.x ?? cursorX;
    if (x === null || x < this.places.left || x > this.places.right) this.tip.hide();
    else this.tip.show(x, this.canvas.width, this.at(x), describe(this.series, this.at(x), this.tolerance_ms, now()));
  }

  showMark(pixels) {
    this.mark.hidden = pixels === null;
    if (pixels === null) return;
    this.mark.style.left = `${Math.min(pixels.from, pixels.to)}px`;
    this.mark.style.width = `${Math.abs(pixels.to - pixels.from)}px`;
  }

  fillTable() {
    this.table.fill(this.series, this.view, now());
  }

  /** Not each second: whoever reads a table must be able to finish a row. */
  fillTableSoon() {
    if (this.tableTimer) return;
    this.tableTimer = setTimeout(() => {
      this.tableTimer = null;
      if (this.table.isOpen && !this.view.follow) this.fillTable();
    }, 600);
  }

  // Pointing

  setHover(point) {
    this.hover = point && point.x >= this.places.left && point.x <= this.places.right ? point : null;
    const onEvent = this.hover && this.eventAt(this.hover.x, this.hover.y, 4);
    this.slider.classList.toggle('on-event', Boolean(onEvent));
    beforePaint(this.paint);
  }

  eventAt(x, y, pixels) {
    const row = rowAt(this.places, y);
    if (row === null || row === 'gaps') return null;
    return this.series.eventsAt(this.at(x), pixels / this.scale, now()).find((event) => event.kind === row) ?? null;
  }

  click(x, y, coarse) {
    const ms = this.at(x);
    if (x < this.places.left || ms > now()) return;
    const event = this.eventAt(x, y, coarse ? 14 : 5);
    if (event) this.openEvent(event);
    else this.openSecond(Math.floor(ms));
  }

  destroy() {
    this.request?.abort();
    clearTimeout(this.timer);
    clearTimeout(this.tableTimer);
    for (const stop of this.stops) stop();
    this.stopListening();
    this.canvas.destroy();
  }
}
