// Saves the viewer's time zone in a cookie: the backfill form of Airflow's UI sends instants without a time zone.
// Airflow loads this module into each of its pages, as a React app that shows nothing.
const remember = () => {
  let zone = null;
  try {
    zone = JSON.parse(localStorage.getItem('timezone')); // the zone chosen in Airflow's menu
  } catch { /* none was chosen */ }
  zone ??= Intl.DateTimeFormat().resolvedOptions().timeZone;
  const path = new URL(document.baseURI).pathname;
  document.cookie = `ashare_time_zone=${encodeURIComponent(zone)}; path=${path}; SameSite=Strict`;
};

// The labels of this package's links, in the viewer's language. Airflow takes one name of a view for all viewers.
const LABELS = { 'A-share': 'A股同步', 'Sync status': '同步状态' };
const CHINESE = new Set(Object.values(LABELS));
const english = (label) => Object.keys(LABELS).find((name) => LABELS[name] === label) ?? label;

const chosenLanguage = () => {
  try {
    return localStorage.getItem('i18nextLng') ?? navigator.language;
  } catch {
    return navigator.language; // storage may be blocked
  }
};

const label = () => {
  const isChinese = document.documentElement.lang.startsWith('zh') || chosenLanguage().startsWith('zh');
  for (const link of document.querySelectorAll('a[href*="plugin/ashare"]')) {
    for (const name of ['aria-label', 'title']) {
      const given = link.getAttribute(name);
      const wanted = isChinese ? LABELS[given] : CHINESE.has(given) && english(given);
      if (wanted) link.setAttribute(name, wanted);
    }
    const words = document.createTreeWalker(link, NodeFilter.SHOW_TEXT);
    while (words.nextNode()) {
      const given = words.currentNode.nodeValue;
      const wanted = isChinese ? LABELS[given] : CHINESE.has(given) && english(given);
      if (wanted) words.currentNode.nodeValue = wanted;
    }
  }
};
// Airflow draws its links again and again; the observer is called at most once a frame.
let isDue = false;
new MutationObserver(() => {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    label();
  });
}).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ['lang'] });
label();

remember();
// The zone may change while the page is open. One of these events precedes the sending of the form.
for (const event of ['pointerdown', 'keydown']) addEventListener(event, remember, true);

globalThis['A-share viewer'] = () => null;
