// Making and changing elements. Text only ever becomes text: nothing here parses HTML, so
// names and labels of streams can hold anything.

/**
 * An element. Keys of `attributes` that begin with "on" are listeners, `class` and others
 * are attributes, `true` gives an empty one, null and false none.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else setAttribute(element, key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Changes an attribute only if it differs: unchanged pages cost no layout. */
export function setAttribute(element, key, value) {
  if (value === null || value === undefined || value === false) {
    if (element.hasAttribute(key)) element.removeAttribute(key);
    return;
  }
  const text = value === true ? '' : String(value);
  if (element.getAttribute(key) !== text) element.setAttribute(key, text);
}

export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Puts exactly these children into `element`, in this order, moving only what must move. */
export function arrange(element, children) {
  children.forEach((child, index) => {
    if (element.children[index] !== child) element.insertBefore(child, element.children[index] ?? null);
  });
  while (element.children.length > children.length) element.lastElementChild.remove();
}

let pending = new Set();

function flush() {
  const now = pending;
  pending = new Set();
  for (const task of now) task();
}

/** Runs `task` before the next paint, once however often it is asked for. */
export function beforePaint(task) {
  if (pending.size === 0) requestAnimationFrame(flush);
  pending.add(task);
}
