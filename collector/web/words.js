// What the page says, in Chinese and English, and how it writes times and sizes.

export const LANGUAGES = { zh: '中文', en: 'English' };

const TEXTS = {
  en: {
    state: 'State', severity: 'Severity', namespace: 'Namespace', language: 'Language', logout: 'Forget token',
    token: 'Read token', show: 'Show', any: 'all', open: 'open', resolved: 'resolved',
    info: 'info', warning: 'warning', critical: 'critical',
    crash: 'crash', crashLoop: 'crash loop', image_pull: 'image cannot be pulled', config_error: 'configuration error',
    start_error: 'cannot start', stuck: 'start is stuck', unschedulable: 'cannot be scheduled', pod_failure: 'pod was ended',
    live: 'live', notLive: 'not live, looking every 15 s', connecting: 'connecting', locked: 'needs a token',
    tokenHint: 'A read token is needed: the key read-token of the Secret nightjar-api, or what api.read_token_file holds.',
    tokenWrong: 'This token is not accepted.',
    count: (n, state) => `${n} ${state ? `${state} ` : ''}incident${n === '1' ? '' : 's'}`,
    none: 'Nothing is open.', noneFits: 'No incident fits the filter.', more: 'More',
    stale: (time) => `What is shown is of ${time}.`,
    unreachable: 'The collector cannot be reached.',
    what: 'What', where: 'Where', reason: 'Reason', times: 'Count', last: 'Last', first: 'First',
    back: 'All incidents',
    name: 'Name', workload: 'Workload', container: 'Container', pod: 'Pod', node: 'Node', image: 'Image',
    message: 'Message', restarts: 'Restarts', lost: 'Restarts nobody saw', limit: 'Memory limit', ended: 'Resolved',
    suppressed: (why) => `Nobody is told: ${why}`,
    crashes: 'Crashes', finished: 'Finished', attempt: 'Attempt', lines: 'Lines', log: 'Log', showLog: (attempt, pod) => `Log of attempt ${attempt} of ${pod}`,
    lastWords: 'Last words', attemptOf: (attempt, pod, container, reason) => `attempt ${attempt} of ${pod} / ${container}: ${reason}`,
    cut: 'There was more before it.', save: 'Save', noLog: (why) => `There is no log: ${why}`, emptyLog: 'It wrote nothing.',
    told: 'Told', toldNobody: 'Nobody yet.', channel: 'Channel', group: 'Group', transition: 'About', status: 'Status', time: 'Time',
    opened: 'opened', digest: 'several incidents', pending: 'waits', sending: 'is being sent', sent: 'sent', folded: 'sent in a digest',
    failed: 'failed', uncertain: 'uncertain: the collector died while it was sent',
    agents: (n, silent) => `${n} agent${n === 1 ? '' : 's'}${silent ? `, ${silent} silent` : ''}`,
    silent: 'silent', heard: 'Heard', version: 'Version', pods: 'Pods', waiting: 'Waits', dropped: 'Dropped',
    untold: (n) => `${n} notification${n === 1 ? '' : 's'} not told yet, or not told well`,
    zone: (zone) => `Times are of ${zone}; point at one to see it in UTC.`,
    oom: (limit) => (limit ? `over its ${limit} limit` : 'killed for lack of memory'),
    causes: {
      stable: 'it has stayed up', started: 'it has started', deleted: 'the pod was deleted', completed: 'it ended well',
      scheduled: 'a node took it', superseded: 'it waits for something else now', stale: 'nothing was heard of it for long',
      evicted: 'no longer followed: too many open incidents',
    },
    codes: {
      126: 'the command cannot be executed', 127: 'the command was not found', 134: 'aborted (SIGABRT)',
      137: 'killed with SIGKILL', 139: 'segmentation fault (SIGSEGV)', 143: 'ended by SIGTERM',
    },
  },
  zh: {
    state: '状态', severity: '级别', namespace: '命名空间', language: '语言', logout: '清除令牌',
    token: '读令牌', show: '查看', any: '全部', open: '未恢复', resolved: '已恢复',
    info: '提示', warning: '警告', critical: '严重',
    crash: '容器崩溃', crashLoop: '反复崩溃', image_pull: '镜像拉取失败', config_error: '容器配置错误',
    start_error: '容器无法启动', stuck: '启动卡住', unschedulable: '无法调度', pod_failure: 'Pod 被终止',
    live: '实时', notLive: '未连上实时推送，每 15 秒查看一次', connecting: '连接中', locked: '需要令牌',
    tokenHint: '需要读令牌：Secret nightjar-api 的 read-token，或 api.read_token_file 所指文件的内容。',
    tokenWrong: '令牌不被接受。',
    count: (n, state) => `${n} 个${state}事件`,
    none: '没有未恢复的事件。', noneFits: '没有符合条件的事件。', more: '更多',
    stale: (time) => `显示的是 ${time} 的情况。`,
    unreachable: '无法连接 collector。',
    what: '类型', where: '位置', reason: '原因', times: '次数', last: '最近', first: '首次',
    back: '全部事件',
    name: '全名', workload: '工作负载', container: '容器', pod: 'Pod', node: '节点', image: '镜像',
    message: '消息', restarts: '重启', lost: '未被看到的重启', limit: '内存上限', ended: '恢复',
    suppressed: (why) => `未通知任何人：${why}`,
    crashes: '崩溃记录', finished: '结束时间', attempt: '第几次', lines: '行数', log: '日志', showLog: (attempt, pod) => `${pod} 第 ${attempt} 次的日志`,
    lastWords: '最后的日志', attemptOf: (attempt, pod, container, reason) => `${pod} / ${container} 第 ${attempt} 次：${reason}`,
    cut: '此前还有内容。', save: '保存', noLog: (why) => `没有日志：${why}`, emptyLog: '它什么也没有写。',
    told: '通知', toldNobody: '尚未通知任何人。', channel: '通道', group: '告警组', transition: '内容', status: '结果', time: '时间',
    opened: '发生', digest: '汇总', pending: '等待中', sending: '发送中', sent: '已发送', folded: '已并入汇总',
    failed: '失败', uncertain: '不确定：发送时 collector 中断',
    agents: (n, silent) => `${n} 个 agent${silent ? `，${silent} 个失联` : ''}`,
    silent: '失联', heard: '最近消息', version: '版本', pods: 'Pod 数', waiting: '待发送', dropped: '丢弃',
    untold: (n) => `${n} 条通知尚未送达或未能确认`,
    zone: (zone) => `时间为 ${zone}；指向时间可看 UTC。`,
    oom: (limit) => (limit ? `超出内存上限 ${limit} 被系统杀死` : '内存不足被系统杀死'),
    causes: {
      stable: '已稳定运行', started: '已经启动', deleted: 'Pod 已被删除', completed: '已正常结束', scheduled: '已调度到节点',
      superseded: '现在卡在别的原因上', stale: '长时间没有新消息，视为结束', evicted: '未结束的事件太多，不再跟踪',
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
  return `${Number(count.toFixed(1))} ${units[unit]}`;
}

/** What happened, in a few words. */
export const kindOf = ({ crashLoop, kind }) => text(crashLoop ? 'crashLoop' : kind);

/** "OOMKilled (137)" */
export const shortReasonOf = ({ reason, exitCode }) => `${reason}${exitCode === null ? '' : ` (${exitCode})`}`;

/** "OOMKilled (137): over its 24 MiB limit" */
export function reasonOf(what) {
  const { reason, exitCode, memoryLimitBytes } = what;
  const meaning = reason === 'OOMKilled' ? text('oom', memoryLimitBytes ? bytes(memoryLimitBytes) : '') : TEXTS[language].codes[exitCode];
  return `${shortReasonOf(what)}${meaning ? `${language === 'zh' ? '：' : ': '}${meaning}` : ''}`;
}

export const causeOf = ({ resolvedCause }) => TEXTS[language].causes[resolvedCause] ?? resolvedCause;
