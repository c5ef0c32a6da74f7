// Mouse, fingers and keys on the timeline, as intentions: pan, zoom, point, open. Knows
// pixels and nothing of time.

/** A press that moves less is a click. */
const SLOP = 5;
const WHEEL_STEP = 0.0018;
const SCROLLING_MS = 300;

/**
 * Listens on `element`. `to` has: pan(pixels), zoom(x, factor), zoomTo(left, right), hover({x, y} or null),
 * mark({from, to} or null), click(x, y, coarse), and key(name, {shift}) that returns whether it did something.
 * Returns how to stop.
 */
export function listen(element, to) {
  const pressed = new Map();
  let moved = false;
  let mode = null;
  let startX = 0;

  const place = (event) => {
    const box = element.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  // Whoever scrolls the page and happens to pass over the timeline goes on scrolling.
  let scrolled_ms = -Infinity;
  const noteScroll = () => { scrolled_ms = performance.now(); };
  addEventListener('scroll', noteScroll, { passive: true });

  element.addEventListener('wheel', (event) => {
    if (performance.now() - scrolled_ms < SCROLLING_MS) return;
    event.preventDefault();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) to.pan((event.deltaX || event.deltaY) * pixels);
    else to.zoom(place(event).x, Math.exp(event.deltaY * pixels * WHEEL_STEP));
  }, { passive: false });

  element.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return;
    pressed.set(event.pointerId, place(event));
    moved = pressed.size > 1;
    mode = event.shiftKey ? 'mark' : 'pan';
    startX = place(event).x;
  });

  element.addEventListener('pointermove', (event) => {
    const now = place(event);
    const before = pressed.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== 'touch') to.hover(now);
      return;
    }
    if (!moved && Math.hypot(now.x - before.x, now.y - before.y) < SLOP) return;
    if (!moved) {
      moved = true;
      element.setPointerCapture(event.pointerId);
    }
    if (pressed.size === 2) pinch(event.pointerId, before, now);
    else if (mode === 'mark') to.mark({ from: startX, to: now.x });
    else to.pan(before.x - now.x);
    pressed.set(event.pointerId, now);
  });

  function pinch(id, before, now) {
    const [other] = [...pressed].filter(([key]) => key !== id).map(([, point]) => point);
    const was = Math.max(20, Math.abs(before.x - other.x));
    const is = Math.max(20, Math.abs(now.x - other.x));
    to.zoom((now.x + other.x) / 2, was / is);
    to.pan((before.x - now.x) / 2);
  }

  const released = (event) => {
    if (!pressed.delete(event.pointerId)) return;
    if (pressed.size > 0) return;
    to.mark(null);
    if (event.type === 'pointercancel') return;
    const { x } = place(event);
    if (moved && mode === 'mark' && Math.abs(x - startX) > SLOP) to.zoomTo(Math.min(x, startX), Math.max(x, startX));
  };
  element.addEventListener('pointerup', released);
  element.addEventListener('pointercancel', released);
  // Not at pointerup: opening may scroll, and the click that follows would hit what is there then.
  element.addEventListener('click', (event) => {
    if (moved) return;
    const { x, y } = place(event);
    to.click(x, y, event.pointerType === 'touch');
  });
  element.addEventListener('pointerleave', () => to.hover(null));

  element.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (to.key(event.key, { shift: event.shiftKey })) event.preventDefault();
  });
  return () => removeEventListener('scroll', noteScroll);
}
