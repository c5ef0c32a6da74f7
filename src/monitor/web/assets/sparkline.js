// The last minutes of a stream in small: correspondence as a line over the stream's normal,
// level as a shade behind it.

import { Canvas } from './canvas.js';
import { beforePaint, h } from './dom.js';
import { history, HISTORY_MS } from './store.js';
import { colour, onTheme } from './theme.js';

const FLOOR_DBFS = -80;
/** Longer without a moment is a hole, not a slope. */
const HOLE_MS = 2500;

export class Sparkline {
  constructor(name) {
    this.name = name;
    this.normal = null;
    this.draw = this.draw.bind(this);
    this.canvas = new Canvas({ resized: () => beforePaint(this.draw) });
    this.element = h('div', { class: 'spark', role: 'img', 'aria-label': 'correspondence and level of the last 5 minutes' },
      this.canvas.element);
    this.stop = onTheme(() => beforePaint(this.draw));
  }

  set(normal, now_ms) {
    this.normal = normal;
    this.now_ms = now_ms;
    beforePaint(this.draw);
  }

  draw() {
    const context = this.canvas.begin();
    if (!context || !this.now_ms) return;
    const { width, height } = this.canvas;
    const points = history(this.name);
    const x = (ms) => width - ((this.now_ms - ms) / HISTORY_MS) * width;
    const y = (score) => 1.5 + (1 - score) * (height - 3);
    if (this.normal) {
      context.fillStyle = colour('zone');
      context.fillRect(0, y(1), width, y(this.normal.low) - y(1));
    }
    this.drawLevel(context, points, x);
    context.strokeStyle = colour('signal');
    context.lineWidth = 1.4;
    context.lineJoin = 'round';
    context.beginPath();
    let last_ms = -Infinity;
    for (const { end_ms, correspondence } of points) {
      if (correspondence === null) continue;
      if (end_ms - last_ms > HOLE_MS) context.moveTo(x(end_ms), y(correspondence));
      else context.lineTo(x(end_ms), y(correspondence));
      last_ms = end_ms;
    }
    context.stroke();
  }

  /** In the lower half, so that it does not hide the line. One path: strips would show their seams. */
  drawLevel(context, points, x) {
    const { height } = this.canvas;
    context.beginPath();
    for (const { end_ms, level_dbfs } of points) {
      if (level_dbfs === null) continue;
      const tall = Math.max(0, 1 - level_dbfs / FLOOR_DBFS) * (height / 2);
      context.rect(x(end_ms - 1000), height - tall, x(end_ms) - x(end_ms - 1000), tall);
    }
    context.fillStyle = colour('level-shade');
    context.fill();
  }

  destroy() {
    this.stop();
    this.canvas.destroy();
  }
}
