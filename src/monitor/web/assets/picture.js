// A picture that follows a stream: loaded only while it can be seen, at most once a second,
// one request at a time, and swapped when decoded so that it never flickers.

import { h } from './dom.js';

/** Up to this correspondence nothing in the picture is the source: it has no glow, and gets no mark. */
export const CORRESPONDS = 0.5;

const PACE_MS = 1000;
/** A request that hangs must not stop the picture forever. */
const GIVE_UP_MS = 15_000;

const all = new Map();
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    const picture = all.get(entry.target);
    if (!picture) continue;
    picture.onScreen = entry.isIntersecting;
    picture.next();
  }
}, { rootMargin: '80px' });

document.addEventListener('visibilitychange', () => {
  if (!document.hidden) for (const picture of all.values()) picture.next();
});

export class LivePicture {
  /** `shown` is told when a new picture has appeared. */
  constructor({ alt, shown = () => {} }) {
    this.alt = alt;
    this.shown = shown;
    this.element = h('div', { class: 'picture' });
    this.onScreen = false;
    this.image = null;
    this.wanted = null;
    this.current = null;
    this.loading = false;
    this.started_ms = -Infinity;
    all.set(this.element, this);
    observer.observe(this.element);
  }

  /** The newest address; null keeps what is shown. */
  want(url) {
    if (url !== null) this.wanted = url;
    this.next();
  }

  next() {
    if (!this.onScreen || document.hidden || this.loading || this.wanted === this.current) return;
    const wait = this.started_ms + PACE_MS - performance.now();
    clearTimeout(this.timer);
    if (wait > 0) this.timer = setTimeout(() => this.next(), wait);
    else this.load(this.wanted);
  }

  async load(url) {
    this.loading = true;
    this.started_ms = performance.now();
    this.element.classList.toggle('waiting', this.image === null);
    // Set first: one that fails is not tried again and again; the next has another address.
    this.current = url;
    const image = new Image();
    image.alt = this.alt;
    image.decoding = 'async';
    const timer = setTimeout(() => { image.src = ''; }, GIVE_UP_MS);
    try {
      image.src = url;
      await image.decode();
      this.show(image);
    } catch {
      // What was there stays: an old picture says more than a broken one.
    }
    clearTimeout(timer);
    this.element.classList.remove('waiting');
    this.loading = false;
    this.next();
  }

  show(image) {
    if (this.image) this.image.replaceWith(image);
    else this.element.prepend(image);
    this.image = image;
    this.shown(image);
  }

  destroy() {
    observer.unobserve(this.element);
    all.delete(this.element);
    clearTimeout(this.timer);
    this.wanted = this.current;
  }
}
