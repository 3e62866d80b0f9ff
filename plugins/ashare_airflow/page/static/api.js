/** The sync-status API: requests, and polling that keeps the last good data. */

import { useEffect, useRef, useState } from './vendor/htm-preact-3.1.1.module.js';
import { learn } from './say.js';
import { text } from './text.js';

const ROOT = './api/v1/sync-status/';
const PATIENCE_MS = 15_000;
const RETRY_SECONDS = 5;

class ApiError extends Error {
  /** @param {number} status the HTTP status; 0: no answer */
  constructor(status, message) {
    super(message);
    this.status = status;
  }

  /** Whether the error is transient: the same request may succeed later. */
  get isPassing() {
    return this.status === 0 || this.status >= 500;
  }
}

async function request(path, signal, init = {}) {
  let response, body;
  const giveUp = AbortSignal.timeout(PATIENCE_MS);
  try {
    response = await fetch(ROOT + path, { ...init, signal: signal ? AbortSignal.any([signal, giveUp]) : giveUp });
    body = await response.text();
  } catch {
    throw new ApiError(0, text().noAnswer);
  }
  try {
    body = JSON.parse(body);
  } catch {
    throw new ApiError(response.ok ? 502 : response.status, text().badAnswer(response.status));
  }
  learn(body?.sentences);
  if (!response.ok) {
    const said = [body?.message, body?.detail].find((each) => typeof each === 'string');
    throw new ApiError(response.status, said ?? text().badAnswer(response.status));
  }
  return body?.data;
}

const post = (path, body) =>
  request(path, null, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body ?? {}),
  });

const isSame = (a, b) => JSON.stringify(a) === JSON.stringify(b);

const REFRESH = 'ashare:refresh';
/** Reloads every poll on the page now. */
export const refreshAll = () => dispatchEvent(new Event(REFRESH));

/**
 * Posts at the press of a button, then reloads the page's data. `send(path, body, then)` gives `then` the reply.
 * @returns {{busy: boolean, refusal: ApiError | null, setRefusal, send}} refusal: why the last request was refused
 */
export function usePost() {
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState(null);
  async function send(path, body, then = () => {}) {
    setBusy(true);
    setRefusal(null);
    try {
      then(await post(path, body));
      refreshAll();
    } catch (problem) {
      setRefusal(problem);
    }
    setBusy(false);
  }
  return { busy, refusal, setRefusal, send };
}

/**
 * Loads a path, then polls it while the page is visible. After an error, the last good data of the path stay in the
 * state beside the error.
 * @param {string | null} path null: nothing is loaded
 * @param {(data) => number} [pace] seconds until the next load; 0: no polling
 * @returns {{path, data, error: ApiError | null, at: Date}} path: of data and error; at: when the data were loaded
 */
export function usePoll(path, pace = () => 0) {
  const [state, setState] = useState({});
  const latestPace = useRef();
  latestPace.current = pace;
  useEffect(() => {
    if (path == null) return undefined;
    let timer, pending, seconds;
    const load = async () => {
      if (document.hidden) return; // visibilitychange resumes the polling
      clearTimeout(timer);
      pending?.abort();
      const mine = (pending = new AbortController());
      try {
        const data = await request(path, mine.signal);
        if (mine.signal.aborted) return;
        // An unchanged answer keeps its object, so that its charts are not drawn again.
        setState((old) => ({ path, data: isSame(old.data, data) ? old.data : data, error: null, at: new Date() }));
        seconds = latestPace.current(data);
      } catch (error) {
        if (mine.signal.aborted) return;
        setState((old) => ({ ...(old.path === path ? old : { path }), error }));
        seconds = error.isPassing ? RETRY_SECONDS : latestPace.current(undefined);
      }
      if (seconds) timer = setTimeout(load, seconds * 1000);
    };
    // A finished poll with pace 0 loads again only on REFRESH.
    const wake = (event) => (event.type === REFRESH || seconds !== 0) && load();
    const again = ['visibilitychange', 'online', REFRESH];
    const targetOf = (name) => (name === 'visibilitychange' ? document : window);
    load();
    again.forEach((name) => targetOf(name).addEventListener(name, wake));
    return () => {
      clearTimeout(timer);
      pending?.abort();
      again.forEach((name) => targetOf(name).removeEventListener(name, wake));
    };
  }, [path]);
  return state;
}
