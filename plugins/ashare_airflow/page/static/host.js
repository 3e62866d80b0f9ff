/** The page's surroundings: its query, and the address, language and theme of the Airflow UI that embeds it. */

const parentRoot = (() => {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null; // embedded by another origin: treated as not embedded
  }
})();
const embedded = parentRoot !== null;

const darkScheme = matchMedia('(prefers-color-scheme: dark)');
const listeners = new Set();
const changed = () => listeners.forEach((listener) => listener());

// --- the query ---

export const query = (params) =>
  new URLSearchParams(Object.entries(params).filter(([, value]) => value != null && value !== '')).toString();

const DATES = ['from', 'to', 'start_date', 'end_date'];
/** The query's parameters. Invalid dates are left out. */
export const where = () =>
  Object.fromEntries([...new URLSearchParams(location.search)].filter(([name, value]) =>
    !DATES.includes(name) || (/^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value)))));

/** The address of a view. It keeps ?lang=. */
export const hrefOf = (params) => {
  const text = query({ lang: where().lang, ...params });
  return text ? `?${text}` : './';
};

let lastOverview = {};
const rememberOverview = () => {
  const { view, lang, ...rest } = where();
  if (!view) lastOverview = rest;
};
/** The overview's last query, with its filters. */
export const overviewParams = () => lastOverview;

/** Goes to another view, with a new entry in the browser's history. */
export function open(params) {
  delete document.documentElement.dataset.ready;
  history.pushState(null, '', hrefOf(params));
  moved();
}

/** Changes query parameters of this view, without a history entry. null removes a parameter. */
export function update(changes) {
  history.replaceState(null, '', hrefOf({ ...where(), ...changes }));
  moved();
}

function moved() {
  rememberOverview();
  mirror();
  changed();
}

/** Copies the state into the parent's address, so that a reload and a copied link lead back to this view. */
function mirror() {
  if (!embedded) return;
  try {
    const { history, location: outer } = window.parent;
    const navPage = outer.pathname.match(/^.*?\/plugin\/ashare(?=\/|$)/);
    // A full path: a bare hash would be resolved against the parent's <base>.
    const address = outer.pathname.includes('/dags/')
      ? `${outer.pathname}${outer.search}${location.search.replace('?', '#')}`
      : navPage && `${navPage[0]}${location.pathname}${location.search}`;
    if (address) history.replaceState(history.state, '', address);
  } catch {
    // Ignored, as the address is a convenience: the parent moved on, or the browser limits the rate.
  }
}

/** Reads the state from the parent's hash: in a DAG's tab the iframe's own address is fixed. */
function readParentHash() {
  try {
    const outer = window.parent.location;
    if (embedded && outer.pathname.includes('/dags/') && outer.hash.length > 1 && !location.search) {
      history.replaceState(null, '', `?${outer.hash.slice(1)}`);
    }
  } catch {
    // Another origin: there is no state.
  }
}

// --- language and theme ---

const stored = (key) => {
  try {
    return localStorage.getItem(key);
  } catch {
    return null; // storage may be blocked
  }
};

let statedLanguage = stored('i18nextLng') ?? navigator.language;
export const language = () => ((where().lang ?? statedLanguage).startsWith('zh') ? 'zh' : 'en');

export function theme() {
  const classes = parentRoot?.classList;
  if (classes?.contains('dark')) return 'dark';
  if (classes?.contains('light')) return 'light';
  const chosen = stored('theme');
  return chosen === 'dark' || chosen === 'light' ? chosen : darkScheme.matches ? 'dark' : 'light';
}

function applyToDocument() {
  document.documentElement.lang = language() === 'zh' ? 'zh-CN' : 'en';
  document.documentElement.dataset.theme = theme();
}

/** Calls the listener when query, language or theme may have changed. Returns what removes the listener. */
export function watchHost(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function startHost() {
  readParentHash();
  rememberOverview();
  mirror();
  listeners.add(applyToDocument);
  applyToDocument();
  darkScheme.addEventListener('change', changed);
  addEventListener('popstate', () => {
    delete document.documentElement.dataset.ready;
    moved();
  });
  addEventListener('storage', (event) => {
    if (event.key === 'i18nextLng') statedLanguage = event.newValue ?? navigator.language;
    changed();
  });
  if (!embedded) return;
  let parentLanguage = parentRoot.lang;
  new MutationObserver(() => {
    if (parentRoot.lang !== parentLanguage) statedLanguage = parentLanguage = parentRoot.lang;
    changed();
  }).observe(parentRoot, { attributes: true, attributeFilter: ['class', 'lang'] });
}

/** Follows a link by its copy in the parent's document: the sandbox forbids the frame to navigate its parent. */
export function followInParent(event) {
  if (!embedded) return;
  event.preventDefault();
  const link = window.parent.document.createElement('a');
  link.href = event.currentTarget.href;
  if (event.ctrlKey || event.metaKey) link.target = '_blank';
  window.parent.document.body.append(link);
  link.click();
  link.remove();
}
