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

remember();
// The zone may change while the page is open. One of these events precedes the sending of the form.
for (const event of ['pointerdown', 'keydown']) addEventListener(event, remember, true);

globalThis['A-share viewer'] = () => null;
