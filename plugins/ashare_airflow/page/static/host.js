/** Where the page is shown: its own query, and the address, language and theme of the Airflow UI around it. */

const parentRoot = (() => {
  try {
    return window.parent === window ? null : window.parent.document.documentElement;
  } catch {
    return null; // embedded by another origin: as good as alone
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
/** The query; a date that is none is left out. */
export const where = () =>
  Object.fromEntries([...new URLSearchParams(location.search)].filter(([name, value]) =>
    !DATES.includes(name) || (/^\d{4}-\d\d-\d\d$/.test(value) && !Number.isNaN(Date.parse(value)))));

/** The address of a view; ?lang= is a wish that outlives it. */
export const hrefOf = (params) => {
  const text = query({ lang: where().lang, ...params });
  return text ? `?${text}` : './';
};

let lastOverview = {};
const rememberOverview = () => {
  const { view, lang, ...rest } = where();
  if (!view) lastOverview = rest;
};
/** The overview as it was left, with its filters. */
export const overviewParams = () => lastOverview;

/** Goes to another view, as an entry of its own in the browser's history. */
export function open(params) {
  delete document.documentElement.dataset.ready;
  history.pushState(null, '', hrefOf(params));
  moved();
}

/** Changes the state of this view; null removes. */
export function update(changes) {
  history.replaceState(null, '', hrefOf({ ...where(), ...changes }));
  moved();
}

function moved() {
  rememberOverview();
  mirror();
  changed();
}

/** Keeps the browser's address bar, which is the parent's, in step: a reload and a copied link lead back here. */
function mirror() {
  if (!embedded) return;
  try {
    const { history, location: outer } = window.parent;
    const navPage = outer.pathname.match(/^.*?\/plugin\/ashare(?=\/|$)/);
    // Written out in full, as the parent has a <base> that a mere hash would be resolved against.
    const address = outer.pathname.includes('/dags/')
      ? `${outer.pathname}${outer.search}${location.search.replace('?', '#')}`
      : navPage && `${navPage[0]}${location.pathname}${location.search}`;
    if (address) history.replaceState(history.state, '', address);
  } catch {
    // The parent moved on, or the browser limits the rate: its address is a convenience.
  }
}

/** As a DAG's tab the iframe's address is fixed; the state is in the parent's hash. */
function readParentHash() {
  try {
    const outer = window.parent.location;
    if (embedded && outer.pathname.includes('/dags/') && outer.hash.length > 1 && !location.search) {
      history.replaceState(null, '', `?${outer.hash.slice(1)}`);
    }
  } catch {
    // No state then.
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

/** Calls back whenever the query, the language or the theme is another. */
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

/** Follows a link to another page of Airflow: the sandbox forbids the frame to navigate its parent, not the parent. */
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
