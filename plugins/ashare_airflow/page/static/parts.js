/** Small components that all views share. */

import { html, useEffect, useRef, useState } from './vendor/htm-preact-3.1.1.module.js';
import { refreshAll } from './api.js';
import { followInParent, hrefOf, open } from './host.js';
import { say } from './say.js';
import { text } from './text.js';

/** The glyph of each coverage, besides its colour. STATUS_LOOK maps a record's status to a coverage's look. */
export const GLYPHS = {
  complete: '', accepted: '≈', partial: '◐', missing: '○', failed: '×', running: '▸', closed: '·', unpublished: '…', before: '–',
};
const STATUS_LOOK = {
  success: ['complete', '✓'], failed: ['failed', '×'], syncing: ['running', '▸'], skipped: ['closed', '·'],
  pending: ['missing', '○'], accepted: ['accepted', '≈'], partial: ['partial', '◐'], retrying: ['running', '↻'],
};
/** The look of a week's state. */
const WEEK_LOOK = { complete: ['complete', '✓'], waiting: ['running', '…'], none: ['closed', '·'] };

export const WeekStatus = ({ state }) =>
  html`<${Labelled} look=${WEEK_LOOK[state] ?? [state, GLYPHS[state]]} label=${text().weekState[state] ?? text().coverage[state]} />`;

const Labelled = ({ look: [look, glyph], label }) => html`<span class="status">
  <span class="glyph ${look}" aria-hidden="true">${glyph}</span> <span>${label}</span></span>`;

/** A record's status; of an accepted or partial date, its coverage says more. */
export const RecordStatus = ({ record: { status, coverage } }) =>
  html`<${Status} status=${coverage === 'accepted' || coverage === 'partial' ? coverage : status} />`;

export const Status = ({ status, label = text().status[status] ?? status }) =>
  html`<${Labelled} look=${STATUS_LOOK[status] ?? ['closed', '·']} label=${label} />`;

/** A link to another view of this page. */
export function Go({ to, children, ...rest }) {
  const follow = (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open(to);
  };
  return html`<a href=${hrefOf(to)} onClick=${follow} ...${rest}>${children}</a>`;
}

export const StockLink = ({ code }) => html`<${Go} to=${{ view: 'stock', code }} class="code">${code}<//>`;
export const DayLink = ({ date }) => html`<${Go} to=${{ view: 'day', date }} class="date">${date}<//>`;

/** A link to a page of Airflow; `to` is relative to the root of Airflow's UI. */
export const AirflowLink = ({ to, children, ...rest }) =>
  html`<a href=${`../${to}`} onClick=${followInParent} ...${rest}>${children}</a>`;

/** Badges: under special treatment; closed at a price limit, `side` is "up" or "down". */
export const StTag = () => html`<span class="tag" title=${text().stHelp}>ST</span>`;
export const LimitTag = ({ side }) =>
  html`<span class="tag ${side}">${side === 'up' ? text().limitUp : text().limitDown}</span>`;

export const DAG_PATH = 'dags/ashare_daily';
export const REFERENCE_PATH = 'dags/ashare_reference';
export const runPath = (dagId, runId) => `dags/${dagId}/runs/${encodeURIComponent(runId)}`;

export const Banner = ({ kind, tone = 'warn', children }) =>
  html`<div class="banner ${tone}" role=${tone === 'bad' ? 'alert' : 'status'} data-testid="banner-${kind}">
    <span class="glyph ${tone === 'bad' ? 'failed' : 'partial'}" aria-hidden="true">!</span><div>${children}</div>
  </div>`;

/** The server's error message; with a retry button if the error is transient. */
export const Problem = ({ error }) =>
  error &&
  html`<${Banner} kind="error" tone="bad">${say(error.message)}${' '}
    ${error.isPassing && html`<button type="button" class="link" onClick=${refreshAll}>
      ${text().tryAgain}</button>`}<//>`;

/** Name and value pairs; pairs without a value are left out. */
export const Facts = ({ of, ...rest }) =>
  html`<dl class="facts" ...${rest}>
    ${of
      .filter(([, value]) => value != null && value !== '' && value !== false)
      .map(([name, value]) => html`<div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
  </dl>`;

/**
 * A table that scrolls in a region of its own.
 * @param {[string, (row) => any, string?][]} columns head, cell and class
 */
export function Table({ label, columns, rows, rowProps = () => ({}), testid, class: look = '' }) {
  return html`<div class="scroll ${look}" tabindex="0" role="region" aria-label=${label} data-testid=${testid}>
    <table>
      <thead><tr>${columns.map(([head, , kind]) => html`<th scope="col" class=${kind}>${head}</th>`)}</tr></thead>
      <tbody>
        ${rows.map((row, i) => html`<tr key=${i} ...${rowProps(row)}>
          ${columns.map(([head, cell, kind], column) => column === 0
            ? html`<th scope="row" class=${kind}>${cell(row)}</th>`
            : html`<td class=${kind} data-head=${head}>${cell(row)}</td>`)}
        </tr>`)}
      </tbody>
    </table>
  </div>`;
}

/** A section with a heading and a table; nothing if there are no rows. */
export function TableSection({ title, note, total, rows, columns, testid }) {
  if (!rows.length) return null;
  const count = total > rows.length ? text().shownOf(rows.length, total) : rows.length;
  return html`<section class="panel" data-testid=${testid}>
    <h2>${title} <span class="muted">${count}</span></h2>
    ${note && html`<p class="muted small">${note}</p>`}
    <${Table} label=${title} columns=${columns} rows=${rows} />
  </section>`;
}

/**
 * A date as YYYY-MM-DD, typed or picked. Reports each whole date that is typed, also one that the server refuses, and
 * null when the field is emptied. `onWrong` is told whether the field shows what is no date: the last value does not
 * count then. The browser's own date field would show a date as its own locale writes dates.
 */
export function DateField({ label, value, onPick, onWrong = () => {}, id }) {
  const t = text();
  const input = useRef();
  const picker = useRef();
  const [wrong, setWrong] = useState(false);
  useEffect(() => {
    input.current.value = value ?? '';
    setWrong(false);
    onWrong(false);
  }, [value]);
  const report = ({ target, type }) => {
    const typed = target.value.trim();
    const whole = isDate(typed);
    onWrong(Boolean(typed) && !whole);
    setWrong(Boolean(typed) && !whole && type === 'change');
    if (whole || !typed) onPick(typed || null);
  };
  return html`<div class="field"><label for=${id} id="${id}-label">${label}</label>
    <span class="date-field">
      <input type="text" id=${id} ref=${input} inputmode="numeric" autocomplete="off" maxlength="10" size="10"
        placeholder="YYYY-MM-DD" aria-invalid=${wrong} aria-describedby=${wrong ? `${id}-wrong` : null}
        onInput=${report} onChange=${report} />
      <button type="button" class="pick" aria-label=${t.openCalendar} aria-describedby="${id}-label" onClick=${() => showPicker(picker.current, value)}>
        <span aria-hidden="true">▾</span></button>
      <input type="date" class="picker" ref=${picker} tabindex="-1" aria-hidden="true" min="1990-12-19"
        onChange=${({ target }) => target.value && onPick(target.value)} />
    </span>
    ${wrong && html`<span id="${id}-wrong" class="wrong" role="alert">${t.wrongDate}</span>`}
  </div>`;
}

const isDate = (typed) => /^\d{4}-\d\d-\d\d$/.test(typed) && !Number.isNaN(Date.parse(typed))
  && new Date(typed).toISOString().startsWith(typed);

function showPicker(picker, value) {
  picker.value = value ?? '';
  try {
    picker.showPicker();
  } catch {
    // Not in every browser, nor in a frame of another site: the date is typed.
  }
}

/** Copies a value. Plain http has no clipboard object: there the button selects `from` and copies the selection. */
export function CopyButton({ value, from }) {
  const [said, setSaid] = useState(null);
  const t = text();
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      setSaid(t.copied);
    } catch {
      getSelection().selectAllChildren(from.current);
      from.current.select?.();
      setSaid(document.execCommand('copy') ? t.copied : t.copyFailed);
    }
    setTimeout(() => setSaid(null), 2500);
  };
  return html`<button type="button" onClick=${copy}><span aria-live="polite">${said ?? t.copy}</span></button>`;
}

/** Sets data-ready on the document once a view and its charts are drawn. */
export function useReady(done) {
  useEffect(() => {
    if (!done) return undefined;
    let frame = requestAnimationFrame(() => {
      frame = requestAnimationFrame(() => {
        document.documentElement.dataset.ready = 'true';
      });
    });
    return () => cancelAnimationFrame(frame);
  }, [done, location.search]);
}
