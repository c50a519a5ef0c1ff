// What the page says, in Chinese and English, and how it writes times and sizes.

import { TERMS } from './terms.js';

export const LANGUAGES = { zh: '中文', en: 'English' };

export const TEXTS = {
  en: {
    ...TERMS.en,
    state: 'State', severity: 'Severity', namespace: 'Namespace', language: 'Language', logout: 'Forget token',
    token: 'Read token', show: 'Show', any: 'all', open: 'open', resolved: 'resolved',
    info: 'info', warning: 'warning', critical: 'critical',
    crash: 'crash', crashLoop: 'crash loop', image_pull: 'image cannot be pulled', config_error: 'configuration error',
    start_error: 'cannot start', stuck: 'start is stuck', unschedulable: 'cannot be scheduled', pod_failure: 'pod was ended',
    probe: 'checks fail', node_probes: 'every check on the node fails',
    oom_kill: 'process OOM-killed', leak: 'leak', near_limit: 'near its limit', node: 'node in trouble', capacity: 'no room if a node is lost',
    service_outage: 'service is not available', rollout_failed: 'rollout failed', slo_burn: 'error budget burns too fast', registry: 'image registry fails',
    live: 'live', notLive: 'not live, looking every 15 s', connecting: 'connecting', locked: 'needs a token',
    tokenHint: 'A read token is needed: the key read-token of the Secret nightjar-api, or what api.read_token_file holds. With the write token alerts can be silenced and acknowledged too.',
    tokenWrong: 'This token is not accepted.',
    count: (n, state) => `${n} ${state ? `${state} ` : ''}incident${n === '1' ? '' : 's'}`,
    none: 'Nothing is open.', noneFits: 'No incident fits the filter.', more: 'More',
    stale: (time) => `What is shown is of ${time}.`,
    unreachable: 'The collector cannot be reached.',
    what: 'What', where: 'Where', reason: 'Reason', times: 'Count', last: 'Last', first: 'First',
    name: 'Name', workload: 'Workload', container: 'Container', pod: 'Pod', node: 'Node', image: 'Image',
    process: 'Process', value: 'Now', pace: 'Pace', paceOf: (amount) => `+${amount} an hour`, reaches: 'Reaches the limit', evictions: 'Evicted pods',
    message: 'Message', restarts: 'Restarts', lost: 'Restarts nobody saw', limit: 'Memory limit', ended: 'Resolved',
    suppressed: 'Nobody is told:',
    crashes: 'Crashes', finished: 'Finished', attempt: 'Attempt', lines: 'Lines', log: 'Log', showLog: (attempt, pod) => `Log of attempt ${attempt} of ${pod}`,
    lastWords: 'Last words', attemptOf: (attempt, pod, container, reason) => `attempt ${attempt} of ${pod} / ${container}: ${reason}`,
    cut: 'There was more before it.', save: 'Save', noLog: (why) => `There is no log: ${why}`, emptyLog: 'It wrote nothing.',
    told: 'Told', toldNobody: 'Nobody yet.', channel: 'Channel', group: 'Group', transition: 'About', status: 'Status', time: 'Time',
    opened: 'opened', worsened: 'got worse', digest: 'several incidents', pending: 'waits', sending: 'is being sent', sent: 'sent', folded: 'sent in a digest',
    failed: 'failed', uncertain: 'uncertain: the collector died while it was sent',
    agents: (n, silent) => `${n} agent${n === 1 ? '' : 's'}${silent ? `, ${silent} silent` : ''}`,
    silent: 'silent', heard: 'Heard', version: 'Version', pods: 'Pods', waiting: 'Waits', dropped: 'Dropped',
    untold: (n) => `${n} notification${n === 1 ? '' : 's'} not told yet, or not told well`,
    incidents: 'Incidents', monitors: 'Checks', failingOnly: 'failing only', source: 'Source', service: 'Service', monitor: 'Check',
    apimonitor: 'ApiMonitor', annotation: 'Service annotation', derived: 'derived', metrics: 'metrics page', builtin: 'component',
    target: 'Target', targets: 'Targets', failing: 'failing', starting: 'starting', passing: 'passing', flapping: 'flapping',
    trouble: 'Trouble', suspended: 'suspended', allChecks: 'All checks', allIncidents: 'All incidents',
    countChecks: (n, failing) => `${n} check${n === '1' ? '' : 's'}${failing ? `, ${failing} with failing targets` : ''}`,
    noChecks: 'Nothing is checked yet.', noCheckFits: 'No check fits the filter.',
    scope: 'Scope', scopes: { service: 'the Service', pods: 'each pod', both: 'the Service and each pod' },
    interval: 'Interval', timeout: 'Timeout', retries: 'Retries', retriesOf: (count, delay) => [count, delay && `${delay} apart`].filter((part) => part || part === 0).join(', '),
    steps: 'Steps', finally: 'always at the end', variables: 'Variables', alert: 'Alert', rawSpec: 'As it is written',
    byPods: 'What each pod\'s own probes ask for, and a connection to each port of the Service.',
    address: 'Address', since: 'Since', lastFailure: 'Last failure', step: 'Step', cause: 'Cause', expected: 'Expected', got: 'Got', body: 'Body',
    evidence: 'Evidence', request: 'Request', duration: 'Duration', phases: 'Phases', phase: 'Phase', attempts: (n) => `${n} attempt${n === 1 ? '' : 's'}`, notRun: 'not run', ok: 'ok', certificate: 'Certificate',
    certificateOf: (subject, issuer, until) => `${subject}, of ${issuer}, valid until ${until}`,
    noMonitor: 'It is not among the checks that the collector knows now.', noTargets: 'It has no target now.', noTargetFits: 'No target is in this state.', showTrend: (name) => `Latency of ${name} alone`, trend: 'Trend', allTargets: 'All targets together',
    range: 'Range of time', last1h: '1 h', last6h: '6 h', last1d: '1 day', last7d: '7 days', last30d: '30 days',
    latency: 'Latency', errors: 'Errors', failures: 'Failures', failuresShort: 'failures', runs: 'Runs', share: 'Of the runs', code: 'Status', asTable: 'As a table',
    noRuns: 'Nothing ran in this time.', noErrors: 'Nothing failed in this time.',
    ran: (runs, failures, share) => `${runs} run${runs === 1 ? '' : 's'}, ${failures} failed (${share})`,
    latencyDesc: (from, to, highest, runs, failures) => `Percentiles of the latency from ${from} to ${to}, at most ${highest}; ${failures} of ${runs} runs failed. The table below has the numbers.`,
    targetsOf: (failing, total) => `${failing} of ${total} fail`, serviceChecks: 'All checks of this Service',
    reasons: {
      SomeFail: 'some targets fail', AllFail: 'every target fails', Flapping: 'passing and failing in turn',
      OOMKill: 'a process of the container was killed for memory', FdLeak: 'open files climb', SocketLeak: 'sockets climb', ZombieLeak: 'zombies climb',
      ThreadLeak: 'threads climb', MemoryLeak: 'memory climbs', FdsNearLimit: 'open files near the limit', MemoryNearLimit: 'memory near the limit',
      PidsNearLimit: 'processes near the limit', ListenQueueFull: 'the accept queue is full', NotReady: 'the node is not ready',
      MemoryPressure: 'the node is short of memory', DiskPressure: 'the node is short of disk', PIDPressure: 'the node is short of process ids',
      NetworkUnavailable: 'the node\'s network is not available', DiskFull: 'the disk is nearly full', InodesFull: 'inodes are nearly used up',
      ConntrackFull: 'connection tracking is nearly full', FilesFull: 'the node\'s open files are near their limit', PidsFull: 'process ids are nearly used up',
      Zombies: 'too many zombies', ClockOff: 'the clock is off', NodeLoss: 'were this node lost, its pods would find no other',
      Rollout: 'a rollout', FailedRollout: 'a failed rollout', Scaling: 'scaling', ScaledToZero: 'scaled to zero', Deletion: 'its pods were deleted', NodeLost: 'its node was lost',
      Drain: 'its pods were evicted', Evicted: 'evicted by a node', Crash: 'its pods crash', FailedReadiness: 'its pods are not ready', Unschedulable: 'no node takes its pods',
      Maintenance: 'maintenance', Starting: 'it is new and not up yet', BurnRate: 'the error budget burns too fast',
    },
    phaseNames: { resolve: 'name', connect: 'connect', tls: 'TLS', first_byte: 'first byte', transfer: 'transfer', check: 'check' },
    checkCauses: {
      resolve: 'the name cannot be resolved', refused: 'the connection was refused', unreachable: 'cannot be reached', timeout: 'it took too long',
      reset: 'the other side broke off', tls: 'the TLS handshake failed', certificate: 'the certificate is not trusted, expired or for another name',
      expiry: 'the certificate expires soon', protocol: 'what came is not of that protocol', too_large: 'the answer is too large',
      redirect: 'too many redirects, or to where it may not go', forbidden: 'this address may not be probed', status: 'not the expected status',
      header: 'a header is not as expected', body: 'the body is not as expected', json: 'the JSON is not as expected', size: 'the size is not as expected',
      latency: 'the answer came too late', answer: 'the answer is not as expected', extract: 'a value for a later step was not there',
      variable: 'a variable is missing, or cannot stand there', internal: 'the prober\'s own trouble', other: 'others',
    },
    zone: (zone) => `Times are of ${zone}; point at one to see it in UTC.`,
    oom: (limit) => (limit ? `over its ${limit} limit` : 'killed for lack of memory'),
    causes: {
      stable: 'it has stayed up', started: 'it has started', deleted: 'the pod was deleted', completed: 'it ended well',
      scheduled: 'a node took it', superseded: 'it waits for something else now', stale: 'nothing was heard of it for long',
      over: 'it is well again', quiet: 'it has not happened again for a while', evicted: 'no longer followed: too many open incidents', rolled_out: 'a later rollout is done', passing: 'its checks pass again', gone: 'the failing targets are gone',
    },
    codes: {
      126: 'the command cannot be executed', 127: 'the command was not found', 134: 'aborted (SIGABRT)',
      137: 'killed with SIGKILL', 139: 'segmentation fault (SIGSEGV)', 143: 'ended by SIGTERM',
    },
  },
  zh: {
    ...TERMS.zh,
    state: '状态', severity: '级别', namespace: '命名空间', language: '语言', logout: '清除令牌',
    token: '读令牌', show: '查看', any: '全部', open: '未恢复', resolved: '已恢复',
    info: '提示', warning: '警告', critical: '严重',
    crash: '容器崩溃', crashLoop: '反复崩溃', image_pull: '镜像拉取失败', config_error: '容器配置错误',
    start_error: '容器无法启动', stuck: '启动卡住', unschedulable: '无法调度', pod_failure: 'Pod 被终止',
    probe: '拨测失败', node_probes: '节点上拨测全部失败',
    oom_kill: '进程被 OOM 杀死', leak: '资源泄漏', near_limit: '接近资源上限', node: '节点异常', capacity: '节点故障将无处容纳',
    service_outage: '服务不可用', rollout_failed: '发布失败', slo_burn: '错误预算消耗过快', registry: '镜像仓库故障',
    live: '实时', notLive: '未连上实时推送，每 15 秒查看一次', connecting: '连接中', locked: '需要令牌',
    tokenHint: '需要读令牌：Secret nightjar-api 的 read-token，或 api.read_token_file 所指文件的内容。使用写令牌还可以静默和确认告警。',
    tokenWrong: '令牌不被接受。',
    count: (n, state) => `${n} 个${state}事件`,
    none: '没有未恢复的事件。', noneFits: '没有符合条件的事件。', more: '更多',
    stale: (time) => `显示的是 ${time} 的情况。`,
    unreachable: '无法连接 collector。',
    what: '类型', where: '位置', reason: '原因', times: '次数', last: '最近', first: '首次',
    name: '全名', workload: '工作负载', container: '容器', pod: 'Pod', node: '节点', image: '镜像',
    process: '进程', value: '当前', pace: '增速', paceOf: (amount) => `+${amount} / 小时`, reaches: '预计达到上限', evictions: '驱逐的 Pod',
    message: '消息', restarts: '重启', lost: '未被看到的重启', limit: '内存上限', ended: '恢复',
    suppressed: '未通知任何人：',
    crashes: '崩溃记录', finished: '结束时间', attempt: '第几次', lines: '行数', log: '日志', showLog: (attempt, pod) => `${pod} 第 ${attempt} 次的日志`,
    lastWords: '最后的日志', attemptOf: (attempt, pod, container, reason) => `${pod} / ${container} 第 ${attempt} 次：${reason}`,
    cut: '此前还有内容。', save: '保存', noLog: (why) => `没有日志：${why}`, emptyLog: '它什么也没有写。',
    told: '通知', toldNobody: '尚未通知任何人。', channel: '通道', group: '告警组', transition: '内容', status: '结果', time: '时间',
    opened: '发生', worsened: '恶化', digest: '汇总', pending: '等待中', sending: '发送中', sent: '已发送', folded: '已并入汇总',
    failed: '失败', uncertain: '不确定：发送时 collector 中断',
    agents: (n, silent) => `${n} 个 agent${silent ? `，${silent} 个失联` : ''}`,
    silent: '失联', heard: '最近消息', version: '版本', pods: 'Pod 数', waiting: '待发送', dropped: '丢弃',
    untold: (n) => `${n} 条通知尚未送达或未能确认`,
    incidents: '事件', monitors: '拨测', failingOnly: '只看失败', source: '来源', service: '服务', monitor: '拨测',
    apimonitor: 'ApiMonitor', annotation: 'Service 注解', derived: '自动生成', metrics: '指标页面', builtin: '集群组件',
    target: '检查对象', targets: '目标', failing: '失败', starting: '启动中', passing: '正常', flapping: '时好时坏',
    trouble: '问题', suspended: '已暂停', allChecks: '全部拨测', allIncidents: '全部事件',
    countChecks: (n, failing) => `${n} 项拨测${failing ? `，其中 ${failing} 项有失败的目标` : ''}`,
    noChecks: '还没有任何拨测。', noCheckFits: '没有符合条件的拨测。',
    scope: '范围', scopes: { service: '服务', pods: '每个 Pod', both: '服务和每个 Pod' },
    interval: '间隔', timeout: '超时', retries: '重试', retriesOf: (count, delay) => [count === '' ? '' : `${count} 次`, delay && `间隔 ${delay}`].filter(Boolean).join('，'),
    steps: '步骤', finally: '最后总是执行', variables: '变量', alert: '告警', rawSpec: '原文',
    byPods: '按每个 Pod 自己的探针检查，并连接服务的每个端口。',
    address: '地址', since: '开始', lastFailure: '最近一次失败', step: '步骤', cause: '原因', expected: '期望', got: '实际', body: '返回内容',
    evidence: '证据', request: '请求', duration: '耗时', phases: '各阶段', phase: '阶段', attempts: (n) => `共 ${n} 次尝试`, notRun: '未执行', ok: '正常', certificate: '证书',
    certificateOf: (subject, issuer, until) => `${subject}，由 ${issuer} 签发，有效期至 ${until}`,
    noMonitor: '它不在 collector 现在所知的拨测之中。', noTargets: '现在没有目标。', noTargetFits: '没有处于该状态的目标。', showTrend: (name) => `只看 ${name} 的延迟`, trend: '趋势', allTargets: '合并全部目标',
    range: '时间范围', last1h: '1 小时', last6h: '6 小时', last1d: '1 天', last7d: '7 天', last30d: '30 天',
    latency: '延迟', errors: '错误', failures: '失败', failuresShort: '失败', runs: '执行', share: '占比', code: '状态码', asTable: '表格',
    noRuns: '这段时间内没有执行。', noErrors: '这段时间内没有失败。',
    ran: (runs, failures, share) => `执行 ${runs} 次，失败 ${failures} 次（${share}）`,
    latencyDesc: (from, to, highest, runs, failures) => `${from} 至 ${to} 的延迟分位数，最高 ${highest}；执行 ${runs} 次，失败 ${failures} 次。数值见下面的表格。`,
    targetsOf: (failing, total) => `${total} 个中 ${failing} 个失败`, serviceChecks: '此服务的全部拨测',
    reasons: {
      SomeFail: '部分目标失败', AllFail: '全部目标失败', Flapping: '时好时坏',
      OOMKill: '容器内的进程因内存不足被杀死', FdLeak: '文件描述符只增不减', SocketLeak: '套接字只增不减', ZombieLeak: '僵尸进程只增不减',
      ThreadLeak: '线程只增不减', MemoryLeak: '内存只增不减', FdsNearLimit: '文件描述符接近上限', MemoryNearLimit: '内存接近上限',
      PidsNearLimit: '进程数接近上限', ListenQueueFull: '监听队列已满', NotReady: '节点未就绪', MemoryPressure: '节点内存不足', DiskPressure: '节点磁盘不足',
      PIDPressure: '节点进程数过多', NetworkUnavailable: '节点网络不可用', DiskFull: '磁盘将满', InodesFull: 'inode 将用尽', ConntrackFull: '连接跟踪表将满',
      FilesFull: '节点打开的文件接近上限', PidsFull: '节点进程号将用尽', Zombies: '僵尸进程过多', ClockOff: '节点时钟不准', NodeLoss: '若失去该节点，它的 Pod 将无处可去',
      Rollout: '发布', FailedRollout: '发布失败', Scaling: '扩缩容', ScaledToZero: '缩容到零', Deletion: 'Pod 被删除', NodeLost: '节点丢失',
      Drain: 'Pod 被驱逐', Evicted: '被节点驱逐', Crash: 'Pod 崩溃', FailedReadiness: 'Pod 未就绪', Unschedulable: '没有节点能接收 Pod',
      Maintenance: '维护', Starting: '新服务尚未启动', BurnRate: '错误预算消耗过快',
    },
    phaseNames: { resolve: '解析', connect: '连接', tls: 'TLS', first_byte: '首字节', transfer: '传输', check: '检查' },
    checkCauses: {
      resolve: '域名无法解析', refused: '连接被拒绝', unreachable: '网络或主机不可达', timeout: '超时', reset: '连接被对端中断', tls: 'TLS 握手失败',
      certificate: '证书不可信、过期或域名不符', expiry: '证书即将过期', protocol: '返回的不是该协议的内容', too_large: '返回内容过大',
      redirect: '重定向过多，或指向不允许的地址', forbidden: '不允许探测该地址', status: '状态码不符', header: '响应头不符', body: '返回内容不符',
      json: 'JSON 内容不符', size: '返回内容大小不符', latency: '响应太慢', answer: '应答不符', extract: '取不到后续步骤需要的值',
      variable: '变量缺失或不能用在此处', internal: '拨测程序自身的问题', other: '其他',
    },
    zone: (zone) => `时间为 ${zone}；指向时间可看 UTC。`,
    oom: (limit) => (limit ? `超出内存上限 ${limit} 被系统杀死` : '内存不足被系统杀死'),
    causes: {
      stable: '已稳定运行', started: '已经启动', deleted: 'Pod 已被删除', completed: '已正常结束', scheduled: '已调度到节点',
      superseded: '现在卡在别的原因上', stale: '长时间没有新消息，视为结束', evicted: '未结束的事件太多，不再跟踪',
      rolled_out: '后续发布已完成', passing: '拨测恢复正常', gone: '失败的目标已不存在', over: '已恢复正常', quiet: '一段时间内没有再发生',
    },
    codes: {
      126: '命令无法执行', 127: '找不到命令', 134: '自行中止（SIGABRT）', 137: '被 SIGKILL 强制杀死',
      139: '段错误（SIGSEGV）', 143: '收到 SIGTERM 后结束',
    },
  },
};

function choose() {
  const asked = new URLSearchParams(location.search).get('lang'); // a link's wish holds for this tab
  if (asked in LANGUAGES) sessionStorage.setItem('language', asked);
  const wanted = [sessionStorage.getItem('language'), localStorage.getItem('language'), ...navigator.languages];
  for (const language of wanted) {
    const short = language?.toLowerCase().split('-')[0];
    if (short in LANGUAGES) return short;
  }
  return 'en';
}

export const language = choose();

/** From now on, in this browser; the page is to be loaded anew. */
export function setLanguage(name) {
  sessionStorage.removeItem('language');
  localStorage.setItem('language', name);
}

/** A text of the page by its name, or what a text that takes values makes of them. */
export function text(name, ...values) {
  const found = TEXTS[language][name];
  return typeof found === 'function' ? found(...values) : (found ?? name);
}

const local = new Intl.DateTimeFormat('sv-SE', { dateStyle: 'short', timeStyle: 'medium' }); // 2026-11-21 17:13:26
const relative = new Intl.RelativeTimeFormat(language, { numeric: 'always', style: 'short' });
const UNITS = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];

export const localTime = (date) => local.format(date);

/** "5 min ago", "5分钟前". */
export function ago(date) {
  const seconds = (date - Date.now()) / 1000;
  const [unit, length] = UNITS.find(([, atLeast]) => Math.abs(seconds) >= atLeast) ?? ['second', 1];
  return relative.format(Math.trunc(seconds / length), unit);
}

/** "Asia/Shanghai (UTC+8)" */
export function zone() {
  const { timeZone } = local.resolvedOptions();
  const parts = new Intl.DateTimeFormat('en', { timeZoneName: 'shortOffset' }).formatToParts(new Date());
  return `${timeZone} (${parts.find(({ type }) => type === 'timeZoneName').value.replace('GMT', 'UTC')})`;
}

export function bytes(count) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  for (; count >= 1024 && unit < units.length - 1; unit += 1) count /= 1024;
  return `${Number(count.toFixed(count < 100 ? 1 : 0))} ${units[unit]}`;
}

const NUMBER_DIGITS = 3;
const rounded = (value) => Number(value.toPrecision(value >= 100 ? String(Math.round(value)).length : NUMBER_DIGITS));

/** As Kubernetes writes them: "250m", "1.5". */
export const cores = (count) => (count === 0 ? '0' : count < 0.9995 ? `${Number((count * 1000).toPrecision(count < 0.1 ? 2 : 3))}m` : String(rounded(count)));

/** "34 %", "130 %" */
export const percent = (share) => `${Number((share * 100).toPrecision(Math.abs(share) >= 1 ? 3 : 2))} %`;

/** "99.95 %", "99.999 %": cut and not rounded, so that only what never failed has 100 %. */
export const availabilityText = (share) => `${Math.floor(share * 100_000 + 1e-7) / 1000} %`;

const LENGTHS = [['day', 86_400], ['hour', 3_600], ['minute', 60], ['second', 1]];

/** A length of time in its two largest units: "2 d 3 h", "4 min 5 s", "0.4 s". */
export function lengthOf(seconds) {
  if (seconds < 10) return `${Number(seconds.toPrecision(2))} ${text('unitsOfTime').second}`;
  let rest = Math.round(seconds);
  const parts = [];
  for (const [unit, length] of LENGTHS) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count) parts.push(`${count} ${text('unitsOfTime')[unit]}`);
    else if (parts.length) break;
    if (parts.length === 2) break;
  }
  return parts.join(' ');
}

/** What happened, in a few words. */
export const kindOf = ({ crashLoop, kind }) => text(crashLoop ? 'crashLoop' : kind);

/** "OOMKilled (137)" */
export const shortReasonOf = ({ reason, exitCode }) => `${reason}${exitCode === null ? '' : ` (${exitCode})`}`;

/** "OOMKilled (137): over its 24 MiB limit"; of checks "some targets fail: not the expected status (500)" */
export function reasonOf(what) {
  const { kind, reason, exitCode, memoryLimitBytes, status, detail } = what;
  const cause = kind === 'service_outage' ? '' : what.cause; // an outage's reason is its cause
  const colon = language === 'zh' ? '：' : ': ';
  const words = kind === 'rollout_failed' ? TEXTS[language].rolloutReasons[reason] : TEXTS[language].reasons[reason];
  if (cause || words) {
    const why = cause ? `${checkCauseOf(cause)}${status ? ` (${status})` : ''}` : '';
    return [words ?? reason, detail, why].filter(Boolean).join(colon);
  }
  const meaning = reason === 'OOMKilled' ? text('oom', memoryLimitBytes ? bytes(memoryLimitBytes) : '') : TEXTS[language].codes[exitCode];
  return `${shortReasonOf(what)}${meaning ? `${colon}${meaning}` : ''}`;
}

const BYTES = new Set(['OOMKill', 'MemoryLeak', 'MemoryNearLimit', 'DiskFull']);

/** How much of what an incident is about: "3120 / 4096", "1.5 GiB". */
export function figuresOf({ reason, value, limit, perHour }) {
  const amount = (count) => (BYTES.has(reason) ? bytes(count) : String(Number(count.toFixed(1))));
  return {
    value: value === null ? '' : [value, limit].filter((count) => count !== null).map(amount).join(' / '),
    pace: perHour ? text('paceOf', amount(perHour)) : '',
  };
}

export const causeOf = ({ resolvedCause }) => TEXTS[language].causes[resolvedCause] ?? resolvedCause;

/**
 * Why nobody is told, as parts of a sentence: what REST says begins with a word of its own, and may name an incident or a
 * silence, whose number is in `incident` or `silence`.
 */
export function suppressionOf(suppressed) {
  const [, word, incident] = /^(.*?)(?::? ?incident (\d+))?$/.exec(suppressed);
  const silence = /^silence (\d+)$/.exec(suppressed)?.[1] ?? '';
  const name = silence ? 'silence' : word || (incident ? 'incident' : '');
  return { words: TEXTS[language].suppressions[name] ?? suppressed, incident: incident ?? '', silence };
}

/** Why a check failed. */
export const checkCauseOf = (cause) => TEXTS[language].checkCauses[cause] ?? outageCauseOf(cause);

/** Why a service was not available. */
export const outageCauseOf = (cause) => TEXTS[language].outageCauses[cause] ?? cause;
export const phaseOf = (phase) => TEXTS[language].phaseNames[phase] ?? phase;
export const serviceStateOf = (state) => TEXTS[language].serviceStates[state] ?? state;
export const rolloutReasonOf = (reason) => TEXTS[language].rolloutReasons[reason] ?? reason;
export const outcomeOf = (outcome) => TEXTS[language].outcomes[outcome] ?? outcome;

/** A column of amounts, or a line of a picture. */
export const columnOf = (name) => TEXTS[language].columns[name] ?? name;
export const scopeOf = (scope) => TEXTS[language].scopes[scope] ?? scope;
