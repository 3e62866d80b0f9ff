/** Starts a sync of a range: its trade dates, its weekly lists, or many years at once. */

import { html, useEffect, useRef, useState } from './vendor/htm-preact-3.1.1.module.js';
import { usePoll, usePost } from './api.js';
import { query, update } from './host.js';
import { CopyButton, DateField, Facts, Problem } from './parts.js';
import { say } from './say.js';
import { addDays, beijing, datasetName, duration, num, text } from './text.js';

const TYPING_PAUSE_MS = 300;
const FIRST_DAY = '1990-12-19';
/** The most days of one sync of trade dates; the server has the same limit. */
const MOST_DAYS = 90;

/** The debounced value: it has not changed for TYPING_PAUSE_MS. */
function useSettled(value) {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), TYPING_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}

/** Fills in the start panel's dates, scrolls to the panel and focuses it. */
export function toStartPanel(range) {
  update(range);
  const panel = document.getElementById('start');
  panel?.scrollIntoView({ block: 'nearest' });
  panel?.querySelector('input[type=text]')?.focus({ preventScroll: true });
}

const DATASETS = ['stock_bar', 'index_bar', 'etf_bar', 'adjust_factor'];
const LISTS = ['index_member', 'industry', 'security_name'];
const YEARS = [1, 3, 5, 10, 20];

/** What can be started: the addresses of its preview and its start, and why nothing of the kind can be started now. */
const SYNCS = {
  trade_dates: { preview: 'sync/preview', start: 'sync/batch', whyNot: (overview) => overview.why_not },
  weekly_lists: { preview: 'sync/preview', start: 'sync/batch', whyNot: (overview) => overview.weekly.why_not },
  history: { preview: 'sync/history/preview', start: 'sync/history', whyNot: (overview) => overview.history_why_not },
};

/**
 * @param {{params: object, overview: object}} props params: the page's query, with `what`, `from`, `to`, `reprocess`,
 *   and of a history `datasets`
 */
export function StartPanel({ params, overview }) {
  const t = text();
  const { from, to } = params;
  const what = params.what in SYNCS ? params.what : 'trade_dates';
  const isHistory = what === 'history';
  const datasets = params.datasets?.split(',').filter(Boolean) ?? overview.kept;
  const unit = (isHistory ? LISTS.includes(datasets[0]) : what === 'weekly_lists') ? 'weekly_lists' : 'trade_dates';
  const reprocesses = what === 'trade_dates' ? ['missing', 'all', 'verify'] : ['missing', 'all'];
  const reprocess = reprocesses.includes(params.reprocess) ? params.reprocess : 'missing';
  const { busy: starting, refusal, setRefusal, send } = usePost();
  const [wrong, setWrong] = useState({});
  const local = wrong.from || wrong.to ? t.wrongDate : !from || !to ? t.chooseTwo
    : from > to ? t.endBeforeStart
      : isHistory && !datasets.length ? t.chooseDataset : null;
  const wanted = local ? null : `${SYNCS[what].preview}?${isHistory
    ? [query({ start_date: from, end_date: to }), ...datasets.map((dataset) => query({ dataset }))].join('&')
    : query({ what, start_date: from, end_date: to, reprocess })}`;
  const poll = usePoll(useSettled(wanted));
  const { data: preview, error } = poll.path === wanted ? poll : {};
  // An error is shown by itself, not once more as the reason.
  const reason = local ?? (starting ? t.starting : error ? '' : reasonAgainst(preview, SYNCS[what].whyNot(overview)));
  useEffect(() => setRefusal(null), [wanted]);

  function start(event) {
    event.preventDefault();
    const range = { start_date: from, end_date: to };
    const [body, then] = isHistory
      ? [{ ...range, datasets }, ({ run_id: history }) => update({ history })]
      : [{ what, ...range, reprocess }, ({ task_id: task }) => update({ task })];
    send(SYNCS[what].start, body, then);
  }

  /** Radio buttons of a query parameter. The first choice is its default, and stays out of the query. */
  const choices = (name, chosen, values) => html`<fieldset><legend>${t[name]}</legend>
    ${values.map((value, i) => html`<label class="choice" key=${value}>
      <input type="radio" name=${name} value=${value} checked=${chosen === value}
        onChange=${() => update({ [name]: i ? value : null })} /> ${t.choices[value]}</label>`)}
  </fieldset>`;
  return html`<section class="panel" id="start" data-testid="start-panel">
    <h2>${t.start}</h2>
    <form onSubmit=${start}>
      ${choices('what', what, Object.keys(SYNCS))}
      ${isHistory && html`<${Years} now=${overview.now} />`}
      <div class="row">
        <${DateField} id="from" label=${t.firstDay} value=${from} onPick=${(date) => update({ from: date })}
          onWrong=${(is) => setWrong((before) => ({ ...before, from: is }))} />
        <${DateField} id="to" label=${t.lastDay} value=${to} onPick=${(date) => update({ to: date })}
          onWrong=${(is) => setWrong((before) => ({ ...before, to: is }))} />
      </div>
      ${isHistory
        ? html`<${Datasets} chosen=${datasets} kept=${overview.kept} />`
        : choices('reprocess', reprocess, reprocesses)}
      ${!isHistory && reprocess === 'verify' && html`<p class="muted small">${t.verifyHelp}</p>`}
      <div data-testid="preview" aria-live="polite" aria-busy=${Boolean(wanted && !preview && !error)}>
        ${preview && html`<${Preview} what=${what} unit=${unit} reprocess=${isHistory ? null : reprocess} preview=${preview} />`}
        <${Problem} error=${error} />
      </div>
      <div class="row">
        ${preview?.is_too_long
          ? html`<button type="button" class="primary" data-testid="as-history"
              onClick=${() => update(asHistory(what, from, to, overview))}>${t.asHistory}</button>`
          : html`<button type="submit" class="primary" disabled=${reason !== null} aria-describedby="start-reason"
              data-testid="start-button">${t.startButton}</button>`}
        <span id="start-reason" data-testid="start-reason" role="status">${say(reason)}</span>
      </div>
      <${Problem} error=${refusal} />
      <p class="muted small">${isHistory ? t.historyHelp : t.limit}</p>
    </form>
    ${preview && html`<${CommandLine} command=${preview.command} />`}
  </section>`;
}

/** Yesterday in Beijing: the last day that a history can load. */
const yesterdayOf = (now) => addDays(beijing(now).slice(0, 10), -1);

/** The query of the same range as a history. */
const asHistory = (what, from, to, { now }) => ({
  what: 'history', from, to: to > yesterdayOf(now) ? yesterdayOf(now) : to, reprocess: null,
  datasets: what === 'weekly_lists' ? LISTS.join(',') : null,
});

/** The query that loads some dates: in one sync, or as a history, whose number of days has no limit. */
export const rangeToLoad = (from, to, overview) =>
  (Date.parse(to) - Date.parse(from) < MOST_DAYS * 86_400_000
    ? { what: null, from, to, reprocess: null }
    : asHistory('trade_dates', from, to, overview));

function Years({ now }) {
  const t = text();
  const last = yesterdayOf(now);
  const choose = (years) => {
    const first = new Date(`${last}T00:00:00Z`);
    first.setUTCFullYear(first.getUTCFullYear() - years);
    update({ from: addDays(first.toISOString().slice(0, 10), 1), to: last });
  };
  return html`<div class="row years" role="group" aria-label=${t.years}>
    ${YEARS.map((years) => html`<button type="button" key=${years} onClick=${() => choose(years)}>${t.lastYears(years)}</button>`)}
    <button type="button" onClick=${() => update({ from: FIRST_DAY, to: last })}>${t.allYears}</button>
  </div>`;
}

/** What a history loads: bars and adjust factors, or weekly lists, which take a run of their own. */
function Datasets({ chosen, kept }) {
  const t = text();
  const toggle = (name) => {
    const group = LISTS.includes(name) ? LISTS : DATASETS;
    const next = group.filter((each) => (each === name) !== chosen.includes(each));
    update({ datasets: next.join() === kept.join() ? null : next.join() || ',' });
  };
  const box = (name) => html`<label class="choice" key=${name}><input type="checkbox" name="datasets" value=${name}
    checked=${chosen.includes(name)} onChange=${() => toggle(name)} /> ${datasetName(name)}</label>`;
  return html`<fieldset><legend>${t.datasetsOfHistory}</legend>
    <div class="columns">${DATASETS.map(box)}</div><div class="columns">${LISTS.map(box)}</div>
  </fieldset>`;
}

/** Why the Start button is disabled; null: it is enabled. `whyNot`: why nothing of the kind can be started now. */
function reasonAgainst(preview, whyNot) {
  const t = text();
  if (!preview) return t.previewing;
  if (!preview.can_start) return preview.why_not ?? t.cannotStart;
  return whyNot;
}

function Preview({ what, unit, reprocess, preview }) {
  const t = text();
  const extra = what !== 'history' && preview.runs > preview.to_sync ? preview.runs - preview.to_sync : 0;
  return html`<${Facts} of=${[
      [t.daysCount[unit], num(preview.weekdays)],
      [t.closedCount[unit], num(preview.closed)],
      [t.completeAlready, num(preview.complete)],
      [t.underWay, preview.under_way > 0 && num(preview.under_way)],
      [reprocess === 'verify' ? t.toReadAgain : t.toSync, num(preview.to_sync)],
      [t.runs, what !== 'history' && (extra ? t.runsWithout(preview.runs, extra) : num(preview.runs))],
      [t.requestsOf, t.of(preview.requests, preview.requests_left)],
      [t.quotaDays, preview.quota_days > 1 && num(preview.quota_days)],
      [t.about, duration(preview.seconds)],
    ]} />
    ${preview.notes.length > 0 && html`<ul class="notes">${preview.notes.map((note) => html`<li>${say(note)}</li>`)}</ul>`}`;
}

function CommandLine({ command }) {
  const field = useRef();
  return html`<p class="muted small" id="command-label">${text().sameOnCommandLine}</p>
    <div class="row top">
      <pre class="code command grow" tabindex="0" aria-labelledby="command-label" ref=${field}
        data-testid="command">${command}</pre>
      <${CopyButton} value=${command} from=${field} />
    </div>`;
}

/** The thirty days up to `newest`, for a page without data. */
export const recentRange = (newest) => ({ from: addDays(newest, -29), to: newest, what: null, reprocess: null });
