// What the views of resources, nodes, services and silences say, in both languages; a part of words.js.

export const TERMS = {
  en: {
    unitsOfTime: { day: 'd', hour: 'h', minute: 'min', second: 's' }, comma: ', ',

    // resources
    resources: 'Resources', by: 'By', allResources: 'All resources', containers: 'Containers',
    cpu: 'CPU', memory: 'Memory', gpu: 'GPU', gpuMemory: 'GPU memory', throttled: 'Throttled', oomKills: 'OOM kills',
    columns: { average: 'average', p95: 'p95', maximum: 'max.', request: 'request', limit: 'limit', useOfRequest: 'of req.', waste: 'waste', requested: 'requested', promised: 'limits', used: 'used', allocatable: 'allocatable', oomKills: 'OOM kills' },
    csv: 'Save as CSV', sortBy: (column) => `Sort by ${column}`, none_: 'none',
    countRows: (shown, total, from, to) => `${shown === total ? total : `${shown} of ${total}`} row${total === 1 ? '' : 's'}, ${from} to ${to}`,
    noRows: 'Nothing was measured in this time.', noRowFits: 'Nothing that was measured fits the filter.',
    useDesc: (from, to, highest) => `From ${from} to ${to}, at most ${highest}. The table below has the numbers.`,
    beyond: (bounds) => `Far above what was used, not in the picture: ${bounds}.`,
    recommended: 'Recommended', recommendation: 'Recommendation', recommendations: 'Recommendations', now: 'Now', why: 'Why', noRecommendation: 'Too little was seen to recommend anything.',
    unsure: 'little was seen', observed: (length) => `observed for ${length}`, reasoning: 'Reasons',

    // nodes
    nodes: 'Nodes', allNodes: 'All nodes', ready: 'ready', notReady: 'not ready', unknown: 'unknown', cordoned: 'cordoned',
    ifLost: 'Were it lost',
    countNodes: (n, bad) => `${n} node${n === '1' ? '' : 's'}${bad ? `, ${bad} in trouble` : ''}`, noNodes: 'No node is known yet.',
    podsOf: (count, room) => (room ? `${count} of ${room}` : String(count)),
    lossFits: 'its pods fit elsewhere', lossUnplaceable: (n) => `${n} pod${n === 1 ? '' : 's'} would find no other node`,
    lossTight: (n) => `by use ${n} pod${n === 1 ? '' : 's'} would not fit`, lossFalls: (names) => `would fell ${names}`, notForecast: 'not known',
    lossNone: 'nothing would move', kubelet: 'kubelet', created: 'Created', measured: 'Measured',
    forecast: 'Domino forecast', forecastFine: (usable) => `Any one of the ${usable} usable nodes could be lost: the others have room for its pods.`,
    forecastBad: (critical, usable) => `Losing ${critical === 1 ? 'one' : `any one of ${critical}`} of the ${usable} usable nodes would leave pods without a node, or fell another.`,
    forecastFew: 'There are too few usable nodes for a forecast.', forecastNone: 'There has been no forecast yet.',
    notLookedAt: (what) => `Not looked at: ${what}.`, forecastAt: 'Forecast of', byRequests: 'By requests', byUse: 'By use',
    unplaceable: (n) => (n ? `${n} pod${n === 1 ? '' : 's'} without a node` : 'every pod finds a node'),
    movable: 'Move elsewhere', fixed: 'Move nowhere', unchecked: 'Where they may go is not known', nextToFall: 'Then fullest', falling: 'Would fall too',
    fallingPods: (n) => (n ? `${n} of their pods would find no other node` : ''),
    conditions: 'Conditions', taints: 'Taints', priority: 'Priority', moves: 'Moves', yes: 'yes', no: 'no', noNode: 'There is no such node now.', unmeasured: (n) => `${n} not measured`,
    namespaces: 'Namespaces', sharesOfRequests: 'Shares are of what is requested; waste is what was requested and not used.',
    nodeOwn: 'The whole node', type: 'Type',

    // incidents that are held back
    heldBack: 'held back', suppressions: {
      node: 'its node was in trouble, and that was told', incident: 'that incident says it', 'rollout failed': 'the failed rollout was told', registry: 'the image registry\'s trouble was told',
      rollout: 'a rollout is under way', silence: 'it is silenced', maintenance: 'a maintenance window', 'scale-down': 'it was scaled down', deletion: 'it was deleted',
      'namespace deleted': 'its namespace is being deleted', drain: 'its node is being drained', 'job completed': 'the job is complete', starting: 'it is new, and starting',
    },
    held: (count) => `${count} held back`, revision: 'Revision', revisionOf: (to, from) => (from ? `${to}, before it ${from}` : to), imageBefore: 'Image before', difference: 'Difference',
    servicesDown: 'Services down', outageFor: 'Services were down for', objective: 'Objective', budgetLeft: 'Error budget left',

    // services
    services: 'Services', allServices: 'All services', availability: 'Availability', coverage: 'Observed', outages: 'Outages', rollouts: 'Rollouts',
    serviceStates: { up: 'up', degraded: 'degraded', draining: 'draining', down: 'down', scaled_to_zero: 'scaled to zero', none_by_design: 'no endpoints by design', unknown: 'unknown' },
    outageCauses: {
      rollout: 'rollout', failed_rollout: 'failed rollout', scaling: 'scaling', scaled_to_zero: 'scaled to zero', deletion: 'pods deleted by hand', node_loss: 'node lost',
      drain: 'drain', eviction: 'evicted by the kubelet', crash: 'crash', failed_readiness: 'not ready', unschedulable: 'no node takes the pods', maintenance: 'maintenance', starting: 'a new service that starts', unknown: 'unknown',
    },
  },
  zh: {
    unitsOfTime: { day: '天', hour: '小时', minute: '分', second: '秒' }, comma: '，',

    resources: '资源', by: '按', allResources: '全部资源', containers: '容器',
    cpu: 'CPU', memory: '内存', gpu: 'GPU', gpuMemory: '显存', throttled: '限流', oomKills: 'OOM 次数',
    columns: { average: '平均', p95: 'p95', maximum: '最大', request: '请求', limit: '上限', useOfRequest: '占请求', waste: '浪费', requested: '已请求', promised: '上限合计', used: '用量', allocatable: '可分配', oomKills: 'OOM 次数' },
    csv: '存为 CSV', sortBy: (column) => `按${column}排序`, none_: '无',
    countRows: (shown, total, from, to) => `${shown === total ? total : `${total} 行中的 ${shown}`} 行，${from} 至 ${to}`,
    noRows: '这段时间内没有测到任何数据。', noRowFits: '没有符合条件的数据。',
    useDesc: (from, to, highest) => `${from} 至 ${to}，最高 ${highest}。数值见下面的表格。`,
    beyond: (bounds) => `远高于用量，未画出：${bounds}。`,
    recommended: '建议', recommendation: '建议', recommendations: '建议', now: '现在', why: '理由', noRecommendation: '数据太少，无法给出建议。',
    unsure: '数据不多', observed: (length) => `已观察 ${length}`, reasoning: '理由',

    nodes: '节点', allNodes: '全部节点', ready: '就绪', notReady: '未就绪', unknown: '未知', cordoned: '禁止调度',
    ifLost: '若失去它',
    countNodes: (n, bad) => `${n} 个节点${bad ? `，其中 ${bad} 个异常` : ''}`, noNodes: '还不知道任何节点。',
    podsOf: (count, room) => (room ? `${count} / ${room}` : String(count)),
    lossFits: '其他节点容得下它的 Pod', lossUnplaceable: (n) => `${n} 个 Pod 将无处可去`,
    lossTight: (n) => `按用量有 ${n} 个 Pod 放不下`, lossFalls: (names) => `会连带压垮 ${names}`, notForecast: '不知道',
    lossNone: '没有需要迁移的 Pod', kubelet: 'kubelet', created: '创建时间', measured: '最近数据',
    forecast: '多米诺预测', forecastFine: (usable) => `${usable} 个可用节点中失去任何一个，其余节点都容得下它的 Pod。`,
    forecastBad: (critical, usable) => `${usable} 个可用节点中有 ${critical} 个，失去其中任何一个都会有 Pod 无处可去，或连带压垮别的节点。`,
    forecastFew: '可用节点太少，无法预测。', forecastNone: '还没有做过预测。',
    notLookedAt: (what) => `未考虑：${what}。`, forecastAt: '预测时间', byRequests: '按请求', byUse: '按用量',
    unplaceable: (n) => (n ? `${n} 个 Pod 无处可去` : '所有 Pod 都有去处'),
    movable: '可迁移', fixed: '不迁移', unchecked: '不知能去哪里', nextToFall: '之后最满的节点', falling: '连带压垮',
    fallingPods: (n) => (n ? `它们有 ${n} 个 Pod 无处可去` : ''),
    conditions: '状况', taints: '污点', priority: '优先级', moves: '可迁移', yes: '是', no: '否', noNode: '现在没有这个节点。', unmeasured: (n) => `${n} 个未测到`,
    namespaces: '命名空间', sharesOfRequests: '百分比为占请求的比例；浪费为已请求而未用的量。',
    nodeOwn: '整个节点', type: '类型',

    heldBack: '未通知', suppressions: {
      node: '所在节点异常，已就节点告警', incident: '由该事件说明', 'rollout failed': '已就发布失败告警', registry: '已就镜像仓库异常告警',
      rollout: '发布进行中', silence: '已静默', maintenance: '维护窗口', 'scale-down': '缩容', deletion: '被删除',
      'namespace deleted': '命名空间正在删除', drain: '所在节点正在排空', 'job completed': '任务已完成', starting: '刚创建，正在启动',
    },
    held: (count) => `其中 ${count} 个未通知`, revision: '版本', revisionOf: (to, from) => (from ? `${to}，此前 ${from}` : to), imageBefore: '此前镜像', difference: '差异',
    servicesDown: '不可用的服务', outageFor: '服务不可用时长', objective: '目标', budgetLeft: '剩余错误预算',

    services: '服务', allServices: '全部服务', availability: '可用率', coverage: '观测覆盖', outages: '中断', rollouts: '发布',
    serviceStates: { up: '正常', degraded: '降级', draining: '排空中', down: '不可用', scaled_to_zero: '缩容至零', none_by_design: '本无端点', unknown: '未知' },
    outageCauses: {
      rollout: '发布', failed_rollout: '发布失败', scaling: '扩缩容', scaled_to_zero: '缩容至零', deletion: '手工删除 Pod', node_loss: '节点失联',
      drain: '节点排空', eviction: '被 kubelet 驱逐', crash: '崩溃', failed_readiness: '未就绪', unschedulable: '无法调度', maintenance: '维护', starting: '新服务启动中', unknown: '未知',
    },
  },
};
