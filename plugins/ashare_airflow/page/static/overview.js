/** The default view: is the data complete, what is missing, and what to press. */

import { html, useEffect, useState } from './vendor/htm-preact-3.1.1.module.js';
import { usePoll } from './api.js';
import { Calendar } from './calendar.js';
import { HistoryPanel } from './history.js';
import { open, query, update } from './host.js';
import {
  AirflowLink, Banner, DAG_PATH, DateField, DayLink, Facts, Problem, RecordStatus, REFERENCE_PATH, runPath, Status, Table,
  useReady, WeekStatus,
} from './parts.js';
import { say } from './say.js';
import { ProgressPanel } from './progress.js';
import { rangeToLoad, recentRange, StartPanel, toStartPanel } from './start.js';
import { beijing, beijingTime, datasetName, duration, num, text } from './text.js';

const STATUSES = ['success', 'failed', 'syncing', 'skipped', 'pending'];
const PAGE_SIZE = 50;
const FIRST_YEAR = 1990;

/** @param {{params: object, overview: object, stale: boolean}} props params: the page's query */
export function OverviewView({ params, overview, stale }) {
  const today = beijing(overview.now).slice(0, 10);
  const active = overview.active.map((each) => each.task_id);
  const tasks = [...new Set([...active, params.task].filter(Boolean))];
  const { histories } = overview;
  const pace = () => (active.length + histories.length ? 5 : 15);
  const years = yearsShown(today, overview.first_date, Number(params.years) || 0);
  const coverage = usePoll(`coverage?${query({ start_date: `${years.at(-1)}-01-01`, end_date: today })}`, pace);
  const { start_date, end_date, status, page } = params;
  const list = usePoll(`list?${query({ page: page ?? 1, page_size: PAGE_SIZE, start_date, end_date, status })}`, pace);
  // Kept in the URL after the backfill's end, so that the panel says how it ended.
  useEffect(() => {
    if (active.length && !active.includes(params.task)) update({ task: active[0] });
    if (histories.length && !histories.includes(params.history)) update({ history: histories[0] });
  }, [active.join(), histories.join()]);
  useReady((coverage.data || coverage.error) && (list.data || list.error));

  return html`
    <${Verdict} overview=${overview} />
    <div class="overview">
      <div class="calendar-area">
        ${coverage.data && html`<${Calendar} days=${coverage.data.days} years=${years} today=${today}
          from=${params.from} to=${params.to} canGoBack=${years.at(-1) > FIRST_YEAR} />`}
        ${!stale && html`<${Problem} error=${coverage.error} />`}
      </div>
      <div class="side">
        ${tasks.map((task) => html`<${ProgressPanel} key=${task} task=${task} onClose=${() => update({ task: null })} />`)}
        ${[...new Set([...histories, params.history].filter(Boolean))].map((run) => html`<${HistoryPanel}
          key=${run} run=${run} onClose=${() => update({ history: null })} />`)}
        <${StartPanel} params=${params} overview=${overview} />
        <${SourceCard} source=${overview.source} />
      </div>
      <div class="cards-area">
        ${list.data && html`<${Cards} stats=${list.data.stats} chosen=${status} />`}
        <${WeeklyCard} weekly=${overview.weekly} />
      </div>
      <div class="list-area">
        ${!stale && html`<${Problem} error=${list.error} />`}
        ${list.data && html`<${RecordList} params=${params} page=${list.data} />`}
      </div>
    </div>`;
}

/** The years shown, newest first: three, fewer if fewer are recorded, more if the reader asks for more. */
function yearsShown(today, firstDate, wanted) {
  const newest = Number(today.slice(0, 4));
  const recorded = firstDate ? newest - Number(firstDate.slice(0, 4)) + 1 : 1;
  const count = Math.max(Math.min(3, recorded), Math.min(wanted, newest - FIRST_YEAR + 1));
  return Array.from({ length: count }, (_, i) => newest - i);
}

function verdictOf(overview) {
  const t = text();
  const { newest_complete: newest, lag, allowed_lag: allowed, counts, first_date: first, newest_is_loading: isCatchingUp } = overview;
  const open = counts.pending + counts.failed;
  // What is being loaded is no trouble: the head warns of the other dates alone.
  const loading = counts.syncing && t.datesLoading(counts.syncing);
  if (!first && !loading) return { tone: 'missing', sentence: t.nothingLoaded };
  if (!newest && !loading) return { tone: 'failed', sentence: t.noneComplete, open };
  const complete = newest && t.completeUpTo(newest.date, newest.loaded, newest.expected);
  if (lag > allowed && !isCatchingUp) return { tone: 'failed', sentence: t.behind(lag, newest.date), open };
  const detail = [loading, complete].filter(Boolean).join(t.sentenceEnd);
  if (open) return { tone: 'partial', sentence: t.openDates(open), open, detail };
  if (loading) return { tone: 'running', sentence: loading, detail: complete };
  return { tone: 'complete', sentence: complete };
}

const VERDICT_GLYPHS = { complete: '✓', running: '▸' };

function Verdict({ overview }) {
  const t = text();
  const { tone, sentence, open: openCount, detail } = verdictOf(overview);
  const openDates = () => rangeToLoad(overview.first_open, overview.last_open, overview);
  return html`<section class="verdict ${tone}">
    <div class="row nowrap">
      <span class="glyph big ${tone}" aria-hidden="true">${VERDICT_GLYPHS[tone] ?? '!'}</span>
      <h1 tabindex="-1" data-testid="headline">${sentence}</h1>
    </div>
    ${detail && html`<p>${detail}</p>`}
    ${openCount > 0 && html`<div class="row">
      ${!detail && html`<span>${t.openDates(openCount)}</span>`}
      <button type="button" class="primary" data-testid="choose-open" onClick=${() => toStartPanel(openDates())}>${t.chooseOpen}</button>
    </div>`}
    ${!overview.first_date && tone !== 'running' && html`<div class="row"><span>${t.nothingLoadedHint}</span>
      <button type="button" class="primary" onClick=${() => toStartPanel(recentRange(overview.newest_due))}>
        ${t.chooseRecent}</button>
    </div>`}
    <${Facts} class="facts wide" of=${[
      [t.lag, overview.lag == null ? t.unknown : t.sessions(overview.lag)],
      [t.newestDue, html`<${DayLink} date=${overview.newest_due} />`],
      [t.nextRun, overview.next_run ? beijing(overview.next_run).slice(0, 16) : t.unknown],
      [t.now, beijing(overview.now).slice(0, 16)],
      [t.firstDate, overview.first_date && html`<${DayLink} date=${overview.first_date} />`],
    ]} />
  </section>`;
}

/** Banners of what keeps the data from becoming complete: scheduler, paused DAG, ban, budget. */
export function Warnings({ overview }) {
  const t = text();
  const { scheduler, source } = overview;
  return html`
    ${!scheduler.alive && html`<${Banner} kind="scheduler" tone="bad">
      ${t.schedulerDead(beijing(scheduler.heartbeat_at))}<//>`}
    ${overview.is_paused && html`<${Banner} kind="paused">
      ${t.paused} <${AirflowLink} to=${DAG_PATH}>${t.openDag}<//><//>`}
    ${source.is_banned && html`<${Banner} kind="ban" tone="bad">${t.banned(beijing(source.banned_until))}<//>`}
    ${source.used_today >= source.budget && html`<${Banner} kind="budget">
      ${t.budgetSpent(source.used_today, beijing(source.day_ends))}<//>`}`;
}

/** Changes the filter, and goes back to the first page. */
const filter = (changes) => update({ ...changes, page: null });

function Cards({ stats, chosen }) {
  const t = text();
  const card = (status) => html`<button type="button" class="card" key=${status} data-testid="card-${status}"
    aria-pressed=${status === 'total' ? !chosen : chosen === status}
    onClick=${() => filter({ status: status === 'total' || chosen === status ? null : status })}>
    <b>${num(stats[status])}</b>
    ${status === 'total' ? html`<span>${t.status.total}</span>`
      : html`<${Status} status=${status} label=${t.cardStatus[status] ?? t.status[status]} />`}
  </button>`;
  return html`<div class="cards" role="group" aria-label=${t.cards}>${['total', ...STATUSES].map(card)}</div>`;
}

/** A number. A zero is muted, so that other numbers stand out. */
const tally = (n) => (n === 0 ? html`<span class="zero">0</span>` : num(n));

function RecordList({ params, page }) {
  const t = text();
  const columns = [
    [t.date, (r) => html`<${DayLink} date=${r.sync_date} />`],
    [t.state, (r) => html`<${RecordStatus} record=${r} />`],
    [t.loadedExpected, (r) => (r.expected == null ? '' : `${num(r.loaded ?? 0)} / ${num(r.expected)}`), 'num'],
    [t.suspended, (r) => tally(r.suspended), 'num'],
    [t.missing, (r) => tally(r.missing), 'num'],
    [t.rejected, (r) => tally(r.rejected), 'num'],
    [t.revised, (r) => tally(r.revised), 'num'],
    [t.requests, (r) => num(r.requests), 'num'],
    [t.took, (r) => duration(r.duration_seconds), 'num'],
    [t.reason, (r) => html`<${Reason} of=${r.error_message ?? r.remarks} />`, 'wide'],
    [t.run, (r) => r.run_id && html`<${AirflowLink} to=${runPath(r.dag_id, r.run_id)} aria-label=${t.openRun(r.sync_date)}>
      ${t.runLink}<//>`],
  ];
  const rowProps = ({ sync_date: date }) => ({
    'data-testid': `row-${date}`,
    // A convenience for the mouse. Keyboard and screen reader use the date's link.
    onClick: (event) => {
      if (!event.target.closest('a, button') && getSelection().isCollapsed) open({ view: 'day', date });
    },
  });
  const turn = (to, disabled, label) =>
    html`<button type="button" disabled=${disabled} onClick=${() => update({ page: to })}>${label}</button>`;
  return html`<section class="panel" data-testid="list">
    <div class="row"><h2>${t.list}</h2>
      <${DateField} id="list-from" label=${t.from} value=${params.start_date}
        onPick=${(date) => filter({ start_date: date })} />
      <${DateField} id="list-to" label=${t.to} value=${params.end_date}
        onPick=${(date) => filter({ end_date: date })} />
      ${(params.start_date || params.end_date) && html`<button type="button"
        onClick=${() => filter({ start_date: null, end_date: null })}>${t.allDates}</button>`}
    </div>
    ${page.records.length
      ? html`<${Table} class="records" label=${t.list} columns=${columns} rows=${page.records} rowProps=${rowProps} />`
      : html`<p>${t.noRecords}</p>`}
    <div class="row pager">
      ${turn(page.page - 1, page.page <= 1, t.newer)}
      <span role="status">${t.page(page.page, Math.max(1, page.total_pages), page.total)}</span>
      ${turn(page.page + 1, page.page >= page.total_pages, t.older)}
    </div>
  </section>`;
}

const CLAMPED_FROM = 55; // characters, about two lines of the column

function Reason({ of: reason }) {
  const [whole, setWhole] = useState(false);
  if (!reason) return null;
  const words = say(reason);
  return html`<div class=${whole ? 'reason' : 'reason clamped'} title=${words}>${words}</div>
    ${words.length > CLAMPED_FROM && html`<button type="button" class="link small" aria-expanded=${whole}
      onClick=${() => setWhole(!whole)}>${whole ? text().less : text().more}</button>`}`;
}

/** Members of indices, industries and names: the newest list of each, and the weeks that are not complete. */
function WeeklyCard({ weekly }) {
  const t = text();
  const columns = [
    [t.weeklyList, (list) => datasetName(list.dataset)],
    [t.statusOfWeek(weekly.newest_due), (list) => html`<${WeekStatus} state=${list.state} />`],
    [t.openWeeks, (list) => tally(list.open_weeks), 'num'],
    [t.newestWeek, (list) => list.newest_week, 'date'],
    [t.rows, (list) => num(list.rows), 'num'],
  ];
  const failed = weekly.lists.filter((list) => list.reason);
  return html`<section class="panel" data-testid="weekly-card">
    <div class="row between"><h2>${t.weekly}</h2>
      <${AirflowLink} to=${`${REFERENCE_PATH}/runs`}>${t.openWeeklyRuns}<//></div>
    <${Table} label=${t.weekly} columns=${columns} rows=${weekly.lists} />
    ${failed.length > 0 && html`<ul class="notes">${failed.map((list) => html`<li key=${list.dataset}>
      ${datasetName(list.dataset)}, ${list.problem_week}: <${Reason} of=${list.reason} /></li>`)}</ul>`}
  </section>`;
}

function SourceCard({ source }) {
  const t = text();
  const used = t.used(source.used_today, source.budget);
  const percent = Math.min(100, (100 * source.used_today) / source.budget);
  return html`<section class="panel" data-testid="source-card">
    <h2>${t.source}</h2>
    ${source.unreachable_since && html`<${Banner} kind="unreachable" tone="bad">
      ${t.unreachable(beijing(source.unreachable_since))}${' '}${say(source.unreachable_why)}<//>`}
    <p>${used}</p>
    <div class="meter" role="meter" aria-label=${t.source} aria-valuemin="0" aria-valuemax=${source.budget}
      aria-valuenow=${source.used_today} aria-valuetext=${used}>
      <div class=${percent >= 100 ? 'failed' : percent > 80 ? 'partial' : 'running'} style="width:${percent}%"></div>
    </div>
    <${Facts} of=${[
      [t.dayEnds, `${beijingTime(source.day_ends).slice(0, 5)} ${t.beijingTime}`],
      [t.ban, source.is_banned ? t.banUntil(beijing(source.banned_until)) : t.noBan],
      [t.bans, source.bans ? num(source.bans) : null],
      [t.lastSuccess, beijing(source.last_success_at) || t.never],
    ]} />
    <h3>${t.lastErrors}</h3>
    ${source.recent_errors.length
      ? html`<ul class="plain">${source.recent_errors.map((e) => html`<li>
          <b class="code">${t.outcomes[e.outcome] ?? e.outcome}</b> <span class="date">${beijing(e.requested_at)}</span>
          <div class="muted small">${e.method}, ${e.who}</div></li>`)}</ul>`
      : html`<p class="muted">${t.noErrors}</p>`}
  </section>`;
}
