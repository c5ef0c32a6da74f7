// A canvas that is sharp on every screen and knows its size in CSS pixels.

import { h } from './dom.js';

export class Canvas {
  /** `resized` is called when the canvas has another size and must be drawn again. */
  constructor({ resized }) {
    this.element = h('canvas', { 'aria-hidden': 'true' });
    this.context = this.element.getContext('2d');
    this.width = 0;
    this.height = 0;
    this.observer = new ResizeObserver(([entry]) => {
      const { width, height } = entry.contentRect;
      if (width === this.width && height === this.height) return;
      this.width = width;
      this.height = height;
      resized();
    });
    this.observer.observe(this.element);
  }

  /** Clears, and returns a context whose unit is the CSS pixel; null while it has no size. */
  begin() {
    // Read each time: moving the window to another screen changes it without an event.
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(this.width * ratio), Math.round(this.height * ratio)];
    if (width === 0 || height === 0) return null;
    if (this.element.width !== width || this.element.height !== height) {
      this.element.width = width;
      this.element.height = height;
    }
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, this.width, this.height);
    return this.context;
  }

  destroy() {
    this.observer.disconnect();
  }
}
