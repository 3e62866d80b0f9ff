/** Starts, watches and cancels the sync of a range: its trade dates, or its weekly lists. */

import { html, useEffect, useRef, useState } from './vendor/htm-preact-3.1.1.module.js';
import { refreshAll, usePoll, usePost } from './api.js';
import { query, update } from './host.js';
import { Banner, CopyButton, DateField, DayLink, Facts, Problem } from './parts.js';
import { addDays, beijing, duration, num, text } from './text.js';

const TYPING_PAUSE_MS = 300;

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
  panel?.querySelector('input')?.focus({ preventScroll: true });
}

/** @param {{params: object, overview: object}} props params: the page's query, with `what`, `from`, `to` and `reprocess` */
export function StartPanel({ params, overview }) {
  const t = text();
  const { from, to, what = 'trade_dates', reprocess = 'missing' } = params;
  const { busy: starting, refusal, setRefusal, send } = usePost();
  const local = !from || !to ? t.chooseTwo : from > to ? t.endBeforeStart : null;
  const wanted = local ? null : `sync/preview?${query({ what, start_date: from, end_date: to, reprocess })}`;
  const poll = usePoll(useSettled(wanted));
  const { data: preview, error } = poll.path === wanted ? poll : {};
  const reason = local ?? (starting ? t.starting : reasonAgainst(preview, error, (what === 'weekly_lists' ? overview.weekly : overview).why_not));
  useEffect(() => setRefusal(null), [wanted]);

  function start(event) {
    event.preventDefault();
    send('sync/batch', { what, start_date: from, end_date: to, reprocess }, ({ task_id: task }) => update({ task }));
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
      ${choices('what', what, ['trade_dates', 'weekly_lists'])}
      <div class="row">
        <${DateField} id="from" label=${t.firstDay} value=${from} onPick=${(date) => update({ from: date })} />
        <${DateField} id="to" label=${t.lastDay} value=${to} onPick=${(date) => update({ to: date })} />
      </div>
      ${choices('reprocess', reprocess, ['missing', 'all'])}
      <div data-testid="preview" aria-live="polite" aria-busy=${Boolean(wanted && !preview && !error)}>
        ${preview && html`<${Preview} what=${what} preview=${preview} />`}
        <${Problem} error=${error} />
      </div>
      <div class="row">
        <button type="submit" class="primary" disabled=${reason !== null} aria-describedby="start-reason"
          data-testid="start-button">${t.startButton}</button>
        <span id="start-reason" data-testid="start-reason" role="status">${reason}</span>
      </div>
      <${Problem} error=${refusal} />
      <p class="muted small">${t.limit}</p>
    </form>
    ${preview && html`<${CommandLine} command=${preview.command} />`}
  </section>`;
}

/** Why the Start button is disabled; null: it is enabled. `whyNot`: why nothing of the kind can be started now. */
function reasonAgainst(preview, error, whyNot) {
  const t = text();
  if (error) return error.message;
  if (!preview) return t.previewing;
  if (!preview.can_start) return preview.why_not ?? t.cannotStart;
  return whyNot;
}

function Preview({ what, preview }) {
  const t = text();
  return html`<${Facts} of=${[
      [t.daysCount[what], num(preview.weekdays)],
      [t.closedCount[what], num(preview.closed)],
      [t.completeAlready, num(preview.complete)],
      [t.toSync, num(preview.to_sync)],
      [t.runs, num(preview.runs)],
      [t.requestsOf, t.of(preview.requests, preview.requests_left)],
      [t.about, duration(preview.seconds)],
    ]} />
    ${preview.notes.length > 0 && html`<ul class="notes">${preview.notes.map((note) => html`<li>${note}</li>`)}</ul>`}`;
}

function CommandLine({ command }) {
  const field = useRef();
  return html`<label class="field" for="command">${text().sameOnCommandLine}</label>
    <div class="row top">
      <textarea id="command" class="code grow" readonly rows="4" value=${command} ref=${field}
        data-testid="command"></textarea>
      <${CopyButton} value=${command} from=${field} />
    </div>`;
}

/** @param {{task: string, onClose: () => void}} props task: the id of a backfill, under way or ended */
export function ProgressPanel({ task, onClose }) {
  const t = text();
  const { data: progress, error } = usePoll(
    `sync/batch/progress/${encodeURIComponent(task)}`, (data) => (data?.status === 'running' ? 2 : 0),
  );
  const status = progress?.status;
  const wasRunning = useRef(false);
  useEffect(() => {
    if (wasRunning.current && status !== 'running') refreshAll();
    wasRunning.current = status === 'running';
  }, [status]);

  return html`<section class="panel" data-testid="progress">
    <div class="row"><h2>${progress ? t.progressOf[progress.dag_id] : t.progress} ${progress && `${progress.start_time} – ${progress.end_time}`}</h2>
      ${status !== 'running' && html`<button type="button" onClick=${onClose}>${t.close}</button>`}
    </div>
    <${Problem} error=${error} />
    ${progress && html`<${ProgressBody} progress=${progress} task=${task} />`}
    ${!progress && !error && html`<p class="muted">${t.loading}</p>`}
  </section>`;
}

function ProgressBody({ progress, task }) {
  const t = text();
  const running = progress.status === 'running';
  const { current_date: current } = progress;
  const isWeeks = progress.dag_id === 'ashare_reference';
  // A week has no view of its own.
  const day = (date) => (isWeeks ? html`<span class="date">${date}</span>` : html`<${DayLink} date=${date} />`);
  const share = (dates) => `width:${(100 * dates) / Math.max(1, progress.total)}%`;
  const done = (isWeeks ? t.weeksDone : t.doneOf)(progress.current, progress.total);
  return html`
    <p role="status"><b>${t.progressStatus[progress.status]}</b>: ${done}</p>
    <div class="meter" role="progressbar" aria-label=${t.progress} aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${Math.round(progress.progress_percent)} aria-valuetext=${done}>
      <div class="complete" style=${share(progress.current - progress.failed)}></div>
      <div class="failed" style=${share(progress.failed)}></div>
    </div>
    ${running && progress.waits_for && html`<${Banner} kind="waits">${t.waitsFor(progress.waits_for)}<//>`}
    ${progress.message && html`<p>${progress.message}</p>`}
    <${Facts} of=${[
      [t.succeeded, num(progress.success)],
      [t.failedDates, num(progress.failed)],
      [t.skipped, num(progress.skipped)],
      [t.underWay, running && html`${num(progress.running)} ${current && day(current)}`],
      [t.rows, num(progress.rows)],
      [t.rowsPerSecond, running && num(progress.rows_per_second)],
      [t.requests, num(progress.requests)],
      [t.elapsed, duration(progress.duration_seconds)],
      [t.timeLeft, running && (duration(progress.seconds_left) || t.unknown)],
      [t.startedAt, beijing(progress.task_start_time)],
      [t.startedBy, progress.user],
    ]} />
    ${progress.errors.length > 0 && html`<h3>${t.errors}</h3>
      <ul class="notes errors">
        ${progress.errors.map(({ date, error }) => html`<li key=${date}>${day(date)} ${error}</li>`)}
      </ul>`}
    ${running && html`<${Cancel} task=${task} />`}`;
}

function Cancel({ task }) {
  const t = text();
  const [asking, setAsking] = useState(false);
  const { refusal, send } = usePost();
  async function cancel() {
    await send(`sync/batch/cancel/${encodeURIComponent(task)}`);
    setAsking(false);
  }
  return html`
    ${asking
      ? html`<p>${t.cancelQuestion}</p>
        <div class="row">
          <button type="button" class="danger" onClick=${cancel} data-testid="cancel-confirm">${t.cancelYes}</button>
          <button type="button" onClick=${() => setAsking(false)} data-testid="cancel-keep">${t.cancelNo}</button>
        </div>`
      : html`<button type="button" onClick=${() => setAsking(true)} data-testid="cancel-button">${t.cancel}</button>`}
    <${Problem} error=${refusal} />`;
}

/** The thirty days up to `newest`, for a page without data. */
export const recentRange = (newest) => ({ from: addDays(newest, -29), to: newest, what: null, reprocess: null });
