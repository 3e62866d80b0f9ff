// In which time zone a viewer of Airflow's UI picks dates: its backfill form sends instants, and nothing else.
// Airflow loads this module into each of its pages, as a React app that shows nothing.
const remember = () => {
  let zone = null;
  try {
    zone = JSON.parse(localStorage.getItem('timezone')); // the one that was chosen in Airflow's menu
  } catch { /* none was */ }
  zone ??= Intl.DateTimeFormat().resolvedOptions().timeZone;
  const path = new URL(document.baseURI).pathname;
  document.cookie = `ashare_time_zone=${encodeURIComponent(zone)}; path=${path}; SameSite=Strict`;
};

remember();
// It may be changed while the page is open; the form is sent after one of these.
for (const event of ['pointerdown', 'keydown']) addEventListener(event, remember, true);

globalThis['A-share viewer'] = () => null;
