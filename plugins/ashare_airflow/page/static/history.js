/** A history, that is a run of ashare_history: its progress, its holes, its failure, and how to cancel it. */

import { html } from './vendor/htm-preact-3.1.1.module.js';
import { query, update } from './host.js';
import { AirflowLink, Banner, Facts } from './parts.js';
import { Cancel, ProgressFrame } from './progress.js';
import { say } from './say.js';
import { beijing, datasetName, duration, num, text } from './text.js';

/** @param {{run: string, onClose: () => void}} props run: the id of a run of ashare_history, under way or ended */
export function HistoryPanel({ run, onClose }) {
  const t = text();
  const title = (progress) =>
    (progress?.start_date ? t.history(progress.start_date, progress.end_date) : t.choices.history);
  return html`<${ProgressFrame} path=${`sync/history/progress?${query({ run_id: run })}`} seconds=${5} title=${title}
    body=${(progress) => html`<${HistoryBody} progress=${progress} />`} testid="history" onClose=${onClose} />`;
}

function HistoryBody({ progress }) {
  const t = text();
  const running = progress.status === 'running';
  const done = t.batchesDone(progress.batches_done, progress.batches);
  const share = (batches) => `width:${(100 * batches) / Math.max(1, progress.batches)}%`;
  return html`
    <p role="status"><b>${t.historyStatus[progress.status]}</b>: ${progress.plan ? done : running ? t.planning : t.noPlan}</p>
    <div class="meter" role="progressbar" aria-label=${t.choices.history} aria-valuemin="0" aria-valuemax="100"
      aria-valuenow=${Math.round(progress.progress_percent)} aria-valuetext=${done}>
      <div class="complete" style=${share(progress.batches_done)}></div>
      <div class=${running ? 'partial' : 'failed'} style=${share(progress.batches_failed)}></div>
    </div>
    ${progress.waits_for && html`<${Banner} kind="waits">${t.waitsFor(say(progress.waits_for))}<//>`}
    ${progress.plan && html`<p class="small">${say(progress.plan)}</p>`}
    <${Facts} of=${[
      [t.datasetsOfHistory, progress.datasets.map(datasetName).join(' / ')],
      [running ? t.retriedBatches : t.failedBatches, progress.batches_failed > 0 && num(progress.batches_failed)],
      [t.rows, num(progress.rows)],
      [t.rowsPerSecond, running && num(progress.rows_per_second)],
      [t.requests, num(progress.requests)],
      [t.elapsed, duration(progress.duration_seconds)],
      [t.timeLeft, running && (duration(progress.seconds_left) || t.unknown)],
      [t.startedAt, beijing(progress.task_start_time)],
      [t.startedBy, progress.user],
      [t.historyHoles, html`<span data-testid="history-holes">${num(progress.holes)}</span>`],
    ]} />
    ${progress.errors.length > 0 && html`<h3>${t.batchErrors}</h3>
      <ul class="notes errors" tabindex="0">
        ${progress.errors.map(({ batch, error }) => html`<li key=${batch}>${say(batch)}: ${say(error)}</li>`)}
      </ul>
      ${progress.batches_failed > progress.errors.length
        && html`<p class="muted">${t.shownOf(progress.errors.length, progress.batches_failed)}</p>`}`}
    <div class="row">
      ${progress.holes > 0 && html`<button type="button" onClick=${() => update({
        start_date: progress.first_hole, end_date: progress.last_hole, status: null, page: null,
      })}>${t.showHoles}</button>`}
      <${AirflowLink} to=${progress.log ?? progress.run} class="button">${progress.log ? t.taskLog : t.openHistory}<//>
    </div>
    ${running && html`<${Cancel} path=${`sync/history/cancel?${query({ run_id: progress.run_id })}`}
      question=${t.cancelHistoryQuestion} />`}`;
}
