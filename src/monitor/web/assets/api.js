// Addresses of the HTTP interface, and asking it. Errors arrive as sentences to show.

const base = new URL('api/', document.baseURI);

function address(path, params = {}) {
  const url = new URL(path, base);
  for (const [key, value] of Object.entries(params)) {
    if (value !== null && value !== undefined && value !== '') url.searchParams.set(key, value);
  }
  return url.href;
}

const stream = (name) => `streams/${encodeURIComponent(name)}`;
const event = (id) => `events/${encodeURIComponent(id)}`;

export const liveUrl = () => address('live');
/** `key` changes with the picture, so the browser's cache never shows an old one. */
export const latestUrl = (name, key) => address(`${stream(name)}/latest.jpg`, { heatmap: 1, v: key });
export const spectrogramUrl = (name, key) => address(`${stream(name)}/spectrogram.png`, { v: key });
export const frameUrl = (name, at_ms) => address(`${stream(name)}/frame.jpg`, { at_ms });
export const snapshotUrl = (id) => address(`${event(id)}/snapshot.jpg`);
export const clipUrl = (id) => address(`${event(id)}/clip.mp4`);

/** Answered from memory, so it also tells a server that hangs from one that is only slow. */
export const getVersion = () => ask('version', { patience_ms: 8000 });
export const getTimeline = (name, params, signal) => ask(`${stream(name)}/timeline`, { params, signal });
export const getEvents = (params, signal) => ask('events', { params, signal });
export const getEvent = (id, signal) => ask(event(id), { signal });
export const putProtected = (id, value) => ask(`${event(id)}/protected`, { method: 'PUT', body: { protected: value } });

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** True for what was cancelled on purpose: nothing to tell anyone. */
export const isAbort = (error) => error.name === 'AbortError';

async function ask(path, { method = 'GET', params, body, signal, patience_ms = 20_000 } = {}) {
  const limit = AbortSignal.timeout(patience_ms);
  let response;
  try {
    response = await fetch(address(path, params), {
      method,
      headers: body ? { 'Content-Type': 'application/json' } : {},
      body: body ? JSON.stringify(body) : undefined,
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, 'the server does not answer');
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok) throw new ApiError(response.status, answer?.error ?? `the server answered ${response.status}`);
  if (answer === null) throw new ApiError(response.status, 'the answer could not be read');
  return answer;
}
