/** Watches what is under way: a backfill's progress, its failed dates, what reading again has shown, and its cancel. */

import { html, useEffect, useRef, useState } from './vendor/htm-preact-3.1.1.module.js';
import { refreshAll, usePoll, usePost } from './api.js';
import { update } from './host.js';
import { Banner, DayLink, Facts, Problem } from './parts.js';
import { say } from './say.js';
import { beijing, duration, num, text } from './text.js';

/**
 * A panel that follows something under way, and reloads the page's data when it has ended.
 * @param {{path: string, seconds: number, title: (progress?) => any, body: (progress) => any, testid: string, onClose}} props
 *   seconds: between two looks while it goes on
 */
export function ProgressFrame({ path, seconds, title, body, testid, onClose }) {
  const t = text();
  const { data: progress, error } = usePoll(path, (data) => (data?.status === 'running' ? seconds : 0));
  const status = progress?.status;
  const wasRunning = useRef(false);
  useEffect(() => {
    if (wasRunning.current && status !== 'running') refreshAll();
    wasRunning.current = status === 'running';
  }, [status]);
  return html`<section class="panel" data-testid=${testid}>
    <div class="row"><h2>${title(progress)}</h2>
      ${status !== 'running' && html`<button type="button" onClick=${onClose}>${t.close}</button>`}
    </div>
    <${Problem} error=${error} />
    ${progress && body(progress)}
    ${!progress && !error && html`<p class="muted">${t.loading}</p>`}
  </section>`;
}

/** @param {{task: string, onClose: () => void}} props task: the id of a backfill, under way or ended */
export function ProgressPanel({ task, onClose }) {
  const t = text();
  const title = (progress) =>
    (progress ? `${t.progressOf[progress.dag_id]} ${progress.start_time} – ${progress.end_time}` : t.progress);
  return html`<${ProgressFrame} path=${`sync/batch/progress/${encodeURIComponent(task)}`} seconds=${2} title=${title}
    body=${(progress) => html`<${ProgressBody} progress=${progress} task=${task} />`} testid="progress" onClose=${onClose} />`;
}

function ProgressBody({ progress, task }) {
  const t = text();
  const running = progress.status === 'running';
  const { current_date: current } = progress;
  const isWeeks = progress.dag_id === 'ashare_reference';
  // A week has no view of its own.
  const day = (date) => (isWeeks ? html`<span class="date">${date}</span>` : html`<${DayLink} date=${date} />`);
  const share = (dates) => `width:${(100 * dates) / Math.max(1, progress.total)}%`;
  // The days on which the exchanges are closed are no dates: the number is the one that the head and the preview say.
  const dates = progress.total - progress.closed;
  const done = (isWeeks ? t.weeksDone : t.doneOf)(progress.current - progress.closed_ended, dates);
  return html`
    <p role="status"><b>${t.progressStatus[progress.status]}</b>: ${done}</p>
    <div class="meter" role="progressbar" aria-label=${t.progress} aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${Math.round(progress.progress_percent)} aria-valuetext=${done}>
      <div class="complete" style=${share(progress.current - progress.failed - progress.cancelled)}></div>
      <div class="failed" style=${share(progress.failed)}></div>
    </div>
    ${running && progress.waits_for && html`<${Banner} kind="waits">${t.waitsFor(say(progress.waits_for))}<//>`}
    ${progress.message && html`<p>${say(progress.message)}</p>`}
    <${Facts} of=${[
      [t.succeeded, num(progress.success)],
      [t.failedDates, num(progress.failed)],
      [t.skipped, num(progress.skipped)],
      [t.cancelledDates, progress.cancelled > 0 && num(progress.cancelled)],
      [t.underWay, running && html`${num(progress.running)} ${current && day(current)}`],
      [t.rows, num(progress.rows)],
      [t.rowsPerSecond, running && num(progress.rows_per_second)],
      [t.requests, num(progress.requests)],
      [t.elapsed, duration(progress.duration_seconds)],
      [t.timeLeft, running && (duration(progress.seconds_left) || t.unknown)],
      [t.startedAt, beijing(progress.task_start_time)],
      [t.startedBy, progress.user],
    ]} />
    ${progress.comparison && html`<${Comparison} of=${progress.comparison} />`}
    ${progress.errors.length > 0 && html`<h3>${t.errors}</h3>
      <ul class="notes errors" tabindex="0">
        ${progress.errors.map(({ date, error }) => html`<li key=${date}>${day(date)} ${say(error)}</li>`)}
      </ul>
      ${progress.failed > progress.errors.length && html`<p class="muted">${t.shownOf(progress.errors.length, progress.failed)}${' '}
        ${!isWeeks && html`<button type="button" class="link" onClick=${() => update({
          start_date: progress.start_time, end_date: progress.end_time, status: 'failed', page: null,
        })}>${t.showInList}</button>`}</p>`}`}
    ${running && html`<${Cancel} path=${`sync/batch/cancel/${encodeURIComponent(task)}`} question=${t.cancelQuestion} />`}`;
}

/** What dates that were read again have shown: how much had changed, and where. */
function Comparison({ of: found }) {
  const t = text();
  if (!found.dates) return html`<p data-testid="comparison">${t.nothingCompared}</p>`;
  const also = [
    found.inserted && t.insertedBars(found.inserted),
    found.factors && t.changedFactors(found.factors),
    found.lacking && t.lackingBars(found.lacking),
  ].filter(Boolean);
  return html`<div data-testid="comparison">
    <p><b>${t.changedBars(found.revised, found.compared, found.changed_dates, found.dates)}</b> ${also.join(' ')}</p>
    ${found.changed.length > 0 && html`<ul class="notes">
      ${found.changed.map(({ date, revised, inserted, factors }) => html`<li key=${date}><${DayLink} date=${date} />
        ${' '}${t.changesOfDate(revised, inserted, factors)}</li>`)}
      ${found.changed_dates > found.changed.length
        && html`<li class="muted">${t.shownOf(found.changed.length, found.changed_dates)}</li>`}
    </ul>`}
  </div>`;
}

/** Asks before it cancels. `question`: what becomes of the work under way. */
export function Cancel({ path, question }) {
  const t = text();
  const [asking, setAsking] = useState(false);
  const { refusal, send } = usePost();
  async function cancel() {
    await send(path);
    setAsking(false);
  }
  return html`
    ${asking
      ? html`<p>${question}</p>
        <div class="row">
          <button type="button" class="danger" onClick=${cancel} data-testid="cancel-confirm">${t.cancelYes}</button>
          <button type="button" onClick=${() => setAsking(false)} data-testid="cancel-keep">${t.cancelNo}</button>
        </div>`
      : html`<button type="button" onClick=${() => setAsking(true)} data-testid="cancel-button">${t.cancel}</button>`}
    <${Problem} error=${refusal} />`;
}
