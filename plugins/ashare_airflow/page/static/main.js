/** Boot, routing and the frame around the views. */

import { html, render, useEffect, useErrorBoundary, useReducer } from './vendor/htm-preact-3.1.1.module.js';
import { usePoll } from './api.js';
import { DataView } from './data.js';
import { DayView } from './day.js';
import { language, overviewParams, startHost, update, watchHost, where } from './host.js';
import { OverviewView, Warnings } from './overview.js';
import { AirflowLink, Banner, Go, Problem, useReady } from './parts.js';
import { say, setTemplates } from './say.js';
import { StockSearch, StockView } from './stock.js';
import { beijing, beijingTime, text } from './text.js';

function App() {
  const t = text();
  const [, rerender] = useReducer((n) => n + 1, 0);
  useEffect(() => watchHost(rerender), []);
  const [broken] = useErrorBoundary((error) => console.error(error));
  const params = where();
  setTemplates(usePoll(language() === 'zh' ? 'messages' : null).data);
  const { data: overview, error, at } = usePoll('overview', (data) => (data && isBusy(data) ? 5 : 15));
  const place = [params.view, params.date, params.code].join(' ');
  useFocusOnArrival(place, Boolean(overview), params.focus);
  useEffect(() => {
    document.title = [params.date ?? params.code ?? (params.view === 'data' && t.data), t.title].filter(Boolean).join(' – ');
  });

  if (broken) return html`<main><${Banner} kind="broken" tone="bad">${t.broken(String(broken))}<//></main>`;
  return html`
    <header>
      <div class="row">
        ${params.view
          ? html`<${Go} to=${overviewParams()} class="home">← ${t.back}<//>`
          : html`<span class="home">${t.title}</span>`}
        <${Go} to=${{ view: 'data' }} data-testid="to-data" aria-current=${params.view === 'data' ? 'page' : null}>${t.data}<//>
        ${error && at && html`<span class="as-of" data-testid="as-of">${t.asOf(beijingTime(at))}</span>`}
      </div>
      <${StockSearch} />
    </header>
    <main class=${error && at ? 'stale' : ''}>
      ${error && html`<${ServerTrouble} error=${error} at=${at} />`}
      ${overview && html`<${Warnings} overview=${overview} />`}
      <${View} key=${place} params=${params} overview=${overview} error=${error} />
    </main>`;
}

/** Whether a sync or a history is under way. */
const isBusy = (overview) => overview.active.length + overview.histories.length > 0;

function View({ params, overview, error }) {
  if (params.view === 'day') return html`<${DayView} date=${params.date ?? ''} />`;
  if (params.view === 'stock') return html`<${StockView} code=${params.code ?? ''} adjust=${params.adjust} />`;
  if (params.view === 'data') return html`<${DataView} />`;
  if (overview) return html`<${OverviewView} params=${params} overview=${overview} stale=${Boolean(error)} />`;
  return html`<${NoOverview} failed=${Boolean(error)} />`;
}

function NoOverview({ failed }) {
  useReady(failed);
  return html`<h1 tabindex="-1">${text().title}</h1>${!failed && html`<p class="muted">${text().loading}</p>`}`;
}

/** Says why the server sends no new data, and how old the shown data are. */
function ServerTrouble({ error, at }) {
  const t = text();
  const since = at && beijing(at);
  if (error.status === 0) return html`<${Banner} kind="stale" tone="bad">${t.stale(say(error.message), since)}<//>`;
  const shown = since && html`<div>${t.shownAsOf(since)}</div>`;
  if (error.status === 401) {
    return html`<${Banner} kind="signed-out" tone="bad">${t.signedOut} ${say(error.message)}${' '}
      <${AirflowLink} to="">${t.signIn}<//>${shown}<//>`;
  }
  if (error.status === 503) return html`<${Banner} kind="database" tone="bad">${say(error.message)}${shown}<//>`;
  return html`<${Problem} error=${error} />`;
}

/** Scrolls to and focuses a new view's heading, or the part that the link named: for the eye and screen readers. */
function useFocusOnArrival(place, loaded, part) {
  const [first, arrived] = useReducer(() => false, true);
  useEffect(() => {
    if (!loaded) return;
    if (part) {
      update({ focus: null });
      const target = document.getElementById(part);
      target?.scrollIntoView({ block: 'center' });
      target?.querySelector('input')?.focus({ preventScroll: true });
    } else if (!first) {
      scrollTo(0, 0);
      document.querySelector('h1')?.focus({ preventScroll: true });
    }
    arrived();
  }, [place, loaded]);
}

startHost();
render(html`<${App} />`, document.getElementById('app'));
