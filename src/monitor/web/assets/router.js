// Which page is shown: the part of the address after "#". Names of streams are
// percent-encoded there, so they may hold slashes, spaces and quotes.

/** {page: "overview" | "stream" | "events", name, params} */
export function parse(hash) {
  const [path, query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const params = new URLSearchParams(query);
  if (path === 'events') return { page: 'events', name: null, params };
  if (path.startsWith('stream/')) return { page: 'stream', name: decode(path.slice(7)), params };
  return { page: 'overview', name: null, params };
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function withParams(path, params) {
  const query = new URLSearchParams(Object.entries(params).filter(([, value]) => value)).toString();
  return query ? `${path}?${query}` : path;
}

export const streamHref = (name, params = {}) => withParams(`#/stream/${encodeURIComponent(name)}`, params);
export const eventsHref = (params = {}) => withParams('#/events', params);

/** Changes the address without leaving the page or adding to the browser's history. */
export function note(href) {
  history.replaceState(null, '', href);
}
