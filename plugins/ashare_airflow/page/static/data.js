/** What is kept, dataset by dataset: how complete it is, its rows, its size on disk, and the last run. */

import { html } from './vendor/htm-preact-3.1.1.module.js';
import { usePoll } from './api.js';
import { AirflowLink, DayLink, Problem, Status, Table, useReady } from './parts.js';
import { beijing, bytes, datasetName, num, text } from './text.js';

const POLL_SECONDS = 30;

export function DataView() {
  const t = text();
  const { data, error } = usePoll('datasets', () => POLL_SECONDS);
  useReady(data || error);
  return html`
    <h1 tabindex="-1">${t.data}</h1>
    <${Problem} error=${error} />
    ${!data && !error && html`<p class="muted">${t.loading}</p>`}
    ${data && html`<section class="panel" data-testid="data">
      ${data.is_empty && html`<p data-testid="data-empty"><${Status} status="pending" label=${t.nothingLoaded} /></p>`}
      <p>${t.dataTotal(bytes(data.bytes))} <span class="muted">${t.dataHelp}</span></p>
      <${Datasets} rows=${data.datasets} />
    </section>`}`;
}


function Datasets({ rows }) {
  const t = text();
  const columns = [
    [t.dataset, (row) => datasetName(row.dataset)],
    [t.completeness, (row) => html`<${Completeness} row=${row} />`],
    [t.partitions, (row) => html`<${Partitions} row=${row} />`, 'num'],
    [t.rows, (row) => num(row.rows), 'num'],
    [t.from, (row) => html`<${Partition} row=${row} date=${row.first} />`, 'date'],
    [t.to, (row) => html`<${Partition} row=${row} date=${row.last} />`, 'date'],
    [t.size, (row) => bytes(row.bytes), 'num'],
    [t.table, (row) => html`<span class="code">${row.table}</span>${' '}
      ${row.shared_with.length > 0 && html`<span class="muted">${t.sharedWith(row.shared_with.map(datasetName))}</span>`}`, 'shared'],
    [t.lastRun, (row) => html`<${LastRun} row=${row} />`],
  ];
  return html`<${Table} label=${t.data} columns=${columns} rows=${rows} testid="datasets"
    rowProps=${({ dataset }) => ({ 'data-testid': `dataset-${dataset}` })} />`;
}

function Completeness({ row: { is_kept: isKept, complete, expected, completeness } }) {
  if (!isKept) return html`<span class="muted">${text().notKept}</span>`;
  if (completeness == null) return null;
  const status = complete === expected ? 'success' : complete ? 'partial' : 'pending';
  return html`<${Status} status=${status} label=${`${num(completeness)} %`} />`;
}

function Partitions({ row: { partition, complete, expected } }) {
  const t = text();
  if (!partition) return null;
  return html`${expected == null ? num(complete) : t.of(complete, expected)} <span class="muted">${t.partitionUnits[partition]}</span>`;
}

/** A week has no view of its own, and a day of the calendar may be in the future. */
const Partition = ({ row: { partition }, date }) => (date && partition === 'trade_date' ? html`<${DayLink} date=${date} />` : date);

function LastRun({ row: { dataset, last_run: last, read_at: readAt } }) {
  const t = text();
  if (!last) return readAt && html`<span class="date">${beijing(readAt)}</span>`;
  const at = html`<span class="date">${beijing(last.at)}</span>`;
  return last.run ? html`<${AirflowLink} to=${last.run} aria-label=${t.lastRunOf(datasetName(dataset), beijing(last.at))}>${at}<//>` : at;
}
