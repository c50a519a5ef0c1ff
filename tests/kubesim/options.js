/** The command line. */
import fs from 'node:fs';
import { parseArgs } from 'node:util';
import { parseListen } from '../lib/http.js';
import { parseGenerate } from './generate.js';
import { parseLag } from './reorder.js';
import { builtInTypes, customType } from './resources.js';
import { TOP_SPEED } from './timeline.js';

export const HELP = `Usage: node tests/kubesim/main.js (--recording DIR | --generate SPEC) [OPTION...]

Stands in for a Kubernetes API server and for the kubelet's log files. Prints one line of JSON with its URLs when it is
ready, and ends on SIGTERM.

What it serves
  --recording DIR        a recorded session (tests/recordings/README.md)
  --lag RESOURCE=S[..S]  what a recorded watch tells comes so many seconds later (or any time between), in its order; "*" for
                         every watch; may be repeated, the last that fits counts
  --split-slices         each recorded EndpointSlice is two, between which endpoints move now and then
  --seed N               of what is random in these (1)
  --generate SPEC        a made-up cluster, "pods=100,nodes=1,namespaces=5,replicas=10,size=5000,churn=0,crashes=0,seed=1":
                         size is bytes of a pod's JSON, churn and crashes are numbers a (virtual) second
  --namespaces FILE      JSON array of Namespaces (labels and annotations) in place of the made-up ones
  --custom-resource GROUP/VERSION/PLURAL/KIND[/cluster]   an empty custom resource; may be repeated
  --history N            changes kept for resuming watches, for each resource (100000)
  --bookmark-interval S  a bookmark every S virtual seconds, beside the recorded ones; 0: none (60)
  --watch-list           a watch may begin with the state (sendInitialEvents); without it the answer is 422

Time
  --clock-file FILE      where it writes the virtual time for others: int64, nanoseconds. With it a recording keeps its
                         own times, without it they are moved so that the recording starts now
  --speed N|max          virtual seconds a second (1); max is ${TOP_SPEED}
  --end-speed N|max      after the last recorded event (1)
  --start now|watch|control  when the time begins to run: at once, when a watch of pods has come, or when the control API
                         says so (now)

Kubelet
  --pod-logs DIR         stands for /var/log/pods: files appear, grow and vanish as a kubelet would have it
  --keep-logs            older instances' files stay

Server
  --listen HOST:PORT     the API (127.0.0.1:0, a free port)
  --tls                  HTTPS, with client certificates or a token; without it plain HTTP
  --auth                 a token is wanted over plain HTTP, too
  --token TOKEN          that is accepted (kubesim-token)
  --state-dir DIR        gets certificates, token and kubeconfig files (a new one below /tmp, removed at the end)
  --control HOST:PORT    the control API, plain HTTP (127.0.0.1:0)
  --fault JSON           as POST /kubesim/faults takes it; may be repeated
  --help

Control API (JSON)
  GET    /kubesim/state      virtual time, finished or not, versions, counts, open watches
  GET    /kubesim/wait?until=COND&timeout=S   waits for finished, started, stopped,
                             watch:RESOURCE:N (open now), requests:VERB RESOURCE:N, events:RESOURCE:N (sent),
                             fault:ACTION:N (came true) or time:RFC3339, then answers as state
  GET    /kubesim/requests   the newest requests;  ?clear=1 forgets them and sets all counts to 0
  POST   /kubesim/start      begins with --start control
  POST   /kubesim/clock      {"speed": N|"max"}, {"hold": N}: time stands still while fewer than N watches of pods are open,
                             {"pace": [URL...]}: after each event it waits for two answers from these, {"advance": virtual
                             seconds, at once}, {"stopAt": RFC3339, or null}: time goes to that moment, with all that
                             happens at it, and no further; what is sent at it is not waited for
  GET, POST, DELETE /kubesim/faults   {"action", "verb", "resource", "agent", "times", "skip", "at", ...}; DELETE ?id=N or all
  POST   /kubesim/crash      {"namespace", "pod", "container", "exitCode", "reason", "message", "lines", "restartAfter"}
  POST   /kubesim/compact    history is forgotten: {"resource"} or all; continue tokens, too
  POST   /kubesim/bookmark   {"resource"} or all
  POST   /kubesim/restart    {"downSeconds", "compact"}: the server goes and comes back on its port
  POST   /kubesim/disconnect {"resource"}: cuts its watches
  POST   /kubesim/tokens     {"accept": [TOKEN...], "write": TOKEN}: what is accepted, what the token file says

Faults: status (status, reason, message, retryAfter; 504 is "too large resource version"), hang, close, garbage, slow
(bytesPerSecond), truncate, delay (delayMs); and for watches, after "at" events: end, reset and stall (in the middle of event "at"),
bad-frame, huge-frame, error-event (status, 410), no-bookmarks.
`;

const OPTIONS = {
  recording: { type: 'string' },
  generate: { type: 'string' },
  lag: { type: 'string', multiple: true, default: [] },
  'split-slices': { type: 'boolean', default: false },
  seed: { type: 'string', default: '1' },
  namespaces: { type: 'string' },
  'custom-resource': { type: 'string', multiple: true, default: [] },
  history: { type: 'string', default: '100000' },
  'bookmark-interval': { type: 'string', default: '60' },
  'watch-list': { type: 'boolean', default: false },
  'clock-file': { type: 'string' },
  speed: { type: 'string', default: '1' },
  'end-speed': { type: 'string', default: '1' },
  start: { type: 'string', default: 'now' },
  'pod-logs': { type: 'string' },
  'keep-logs': { type: 'boolean', default: false },
  listen: { type: 'string', default: '127.0.0.1:0' },
  tls: { type: 'boolean', default: false },
  auth: { type: 'boolean', default: false },
  token: { type: 'string', default: 'kubesim-token' },
  'state-dir': { type: 'string' },
  control: { type: 'string', default: '127.0.0.1:0' },
  fault: { type: 'string', multiple: true, default: [] },
  help: { type: 'boolean', default: false },
};

/** A number or "max". */
export function parseSpeed(value) {
  const speed = value === 'max' ? TOP_SPEED : Number(value);
  if (!(speed >= 0)) throw new Error(`speed ${value}: a number or max is wanted`);
  return speed;
}

function parseCount(name, text) {
  if (!/^\d+$/.test(text)) throw new Error(`--${name} ${text}: a number is wanted`);
  return Number(text);
}

/** @param {string[]} args @returns everything the simulator needs, checked; `help` only when that was asked for */
export function parseOptions(args) {
  const { values } = parseArgs({ args, options: OPTIONS, allowPositionals: false });
  if (values.help) return { help: true };
  if (!values.recording && !values.generate) throw new Error('--recording or --generate is wanted');
  if (!['now', 'watch', 'control'].includes(values.start)) {
    throw new Error(`--start ${values.start}: now, watch or control is wanted`);
  }
  return {
    recording: values.recording,
    order: { lags: values.lag.map(parseLag), splitSlices: values['split-slices'], seed: parseCount('seed', values.seed) },
    generate: values.generate === undefined ? undefined : parseGenerate(values.generate),
    namespaces: values.namespaces ? JSON.parse(fs.readFileSync(values.namespaces, 'utf8')) : [],
    types: [...builtInTypes(), ...values['custom-resource'].map(customType)],
    history: parseCount('history', values.history),
    bookmarkInterval: parseCount('bookmark-interval', values['bookmark-interval']),
    watchList: values['watch-list'],
    clockFile: values['clock-file'],
    speed: parseSpeed(values.speed),
    endSpeed: parseSpeed(values['end-speed']),
    start: values.start,
    podLogs: values['pod-logs'],
    keepLogs: values['keep-logs'],
    listen: parseListen(values.listen),
    tls: values.tls,
    auth: values.auth || values.tls,
    token: values.token,
    stateDir: values['state-dir'],
    control: parseListen(values.control),
    faults: values.fault.map((text) => JSON.parse(text)),
  };
}
