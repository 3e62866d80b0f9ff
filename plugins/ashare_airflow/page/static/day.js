/** One trade date: what is loaded, what is missing, and why. */

import { html, useRef, useState } from './vendor/htm-preact-3.1.1.module.js';
import { usePoll, usePost } from './api.js';
import { open } from './host.js';
import {
  AirflowLink, CopyButton, Facts, Go, LimitTag, Problem, RecordStatus, Status, StTag, StockLink, TableSection, useReady,
} from './parts.js';
import { say } from './say.js';
import { beijing, duration, kindName, num, text, weekdayOf } from './text.js';

/** Coverages that say more than the record's status. */
const SAYS_MORE = new Set(['closed', 'unpublished', 'before']);

const show = (value) => (value == null || value === '' ? text().blank : String(value));

/** The changed fields of a revision, with old and new value. */
const changes = (old, now) =>
  Object.keys(now)
    .filter((field) => JSON.stringify(old[field]) !== JSON.stringify(now[field]))
    .map((field) => html`<div class="code" key=${field}>
      ${field} ${show(old[field])} → <b>${show(now[field])}</b></div>`);

/** A security's name of that day, with its badges. */
const NameOfDay = ({ of: row }) => html`${row.name}${' '}
  ${row.is_st && html`<${StTag} />`}${' '}
  ${row.at_limit && html`<${LimitTag} side=${row.at_limit} />`}${' '}
  ${row.is_name_of_today && html`<span class="muted small" title=${text().nameOfTodayHelp}>${text().nameOfToday}</span>`}`;

const security = () => {
  const t = text();
  return [
    [t.code, (row) => html`<${StockLink} code=${row.code} />`],
    [t.name, (row) => html`<${NameOfDay} of=${row} />`],
  ];
};

/** @param {{date: string}} props */
export function DayView({ date }) {
  const t = text();
  const { data: day, error } = usePoll(
    `day/${encodeURIComponent(date)}`, (data) => (data?.record.status === 'syncing' ? 5 : 15),
  );
  useReady(day || error);
  const neighbour = (to, label) =>
    to && html`<${Go} to=${{ view: 'day', date: to }} class="button">${label} <span class="date">${to}</span><//>`;
  return html`
    <div class="row between">
      <h1 tabindex="-1">${date} ${/^\d{4}-\d\d-\d\d$/.test(date) && t.weekdays[weekdayOf(date)]}</h1>
      <nav class="row" aria-label=${t.date}>
        ${neighbour(day?.previous, t.previous)} ${neighbour(day?.following, t.following)}</nav>
    </div>
    <${Problem} error=${error} />
    ${!day && !error && html`<p class="muted">${t.loading}</p>`}
    ${day && html`<${DayHead} day=${day} /><${DayLists} day=${day} />`}`;
}

function DayHead({ day }) {
  const { record, run } = day;
  const t = text();
  const reason = useRef();
  const why = say(record.error_message ?? record.remarks);
  const date = record.sync_date;
  const toStart = { what: null, from: date, to: date, reprocess: day.acceptance || record.coverage === 'complete' ? 'all' : null, focus: 'start' };
  return html`<section class="panel">
    <div class="row between">
      <p class="day-verdict" data-testid="day-verdict"><${RecordStatus} record=${record} />
        ${record.expected != null && html`<b>${t.of(record.loaded ?? 0, record.expected)} ${t.dayFigures.loaded}</b>`}
        ${SAYS_MORE.has(record.coverage) && html`<span class="muted">${t.coverage[record.coverage]}</span>`}</p>
      <div class="row">
        <button type="button" class="primary" onClick=${() => open(toStart)}>${t.syncDate}</button>
        ${run && html`<${AirflowLink} to=${run.run} class="button">${t.airflowRun}<//>
          <${AirflowLink} to=${run.log} class="button">${t.taskLog}<//>`}
      </div>
    </div>
    ${why && html`<div class="row top">
      <pre class="reason grow" ref=${reason} data-testid="day-reason">${why}</pre>
      <${CopyButton} value=${why} from=${reason} /></div>`}
    ${day.may_accept && (day.acceptance || record.status === 'failed')
      && html`<${Acceptance} key=${date} date=${date} acceptance=${day.acceptance} />`}
    <h2>${t.figures}</h2>
    <${Facts} class="facts wide" of=${[
      [t.expected, num(record.expected)],
      [t.loaded, num(record.loaded)],
      [t.suspended, num(record.suspended)],
      [t.missing, num(record.missing)],
      [t.rejected, num(record.rejected)],
      [t.revised, num(record.revised)],
      [t.limitUp, num(day.at_limit?.up)],
      [t.limitDown, num(day.at_limit?.down)],
      [t.requests, num(record.requests)],
      [t.started, beijing(record.start_time)],
      [t.ended, beijing(record.end_time)],
      [t.took, duration(record.duration_seconds)],
      [t.scope, record.kinds.map(kindName).join(' / ')],
      [t.runState, run && (t.runStates[run.state] ?? run.state)],
    ]} />
  </section>`;
}

/** Accepts a red date as it is, with a reason, or undoes the acceptance. */
function Acceptance({ date, acceptance }) {
  const t = text();
  const [asks, setAsks] = useState(false);
  const [reason, setReason] = useState('');
  const { busy, refusal, send } = usePost();
  const close = () => {
    setAsks(false);
    setReason('');
  };
  const accept = (event) => {
    event.preventDefault();
    send(`accept/${date}`, { reason }, close);
  };
  if (acceptance) {
    return html`<div data-testid="acceptance">
      <div class="row"><button type="button" disabled=${busy} onClick=${() => send(`accept/${date}/undo`, {}, close)}>
        ${t.undoAccept}</button></div>
      <${Problem} error=${refusal} />
    </div>`;
  }
  if (!asks) {
    return html`<div class="row" data-testid="acceptance">
      <button type="button" onClick=${() => setAsks(true)}>${t.accept}</button></div>`;
  }
  return html`<form onSubmit=${accept} data-testid="acceptance">
    <p>${t.acceptHelp}</p>
    <div class="row">
      <label class="field grow" for="accept-reason">${t.acceptReason}
        <input id="accept-reason" type="text" required maxlength="500" value=${reason}
          onInput=${({ target }) => setReason(target.value)} /></label>
      <button type="submit" class="primary" disabled=${busy || !reason.trim()}>${t.acceptButton}</button>
      <button type="button" onClick=${() => setAsks(false)}>${t.cancel}</button>
    </div>
    <${Problem} error=${refusal} />
  </form>`;
}

function DayLists({ day }) {
  const t = text();
  const code = (value) => html`<span class="code">${value}</span>`;
  const withReason = [...security(), [t.kind, (row) => kindName(row.kind)], [t.reason, (row) => say(row.reason), 'wide']];
  return html`
    <${TableSection} testid="batches" title=${t.batches} total=${day.batches.length} rows=${day.batches} columns=${[
      [t.batch, (b) => say(b.label)],
      [t.kind, (b) => kindName(b.kind)],
      [t.by, (b) => t.bys[b.by] ?? b.by],
      [t.codes, (b) => (b.codes == null ? t.wholeMarket : num(b.codes)), 'num'],
      // While the run goes on, a failed batch is tried again.
      [t.state, (b) => html`<${Status} status=${b.status === 'failed' && day.record.status === 'syncing' ? 'retrying' : b.status} />`],
      [t.rows, (b) => num(b.rows), 'num'],
      [t.requests, (b) => num(b.requests), 'num'],
      [t.started, (b) => beijing(b.started_at), 'date'],
      [t.took, (b) => duration(b.seconds), 'num'],
      [t.log, (b) => b.log && html`<${AirflowLink} to=${b.log}>${t.taskLog}<//>`],
      [t.error, (b) => b.error && html`<div class="reason">${say(b.error)}</div>`, 'wide'],
    ]} />
    <${TableSection} testid="missing" title=${t.missingSecurities} total=${day.missing_total}
      rows=${day.missing} columns=${withReason} />
    <${TableSection} testid="absent" title=${t.absentSecurities} total=${day.absent_total}
      rows=${day.absent} columns=${withReason} />
    <${TableSection} testid="rejected" title=${t.rejectedRows} total=${day.rejected_total}
      rows=${day.rejected} columns=${[
      ...security(),
      [t.rule, (row) => say(row.rule)],
      [t.raw, (row) => code(Object.entries(row.raw).map(([field, value]) => `${field}=${value}`).join(' ')), 'wide'],
      [t.time, (row) => beijing(row.rejected_at), 'date'],
      [t.superseded, (row) => beijing(row.superseded_at), 'date'],
    ]} />
    <${TableSection} testid="revisions" title=${t.revisions} total=${day.revisions_total}
      rows=${day.revisions} columns=${[
      ...security(),
      [t.change, (row) => changes(row.old, row.new), 'wide'],
      [t.time, (row) => beijing(row.revised_at), 'date'],
    ]} />
    <${TableSection} testid="comparisons" title=${t.comparisons} total=${day.comparisons.length}
      rows=${day.comparisons} columns=${[
      [t.time, (row) => beijing(row.verified_at), 'date'],
      [t.kind, (row) => kindName(row.kind)],
      [t.compared, (row) => num(row.compared), 'num'],
      [t.changedRows, (row) => num(row.revised), 'num'],
      [t.newRows, (row) => num(row.inserted), 'num'],
      [t.lackingRows, (row) => num(row.lacking), 'num'],
      [t.run, (row) => row.run_id],
    ]} />
    <${TableSection} testid="checks" title=${t.checks} total=${day.checks.length} rows=${day.checks} columns=${[
      [t.rule, (c) => t.checkRules[c.rule] ?? c.rule],
      [t.kind, (c) => kindName(c.kind)],
      [t.passed, (c) => c.passed != null && html`<${Status} status=${c.passed ? 'success' : 'failed'}
        label=${c.passed ? t.pass : t.fail} />`],
      [t.comparedWith, (c) => c.compared_with, 'date'],
      [t.compared, (c) => num(c.compared), 'num'],
      [t.deviating, (c) => num(c.deviating), 'num'],
      [t.allowed, (c) => num(c.allowed), 'num'],
      [t.examples, (c) => code(c.examples.join(' ')), 'wide'],
    ]} />`;
}
