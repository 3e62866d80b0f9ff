/** All words of the page in both languages, and the formats of numbers, dates and times. */

import { language } from './host.js';

const number = new Intl.NumberFormat('en-US', { maximumFractionDigits: 1 });
const beijingClock = new Intl.DateTimeFormat('sv-SE', {
  timeZone: 'Asia/Shanghai', dateStyle: 'short', timeStyle: 'medium',
});

/** A price in CNY, with the two decimals of a tick. */
export const price = (value) => value.toFixed(2);

export const num = (value) => (value == null ? '' : number.format(value));

/** An instant as Beijing's clock shows it, whatever the browser's zone: YYYY-MM-DD HH:MM:SS. */
export const beijing = (instant) => (instant ? beijingClock.format(new Date(instant)) : '');
export const beijingTime = (instant) => beijing(instant).slice(11);

/** Dates are strings. Their arithmetic uses UTC, which has no daylight saving time. */
export const addDays = (date, days) =>
  new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);
/** Monday is 0. */
export const weekdayOf = (date) => (new Date(`${date}T00:00:00Z`).getUTCDay() + 6) % 7;

const BYTE_UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];
/** A size on disk, in units of 1,024. */
export function bytes(size) {
  const power = Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log2(Math.max(1, size)) / 10));
  return `${num(size / 1024 ** power)} ${BYTE_UNITS[power]}`;
}

export function duration(seconds) {
  if (seconds == null) return '';
  const t = text();
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} ${t.second}`;
  if (whole < 3600) return `${Math.floor(whole / 60)} ${t.minute} ${whole % 60} ${t.second}`;
  return `${Math.floor(whole / 3600)} ${t.hour} ${Math.floor((whole % 3600) / 60)} ${t.minute}`;
}

const count = (n, one, many) => `${num(n)} ${n === 1 ? one : many}`;

/** Words as [English, Chinese]. An object is a named group of words. */
const WORDS = {
  // the page
  title: ['A-share sync', 'A 股同步'], second: ['s', '秒'], minute: ['min', '分'], hour: ['h', '小时'],
  weekdays: [
    ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'],
    ['星期一', '星期二', '星期三', '星期四', '星期五', '星期六', '星期日'],
  ],
  weekdaysShort: [['Mon', '', 'Wed', '', 'Fri', '', 'Sun'], ['一', '', '三', '', '五', '', '日']],
  months: [
    ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'],
    ['1月', '2月', '3月', '4月', '5月', '6月', '7月', '8月', '9月', '10月', '11月', '12月'],
  ],
  beijingTime: ['Beijing time', '北京时间'], loading: ['Loading', '加载中'], tryAgain: ['Try again', '重试'],
  copy: ['Copy', '复制'], copied: ['Copied', '已复制'], copyFailed: ['Select and copy by hand', '请选中后手动复制'],
  close: ['Close', '关闭'],
  shownOf: [
    (shown, total) => `${num(shown)} of ${num(total)} shown`,
    (shown, total) => `共 ${num(total)} 条，显示 ${num(shown)} 条`,
  ],
  of: [(a, b) => `${num(a)} of ${num(b)}`, (a, b) => `${num(a)} / ${num(b)}`],
  noAnswer: ['The server does not answer.', '服务器没有响应。'],
  badAnswer: [
    (status) => `The server gave an answer that this page cannot read (HTTP ${status}).`,
    (status) => `无法识别服务器的响应（HTTP ${status}）。`,
  ],

  broken: [
    (why) => `This page broke and shows nothing until it is loaded again: ${why}`,
    (why) => `页面出错，请重新加载：${why}`,
  ],

  // states
  status: {
    pending: ['Missing', '缺失'], syncing: ['Syncing', '同步中'], success: ['Success', '成功'],
    failed: ['Failed', '失败'], skipped: ['Skipped', '跳过'], accepted: ['Accepted as it is', '按现状接受'], partial: ['Partial', '部分'],
    retrying: ['To be tried again', '等待重试'], total: ['All dates', '全部日期'],
  },
  // A partial date counts as failed, or as missing if no run has recorded it.
  cardStatus: { failed: ['Failed or partial', '失败或部分'], pending: ['Missing or partial', '缺失或部分'] },
  runStates: {
    queued: ['queued', '排队中'], running: ['running', '运行中'], success: ['success', '成功'], failed: ['failed', '失败'],
  },
  coverage: {
    complete: ['complete', '完整'], accepted: ['accepted as it is', '按现状接受'], partial: ['partial', '部分'], missing: ['missing', '缺失'],
    failed: ['failed', '失败'], running: ['running', '同步中'], closed: ['closed', '休市'],
    unpublished: ['not yet published', '尚未发布'], before: ['before the first date', '早于首个日期'],
  },
  kinds: {
    stock: ['Stock', '股票'], index: ['Index', '指数'], etf: ['ETF', 'ETF'], factor: ['Adjust factors', '复权因子'],
  },

  // head line
  completeUpTo: [
    (date, loaded, expected) => `Complete up to ${date}: ${num(loaded)} of ${num(expected)}`,
    (date, loaded, expected) => `数据完整至 ${date}：${num(loaded)} / ${num(expected)}`,
  ],
  behind: [
    (lag, date) => `Behind by ${count(lag, 'session', 'sessions')}: complete up to ${date}`,
    (lag, date) => `落后 ${num(lag)} 个交易日：数据完整至 ${date}`,
  ],
  noneComplete: ['No date is complete yet', '尚无完整的交易日'],
  openDates: [
    (n) => (n === 1 ? '1 date is not complete' : `${num(n)} dates are not complete`),
    (n) => `${num(n)} 个交易日不完整`,
  ],
  datesLoading: [
    (n) => (n === 1 ? '1 date is being loaded' : `${num(n)} dates are being loaded`),
    (n) => `正在加载 ${num(n)} 个交易日`,
  ],
  sentenceEnd: ['. ', '。'],
  chooseOpen: ['Choose these dates', '选中这些日期'], nothingLoaded: ['Nothing loaded yet', '尚未加载任何数据'],
  nothingLoadedHint: [
    'Choose dates in the calendar or below, then press Start sync.',
    '在日历中或下方选择日期，然后点击“开始同步”。',
  ],
  chooseRecent: ['Choose the last 30 days', '选择最近 30 天'], lag: ['Lag', '滞后'],
  sessions: [(n) => count(n, 'session', 'sessions'), (n) => `${num(n)} 个交易日`], nextRun: ['Next run', '下次运行'],
  now: ['Beijing time now', '当前北京时间'], firstDate: ['First date', '首个日期'],
  newestDue: ['Newest date due', '最新应有交易日'], unknown: ['not known', '未知'], never: ['never', '从未'],

  // banners
  schedulerDead: [
    (at) => `The scheduler is not alive${at ? ` since ${at} Beijing time` : ''}. Nothing runs until it is back.`,
    (at) => `调度器已停止${at ? `，最后心跳为北京时间 ${at}` : ''}。恢复之前不会运行任何任务。`,
  ],
  paused: ['The DAG is paused. No new date is synced until it is unpaused.', 'Dag 已暂停。取消暂停之前不会同步新的交易日。'],
  openDag: ['Open the DAG', '打开 Dag'],
  banned: [
    (until) => `Baostock bans this address until ${until} Beijing time. Runs go on by themselves after that.`,
    (until) => `Baostock 已封禁本机地址，至北京时间 ${until}。之后任务自动继续。`,
  ],
  budgetSpent: [
    (used, until) => `All ${num(used)} requests of today are used. Runs go on after ${until} Beijing time.`,
    (used, until) => `今天的请求额度 ${num(used)} 次已用完。北京时间 ${until} 额度重置后任务自动继续。`,
  ],
  stale: [
    (message, at) => `This page is stale: ${message}${at ? ` What it shows is as of ${at} Beijing time.` : ''}`,
    (message, at) => `页面数据已过时：${message}${at ? `显示的是北京时间 ${at} 的数据。` : ''}`,
  ],
  asOf: [(at) => `As of ${at}`, (at) => `截至 ${at}`],
  shownAsOf: [(at) => `What this page shows is as of ${at} Beijing time.`, (at) => `页面显示的是北京时间 ${at} 的数据。`],
  signedOut: ['You are signed out.', '您已退出登录。'], signIn: ['Sign in again', '重新登录'],

  // calendar
  calendar: ['Coverage by date', '每日覆盖率'],
  calendarHelp: [
    'Drag over days to choose a range. Click chooses a day, double click opens it. '
      + 'Keys: arrows move, Shift with arrows chooses, Space chooses a day, Enter opens it.',
    '拖动选择日期范围。单击选中一天，双击打开。键盘：方向键移动，Shift 加方向键选择范围，空格选中一天，回车打开。',
  ],
  calendarLabel: [(from, to) => `Calendar of coverage, ${from} to ${to}`, (from, to) => `覆盖率日历，${from} 至 ${to}`],
  calendarSummary: [(parts) => `In these years: ${parts.join(', ')}.`, (parts) => `这些年份：${parts.join('，')}。`],
  dayFigures: {
    loaded: ['loaded', '已入库'], missing: ['missing', '缺失'], rejected: ['rejected', '剔除'],
    revised: ['revised', '修订'],
  },
  earlierYears: ['Earlier years', '更早年份'],
  chosen: [
    (from, to, days) =>
      (from === to ? `${from} is chosen` : `${from} to ${to} is chosen, ${count(days, 'day', 'days')}`),
    (from, to, days) => (from === to ? `已选 ${from}` : `已选 ${from} 至 ${to}，共 ${num(days)} 天`),
  ],
  showInList: ['Show these in the list', '在列表中显示'], openDay: ['Open the day', '打开当日'],
  clear: ['Clear', '清除'],

  // list
  cards: ['Dates by status', '按状态统计的日期'], list: ['Dates', '日期列表'], date: ['Date', '日期'],
  state: ['Status', '状态'], loadedExpected: ['Loaded / expected', '已入库 / 应有'], suspended: ['Suspended', '停牌'],
  missing: ['Missing', '缺失'], rejected: ['Rejected', '剔除'], revised: ['Revised', '修订'],
  requests: ['Requests', '请求数'], took: ['Duration', '用时'], reason: ['Reason', '原因'], run: ['Run', '运行'],
  openRun: [(date) => `Airflow run of ${date}`, (date) => `${date} 的 Airflow 运行`], runLink: ['Run', '运行'],
  from: ['From', '起始'], to: ['To', '截止'], allDates: ['Clear dates', '清除日期'],
  noRecords: ['No dates match.', '没有符合条件的日期。'],
  page: [
    (page, pages, total) => `Page ${num(page)} of ${num(pages)}, ${count(total, 'date', 'dates')}`,
    (page, pages, total) => `第 ${num(page)} / ${num(pages)} 页，共 ${num(total)} 个日期`,
  ],
  newer: ['Newer', '较新'], older: ['Older', '较早'], more: ['Show all', '展开'], less: ['Show less', '收起'],

  // start panel
  start: ['Start a sync', '开始同步'], firstDay: ['First date', '起始日期'], lastDay: ['Last date', '截止日期'],
  what: ['What', '同步内容'], reprocess: ['Which dates', '处理哪些日期'],
  choices: {
    trade_dates: ['Trade dates', '交易日'], weekly_lists: ['Weekly lists', '每周列表'],
    history: ['Many years at once', '多年历史'],
    missing: ['Missing and failed only', '仅缺失和失败的日期'], all: ['All dates again', '重新处理全部日期'],
    verify: ['Read again and compare', '重读并比对'],
  },
  verifyHelp: [
    'Complete dates are read from Baostock again. Bars that Baostock has changed are updated, and the old values are kept.',
    '从 Baostock 重新读取完整的日期并与库中数据比对。Baostock 已修正的日线会更新，旧值保留。',
  ],
  toReadAgain: ['To read again', '待重读'],
  limit: [
    'At most 90 days of trade dates or 90 weeks of lists. Many years at once have no such limit.',
    '最多 90 天的交易日或 90 周的列表。“多年历史”没有此限制。',
  ],
  historyHelp: [
    'One run loads the whole range, by date or by security, whichever is quicker. It goes on over days if the day’s requests are used up.',
    '一次运行加载整个区间，按日期或逐只证券，取较快者。当日请求额度用完后，次日自动继续。',
  ],
  asHistory: ['Load these as a history', '按多年历史加载'], years: ['Years', '年数'],
  lastYears: [(n) => (n === 1 ? 'Last year' : `Last ${n} years`), (n) => `近 ${n} 年`],
  allYears: ['Since 1990', '1990 年至今'], datasetsOfHistory: ['Datasets', '数据集'],
  chooseDataset: ['Choose a dataset.', '请选择数据集。'],
  openCalendar: ['Open the calendar', '打开日历'],
  wrongDate: ['Write the date as YYYY-MM-DD.', '请按 YYYY-MM-DD 填写日期。'],
  startButton: ['Start sync', '开始同步'], chooseTwo: ['Choose two dates.', '请选择起止日期。'],
  endBeforeStart: ['The last date is before the first.', '截止日期早于起始日期。'],
  previewing: ['Looking at these dates.', '正在查看这些日期。'], starting: ['Starting.', '正在启动。'],
  cannotStart: ['This cannot be started.', '无法启动。'], daysCount: { trade_dates: ['Weekdays', '工作日'], weekly_lists: ['Weeks, by their Mondays', '周数（按星期一）'] },
  closedCount: { trade_dates: ['Closed', '休市'], weekly_lists: ['Without a list at Baostock', 'Baostock 无列表'] },
  completeAlready: ['Complete already', '已完整'], toSync: ['To sync', '待同步'],
  runs: ['Runs', '运行数'],
  runsWithout: [
    (runs, without) => `${num(runs)}, ${num(without)} of them without a request`,
    (runs, without) => `${num(runs)}，其中 ${num(without)} 个不发请求`,
  ],
  requestsOf: ['Requests, of those left', '请求数 / 剩余额度'], quotaDays: ['Days of quota', '额度天数'],
  about: ['About', '预计用时'],
  sameOnCommandLine: ['The same on the command line', '等效的命令行'],

  // progress
  progress: ['Sync', '同步'],
  progressOf: {
    ashare_daily: ['Sync', '同步'], ashare_reference: ['Sync of weekly lists', '每周列表同步'],
  },
  historyStatus: {
    running: ['Running', '进行中'], completed: ['Completed', '已完成'], failed: ['Ended, not complete', '已结束，未完整'],
    cancelled: ['Cancelled', '已取消'],
  },
  planning: ['looking at what is lacking', '正在检查缺少的数据'],
  noPlan: ['the plan could not be made; the task’s log says why', '未能制定计划，原因见任务日志'],
  failedBatches: ['Failed batches', '失败批次'], retriedBatches: ['Batches to be tried again', '等待重试的批次'],
  batchErrors: ['Errors of batches', '批次错误'], historyHoles: ['Dates not complete', '不完整的日期'],
  showHoles: ['Show these in the list', '在列表中显示'],
  cancelHistoryQuestion: [
    'Its tasks are stopped. What is loaded stays, and a later history loads the rest.',
    '任务将停止。已入库的数据保留，之后可再次加载其余部分。',
  ],
  progressStatus: {
    running: ['Running', '进行中'], completed: ['Completed', '已完成'],
    failed: ['Ended, with failed dates', '已结束，有日期失败'], cancelled: ['Cancelled', '已取消'],
  },
  doneOf: [
    (n, total) => `${num(n)} of ${count(total, 'date', 'dates')}`,
    (n, total) => `${num(n)} / ${num(total)} 个日期`,
  ],
  weeksDone: [
    (n, total) => `${num(n)} of ${count(total, 'week', 'weeks')}`,
    (n, total) => `${num(n)} / ${num(total)} 周`,
  ],
  succeeded: ['Success', '成功'], failedDates: ['Failed', '失败'], skipped: ['Skipped', '跳过'],
  cancelledDates: ['Cancelled before they began', '开始前已取消'],
  underWay: ['Under way', '进行中'], rows: ['Rows', '行数'], rowsPerSecond: ['Rows per second', '每秒行数'],
  timeLeft: ['Time left', '剩余时间'], elapsed: ['Elapsed', '已用时'], startedBy: ['Started by', '发起人'],
  startedAt: ['Started', '开始时间'], waitsFor: [(why) => `Waits: ${why}`, (why) => `等待：${why}`],
  nothingCompared: ['Nothing is compared yet.', '尚未比对。'],
  changedBars: [
    (n, all, days, allDays) => `${n ? num(n) : 'None'} of ${count(all, 'bar', 'bars')} had changed, on `
      + `${days ? `${num(days)} of ` : ''}${count(allDays, 'date', 'dates')}.`,
    (n, all, days, allDays) => `已比对 ${num(allDays)} 个交易日的 ${num(all)} 根日线，`
      + `${n ? `其中 ${num(n)} 根有变化` : '均无变化'}${days ? `，涉及 ${num(days)} 个交易日` : ''}。`,
  ],
  insertedBars: [(n) => `${count(n, 'bar', 'bars')} had been lacking and came.`, (n) => `补入 ${num(n)} 根缺少的日线。`],
  changedFactors: [
    (n) => `${count(n, 'adjust factor', 'adjust factors')} had changed or been lacking.`,
    (n) => `${num(n)} 个复权因子有变化或补入。`,
  ],
  lackingBars: [
    (n) => `${count(n, 'loaded bar is', 'loaded bars are')} no longer at Baostock and stay as they are.`,
    (n) => `${num(n)} 根已入库日线在 Baostock 已不存在，予以保留。`,
  ],
  changesOfDate: [
    (revised, inserted, factors) => [
      revised && `${num(revised)} changed`, inserted && `${num(inserted)} new`,
      factors && count(factors, 'adjust factor', 'adjust factors'),
    ].filter(Boolean).join(', '),
    (revised, inserted, factors) => [
      revised && `${num(revised)} 根有变化`, inserted && `补入 ${num(inserted)} 根`, factors && `复权因子 ${num(factors)} 个`,
    ].filter(Boolean).join('，'),
  ],
  errors: ['Failed dates', '失败的日期'], cancel: ['Cancel', '取消'],
  cancelQuestion: [
    'What is under way finishes. What waits is marked failed.',
    '进行中的部分会完成，等待中的部分将标记为失败。',
  ],
  cancelYes: ['Cancel the sync', '确认取消'], cancelNo: ['Keep it going', '继续'],

  // source card
  history: [(from, to) => `Many years: ${from} to ${to}`, (from, to) => `多年历史：${from} 至 ${to}`],
  batchesDone: [(done, all) => `${num(done)} of ${num(all)} batches done`, (done, all) => `已完成 ${num(done)} / ${num(all)} 个批次`],
  openHistory: ['Open the run', '打开该运行'],
  weekly: ['Weekly lists', '每周列表'], weeklyList: ['List', '列表'], newestWeek: ['Newest week loaded', '已入库最新一周'],
  weeklyLists: {
    index_member: ['Members of indices', '指数成分'], industry: ['Industries', '行业'],
    security_name: ['Names', '名称'],
  },
  weekState: { waiting: ['waiting', '等待中'], none: ['no list', '无列表'], before: ['not loaded', '未加载'] },
  statusOfWeek: [(monday) => `Status of ${monday}`, (monday) => `${monday} 的状态`],
  openWeeks: ['Weeks not complete', '不完整周数'],
  openWeeklyRuns: ['Runs of ashare_reference', 'ashare_reference 的运行'],
  source: ['Baostock today', '今日 Baostock'],
  used: [
    (used, budget) => `${num(used)} of ${num(budget)} requests used`,
    (used, budget) => `请求额度 ${num(budget)} 次，已用 ${num(used)} 次`,
  ],
  dayEnds: ['Budget is reset', '额度重置'], ban: ['Ban', '封禁'], noBan: ['none', '无'],
  unreachable: [
    (since) => `Baostock has not answered since ${since} Beijing time. Runs try again by themselves.`,
    (since) => `自北京时间 ${since} 起 Baostock 无响应。任务会自动重试。`,
  ],
  outcomes: {
    SourceUnreachable: ['cannot be reached', '无法连接'], SourceDropped: ['connection closed', '连接被关闭'],
    SourceStalled: ['no answer in time', '响应超时'], 'no reply': ['no reply', '无返回数据'],
    ProcessEnded: ['its process ended', '进程已结束'], BadReply: ['reply not believed', '返回数据不可信'],
  },
  banUntil: [(at) => `until ${at}`, (at) => `至 ${at}`], bans: ['Bans of the year', '当年封禁次数'],
  lastSuccess: ['Last success', '最近成功'], lastErrors: ['Last errors', '最近错误'], code: ['Code', '代码'],
  time: ['Time', '时间'],
  noErrors: ['No errors in the last seven days.', '最近七天没有错误。'],

  // data
  data: ['Data', '数据'], dataset: ['Dataset', '数据集'], completeness: ['Completeness', '完整度'],
  dataTotal: [(size) => `${size} on disk.`, (size) => `共占用 ${size}。`],
  dataHelp: [
    'A size is that of the table with its indexes. Times are Beijing time.',
    '占用空间为整张表（含索引）的大小。时间为北京时间。',
  ],
  datasets: {
    stock_bar: ['Daily bars of stocks', '股票日线'], index_bar: ['Daily bars of indices', '指数日线'],
    etf_bar: ['Daily bars of ETFs', 'ETF 日线'], adjust_factor: ['Adjust factors', '复权因子'],
    security: ['List of securities', '证券列表'], trade_calendar: ['Trade calendar', '交易日历'],
  },
  partitions: ['Complete / expected', '完整 / 应有'], partitionUnits: { trade_date: ['trade dates', '个交易日'], week: ['weeks', '周'] },
  size: ['Size on disk', '占用空间'], table: ['Table', '表'], lastRun: ['Last run', '最近运行'],
  sharedWith: [(names) => `shared with: ${names.join(', ')}`, (names) => `共用：${names.join('、')}`],
  lastRunOf: [(name, at) => `${name}: Airflow run, ${at}`, (name, at) => `${name}：Airflow 运行，${at}`],
  notKept: ['not in ASHARE_KINDS', '未列入 ASHARE_KINDS'],

  // day
  back: ['Overview', '总览'], previous: ['Previous session', '上一交易日'], following: ['Next session', '下一交易日'],
  syncDate: ['Sync this date', '同步此日期'], taskLog: ['Task log', '任务日志'],
  airflowRun: ['Airflow run', 'Airflow 运行'], runState: ['Run state', '运行状态'], figures: ['Figures', '数据'],
  loaded: ['Loaded', '已入库'], expected: ['Expected', '应有'], started: ['Started', '开始'],
  ended: ['Ended', '结束'], scope: ['Kinds', '品种'], batches: ['Batches', '批次'], batch: ['Batch', '批次'],
  by: ['By', '方式'], bys: { market_day: ['whole market', '全市场'], code: ['each by itself', '逐只'] }, codes: ['Securities', '证券数'], error: ['Error', '错误'], log: ['Log', '日志'],
  wholeMarket: ['whole market', '全市场'], missingSecurities: ['Missing securities', '缺失的证券'],
  absentSecurities: ['Absent at the source', '数据源中没有的证券'], name: ['Name', '名称'], kind: ['Kind', '品种'],
  rejectedRows: ['Rejected rows', '剔除的行'], rule: ['Rule', '规则'], raw: ['Raw values', '原始值'],
  superseded: ['Good row loaded', '正确行入库时间'], revisions: ['Revisions', '修订'], change: ['Change', '变更'],
  limitUp: ['Limit up', '涨停'], limitDown: ['Limit down', '跌停'], stHelp: ['Special treatment', '风险警示'],
  nameOfToday: ['(name of today)', '（当前名称）'],
  nameOfTodayHelp: ['No list of names covers this day.', '没有覆盖当日的名称列表。'],
  blank: ['blank', '空'], checks: ['Cross-checks', '交叉核对'], comparedWith: ['Compared with', '对照日期'],
  comparisons: ['Read again and compared', '重读比对'], changedRows: ['Changed', '有变化'], newRows: ['New', '补入'],
  lackingRows: ['No longer at Baostock', 'Baostock 已无'],
  compared: ['Compared', '核对数'], deviating: ['Deviating', '偏离'], allowed: ['Allowed', '允许'],
  passed: ['Result', '结果'], pass: ['passed', '通过'], fail: ['failed', '未通过'], examples: ['Examples', '示例'],

  checkRules: {
    universe: ['Listed securities', '证券范围'], rows: ['Number of bars', '日线数'],
    preclose: ['Preclose and close before', '前收盘价与前日收盘价'], ex_dates: ['Ex-dates', '除权除息日'],
    pct_chg: ['Change in percent', '涨跌幅'], limits: ['Price limits', '涨跌停价'], volume: ['Volume of the day before', '与前日成交量相同'],
  },

  accept: ['Accept as it is', '按现状接受'], acceptReason: ['Reason', '原因'],
  acceptHelp: [
    'From then on the date counts as complete, until one of its bars changes. Its record keeps your reason and what is wrong with the date.',
    '此后该日期视为完整，记录中保留您填写的原因和当前问题；日线数据一旦变化，接受即自动撤销。',
  ],
  acceptButton: ['Accept', '接受'], undoAccept: ['Undo the acceptance', '撤销接受'],

  // stock
  search: ['Find a stock: code, name or pinyin', '查找证券：代码、名称或拼音'],
  formerly: [(name) => `, formerly ${name}`, (name) => `，曾用名 ${name}`],
  searchNone: ['No security matches.', '没有匹配的证券。'],
  searchFirst: [(n) => `The first ${n}. Type more to find others.`, (n) => `仅显示前 ${n} 个，请输入更多内容。`],
  searchFound: [(n) => count(n, 'match', 'matches'), (n) => `${num(n)} 个匹配`], listed: ['Listed', '上市'],
  delisted: ['Delisted', '退市'], firstBar: ['First bar', '首根日线'], lastBar: ['Last bar', '最新一根日线'],
  bars: ['Bars', '日线数'], firstRecorded: ['Recorded since', '记录起始'], stillListed: ['still listed', '仍在上市'],
  noHoles: [
    'No holes: each session since the first recorded date has a bar or a reason',
    '没有缺口：自记录起始日起，每个交易日都有日线或原因',
  ],
  holesFound: [
    (n) => `${count(n, 'session has', 'sessions have')} neither a bar nor a reason`,
    (n) => `${num(n)} 个交易日既无日线也无原因`,
  ],
  noBars: ['No bars of this security are loaded', '此证券没有已入库的日线'],
  byYear: ['Coverage by year', '年度覆盖率'], year: ['Year', '年份'], trading: ['Trading', '交易'],
  explained: ['Explained', '有原因'], holes: ['Holes', '缺口'], sessionsHead: ['Sessions', '交易日数'],
  asTable: ['As a table', '以表格显示'], suspensions: ['Suspensions', '停牌'], exDates: ['Ex-dates', '除权除息日'],
  limitsOf: [(date) => `Price limits of ${date}`, (date) => `${date} 涨跌停价`], noLimit: ['no limit', '无涨跌幅限制'],
  names: ['Names', '名称'], memberships: ['Member of indices', '指数成分'], indexHead: ['Index', '指数'],
  industries: ['Industries', '行业'], industry: ['Industry', '行业'], classification: ['Classification', '分类标准'],
  before: ['Until, exclusive', '截止（不含）'], inNewestList: ['in the newest list', '最新列表中仍有'],
  asOfMondays: [
    'As of the Mondays of the weekly lists: a change takes effect up to a week before its Monday.',
    '以每周列表的星期一为准：变更的实际生效日最多比所列星期一早一周。',
  ],
  price: ['Prices', '价格'], volume: ['Volume', '成交量'], open: ['Open', '开盘'], high: ['High', '最高'],
  low: ['Low', '最低'], closePrice: ['Close', '收盘'], adjustLabel: ['Adjustment', '复权'],
  adjust: {
    none: ['Raw', '不复权'], qfq: ['Forward adjusted (qfq)', '前复权'], hfq: ['Backward adjusted (hfq)', '后复权'],
  },
  noAdjustment: ['An index has no adjust factors.', '指数没有复权因子。'],
  priceSummary: [
    (n, from, to, last, low, high) =>
      `${count(n, 'bar', 'bars')} from ${from} to ${to}, last close ${last}, lowest ${low}, highest ${high}.`,
    (n, from, to, last, low, high) => `${num(n)} 根日线，${from} 至 ${to}，最新收盘 ${last}，最低 ${low}，最高 ${high}。`,
  ],
  marks: [
    'Red is up, green is down. Grey bands: suspended. Dashed red lines: a hole before that bar. Triangles: ex-dates.',
    '红涨绿跌。灰色区域：停牌。红色虚线：该日线之前有缺口。三角：除权除息日。',
  ],
};

const inLanguage = (words, index) =>
  Object.fromEntries(Object.entries(words).map(([key, value]) =>
    [key, Array.isArray(value) ? value[index] : inLanguage(value, index)]));

const EN = inLanguage(WORDS, 0);
const ZH = inLanguage(WORDS, 1);
export const text = () => (language() === 'zh' ? ZH : EN);

export const kindName = (kind) => text().kinds[kind] ?? kind;
export const datasetName = (dataset) => text().datasets[dataset] ?? text().weeklyLists[dataset] ?? dataset;
