// Draws the timeline: correspondence, level, what was not judged, events by kind, the axis.
// Only draws; what to draw comes as plain values.

import { marks } from './axis.js';
import * as format from './format.js';
import { gapReason, kind, KIND_NAMES } from './kinds.js';
import { colour } from './theme.js';

const FLOOR_DBFS = -80;
const ROW = 14;
const BAR = 8;
const FONT = '11px system-ui, sans-serif';
const HATCH = 6;
/** Narrower spans are shown in their rows only: hundreds of them would hide the lines. */
const WIDE = 4;
/** Longer is a hole, not a slope. One missing second is bridged: moments do not begin on whole seconds. */
const HOLE_MS = 2500;

/** Where everything is, in CSS pixels. Rows for all kinds, always: nothing jumps, and none is also said. */
export function layout(width) {
  const left = width < 560 ? 68 : 84;
  const score = { top: 8, height: width < 560 ? 112 : 132 };
  const level = { top: score.top + score.height + 10, height: 56 };
  let top = level.top + level.height + 8;
  const rows = ['gaps', ...KIND_NAMES].map((name) => {
    const row = { name, top };
    top += ROW;
    return row;
  });
  return { left, right: width - 10, score, level, rows, axis: top + 3, height: top + 22 };
}

export const rowAt = (places, y) => places.rows.find(({ top }) => y >= top && y < top + ROW)?.name ?? null;

/**
 * `scene` is {series, view, now_ms, places, hover_ms, cursor_ms, selected_ms, selectedEvent}; what is not there is null.
 */
export function draw(context, scene) {
  const { places, view } = scene;
  const scale = (places.right - places.left) / (view.to_ms - view.from_ms);
  const x = (ms) => places.left + (ms - view.from_ms) * scale;
  const painter = { context, ...scene, scale, x };
  context.font = FONT;
  context.textBaseline = 'middle';
  drawGround(painter);
  context.save();
  context.beginPath();
  context.rect(places.left, 0, places.right - places.left, places.axis);
  context.clip();
  drawNormal(painter);
  drawGrid(painter);
  drawGaps(painter);
  drawLevel(painter);
  drawScore(painter);
  drawEvents(painter);
  drawNames(painter);
  drawPointers(painter);
  context.restore();
  drawAxis(painter);
}

const scoreY = ({ score }, value) => score.top + (1 - value) * score.height;
const levelY = ({ level }, dbfs) => level.top + level.height * Math.min(1, Math.max(0, dbfs / FLOOR_DBFS));

function drawGround({ context, places }) {
  const width = places.right - places.left;
  context.fillStyle = colour('well');
  for (const { top, height } of [places.score, places.level]) context.fillRect(places.left, top, width, height);
  context.textAlign = 'right';
  context.fillStyle = colour('ink-3');
  for (const value of [0, 0.5, 1]) context.fillText(value.toFixed(1), places.left - 6, scoreY(places, value));
  for (const value of [-60, -20]) context.fillText(format.level(value).replace('.0', ''), places.left - 6, levelY(places, value));
  context.fillText('dBFS', places.left - 6, levelY(places, -40));
  for (const { name, top } of places.rows) {
    context.fillText(name === 'gaps' ? 'not judged' : kind(name).word, places.left - 6, top + ROW / 2);
    context.fillStyle = colour('well');
    context.fillRect(places.left, top + (ROW - BAR) / 2, width, BAR);
    context.fillStyle = colour('ink-3');
  }
}

function drawNormal({ context, places, series: { normal } }) {
  if (!normal) return;
  const width = places.right - places.left;
  context.fillStyle = colour('zone');
  context.fillRect(places.left, places.score.top, width, scoreY(places, normal.low) - places.score.top);
  context.strokeStyle = colour('zone-line');
  context.lineWidth = 1;
  context.setLineDash([5, 4]);
  line(context, places.left, scoreY(places, normal.median), places.right, scoreY(places, normal.median));
  context.setLineDash([]);
}

function drawGrid({ context, places, view, x }) {
  context.lineWidth = 1;
  context.strokeStyle = colour('line');
  const bottom = places.axis - 3;
  for (const { ms, day } of marks(view.from_ms, view.to_ms, places.right - places.left, 84)) {
    const at = Math.round(x(ms)) + 0.5;
    context.strokeStyle = colour(day ? 'edge' : 'line');
    line(context, at, places.score.top, at, bottom);
  }
  context.strokeStyle = colour('line');
  for (const y of [scoreY(places, 0.5), levelY(places, -20), levelY(places, -40), levelY(places, -60)]) {
    line(context, places.left, Math.round(y) + 0.5, places.right, Math.round(y) + 0.5);
  }
}

/** Hatched, so that nothing is taken for silence or for a good second. */
function drawGaps({ context, places, series, view, now_ms, x, scale }) {
  const bottom = places.level.top + places.level.height;
  const row = places.rows[0];
  const spans = series.gaps.map((gap) => [gap.begin_ms, gap.end_ms, gapReason(gap.why)]);
  if (series.open && now_ms - series.last_ms > HOLE_MS + 1500) spans.push([series.last_ms, now_ms, 'nothing arrives']);
  context.save();
  context.beginPath();
  for (const [begin, end] of spans) {
    if (end < view.from_ms || begin > view.to_ms) continue;
    const width = (end - begin) * scale;
    if (width >= WIDE) context.rect(x(begin), places.score.top, width, bottom - places.score.top);
    context.rect(x(begin), row.top, Math.max(1.5, width), ROW);
  }
  context.clip();
  context.fillStyle = colour('panel');
  context.fillRect(places.left, 0, places.right - places.left, row.top + ROW);
  context.strokeStyle = colour('hatch');
  context.lineWidth = 1.2;
  context.beginPath();
  const deep = row.top + ROW;
  for (let at = places.left - deep; at < places.right; at += HATCH) {
    context.moveTo(at, deep);
    context.lineTo(at + deep, 0);
  }
  context.stroke();
  context.restore();
  drawLost({ context, series, x, scale, row });
  drawReasons(context, places, spans, x);
}

/** Of steps longer than a second: which share of them was not judged. */
function drawLost({ context, series, x, scale, row }) {
  context.fillStyle = colour('hatch');
  for (let i = 0; i < series.t_ms.length; i += 1) {
    if (!series.lost[i]) continue;
    const tall = Math.max(2, Math.min(1, (series.lost[i] * 1000) / series.step_ms) * BAR);
    context.fillRect(x(series.t_ms[i]), row.top + (ROW + BAR) / 2 - tall, Math.max(1, series.step_ms * scale), tall);
  }
}

function drawReasons(context, places, spans, x) {
  context.textAlign = 'center';
  for (const [begin, end, reason] of spans) {
    const left = Math.max(places.left, x(begin));
    const right = Math.min(places.right, x(end));
    const wide = context.measureText(reason).width + 10;
    if (right - left < wide) continue;
    const y = places.score.top + places.score.height / 2;
    context.fillStyle = colour('panel');
    context.fillRect((left + right - wide) / 2, y - 9, wide, 18);
    context.fillStyle = colour('ink-2');
    context.fillText(reason, (left + right) / 2, y);
  }
}

/** Calls back with runs of indices between which nothing is missing. */
function runs({ series, view }, column, each) {
  const first = Math.max(0, series.indexAt(view.from_ms) - 1);
  const last = Math.min(series.t_ms.length - 1, series.indexAt(view.to_ms) + 1);
  const apart = Math.max(series.step_ms * 1.5, HOLE_MS);
  let run = [];
  for (let i = first; i <= last; i += 1) {
    if (column[i] === null) continue;
    if (run.length > 0 && series.t_ms[i] - series.t_ms[run.at(-1)] > apart) {
      each(run);
      run = [];
    }
    run.push(i);
  }
  if (run.length > 0) each(run);
}

function drawScore(painter) {
  const { context, places, series, x, scale } = painter;
  const middle = (i) => x(series.t_ms[i] + series.step_ms / 2);
  context.lineJoin = 'round';
  context.lineCap = 'round';
  runs(painter, series.mean, (run) => {
    context.fillStyle = colour('signal-shade');
    context.beginPath();
    for (const i of run) context.lineTo(middle(i), scoreY(places, series.max[i] ?? series.mean[i]));
    for (const i of run.toReversed()) context.lineTo(middle(i), scoreY(places, series.min[i] ?? series.mean[i]));
    context.fill();
    context.strokeStyle = context.fillStyle = colour('signal');
    context.lineWidth = 1.5;
    context.beginPath();
    context.moveTo(middle(run[0]), scoreY(places, series.mean[run[0]]));
    for (const i of run) context.lineTo(middle(i), scoreY(places, series.mean[i]));
    context.stroke();
    // Zoomed in so far that a second can be hit: show that there is one.
    if (series.step_ms * scale < 10) return;
    for (const i of run) context.fillRect(middle(i) - 2, scoreY(places, series.mean[i]) - 2, 4, 4);
  });
}

function drawLevel(painter) {
  const { context, places, series, x } = painter;
  const bottom = places.level.top + places.level.height;
  runs(painter, series.level_dbfs, (run) => {
    const top = new Path2D();
    for (const i of run) {
      const y = levelY(places, series.level_dbfs[i]);
      top.lineTo(x(series.t_ms[i]), y);
      top.lineTo(x(series.t_ms[i] + series.step_ms), y);
    }
    const area = new Path2D(top);
    area.lineTo(x(series.t_ms[run.at(-1)] + series.step_ms), bottom);
    area.lineTo(x(series.t_ms[run[0]]), bottom);
    context.fillStyle = colour('level-shade');
    context.fill(area);
    context.strokeStyle = colour('level');
    context.lineWidth = 1;
    context.stroke(top);
  });
}

function drawEvents({ context, places, series, view, now_ms, x, scale, selectedEvent }) {
  for (const event of series.events.values()) {
    const end_ms = event.end_ms ?? now_ms;
    if (end_ms < view.from_ms || event.begin_ms > view.to_ms) continue;
    const row = places.rows.find(({ name }) => name === event.kind);
    // Of a kind that only another version knows: it is in the list of events.
    if (!row) continue;
    const width = Math.max(3, (end_ms - event.begin_ms) * scale);
    const top = row.top + (ROW - BAR) / 2;
    const { weight } = kind(event.kind);
    if (width >= WIDE) {
      context.fillStyle = colour(`${weight}-shade`);
      context.fillRect(x(event.begin_ms), places.score.top, width, places.score.height);
    }
    context.fillStyle = colour(weight);
    context.beginPath();
    context.roundRect(x(event.begin_ms), top, width, BAR, 2);
    context.fill();
    if (event.id !== selectedEvent) continue;
    context.strokeStyle = colour('ink');
    context.lineWidth = 2;
    context.beginPath();
    context.roundRect(x(event.begin_ms) - 1.5, top - 1.5, width + 3, BAR + 3, 3);
    context.stroke();
  }
}

/** On top of the lines, at the low end where they seldom are. */
function drawNames({ context, places }) {
  context.textAlign = 'left';
  context.fillStyle = colour('ink-2');
  const full = 'correspondence: mean, lowest to highest, the normal shaded';
  const fits = context.measureText(full).width < (places.right - places.left) / 2;
  context.fillText(fits ? full : 'correspondence', places.left + 6, places.score.top + places.score.height - 9);
  context.fillText('level', places.left + 6, places.level.top + places.level.height - 9);
}

function drawPointers({ context, places, series, view, now_ms, hover_ms, cursor_ms, selected_ms, x }) {
  const bottom = places.axis - 3;
  if (series.oldest_ms !== null && series.oldest_ms > view.from_ms) {
    shadeUnknown(context, places, places.left, x(series.oldest_ms), 'nothing older is kept');
  }
  if (now_ms < view.to_ms) shadeUnknown(context, places, x(now_ms), places.right, '');
  const upright = (ms, name, width, dash = []) => {
    if (ms === null) return;
    context.strokeStyle = colour(name);
    context.lineWidth = width;
    context.setLineDash(dash);
    line(context, Math.round(x(ms)) + 0.5, places.score.top, Math.round(x(ms)) + 0.5, bottom);
    context.setLineDash([]);
  };
  upright(hover_ms, 'ink-3', 1);
  upright(cursor_ms, 'focus', 2, [4, 3]);
  upright(selected_ms, 'ink', 2);
}

function shadeUnknown(context, places, left, right, words) {
  context.fillStyle = colour('veil');
  context.fillRect(left, places.score.top, right - left, places.axis - 3 - places.score.top);
  context.fillStyle = colour('ink-3');
  context.textAlign = 'right';
  if (right - left > context.measureText(words).width + 16) context.fillText(words, right - 8, places.score.top + 12);
}

function drawAxis({ context, places, view, x }) {
  context.textAlign = 'center';
  for (const { ms, label, day } of marks(view.from_ms, view.to_ms, places.right - places.left, 84)) {
    const half = context.measureText(label).width / 2;
    const at = Math.min(places.right - half + 8, Math.max(places.left + half - 8, x(ms)));
    context.fillStyle = colour(day ? 'ink' : 'ink-2');
    context.fillText(label, at, places.axis + 10);
  }
}

function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}
