/** The command line. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { parseListen } from '../lib/http.js';

export const HELP = `Usage: node tests/wecomsim/main.js [OPTION...]

Stands in for WeCom (qyapi.weixin.qq.com) with its own limits and error codes, and for a plain JSON webhook (/hook/NAME).
Prints one line of JSON with its URLs when it is ready, and ends on SIGTERM.

  --listen HOST:PORT   (127.0.0.1:0, a free port)
  --robot KEY          a group robot; may be repeated (robot-1)
  --rate N             messages a minute that a robot takes (20)
  --corp ID:SECRET:AGENT   the application (corp:secret:1000002)
  --users A,B          members that exist; without it everybody does
  --clock-file FILE    reads the time from a replay's clock
  --tls                HTTPS with a certificate of its own
  --state-dir DIR      gets the certificates
  --help

WeCom's paths: POST /cgi-bin/webhook/send?key=, POST /cgi-bin/webhook/upload_media?key=&type=file, GET /cgi-bin/gettoken,
POST /cgi-bin/message/send?access_token=, POST /cgi-bin/media/upload?access_token=&type=file.

Control API (JSON)
  GET, DELETE /control/messages   what was accepted, in order: number, at, channel (robot:KEY, app:AGENT, hook:NAME), msgtype,
                                  text, mentions, file, users, lost...;  ?channel=
  GET  /control/attempts          every request with its errcode (null: it got none)
  GET  /control/state             counts
  GET  /control/wait?until=messages:N|attempts:N&timeout=S
  GET  /control/media?id=         an uploaded file
  GET, POST, DELETE /control/faults   {"action": errcode|status|hang|close|half-answer|garbage|slow, "path": part of the URL,
                                  "times", "skip", "accept": counts as received, "errcode", "status", "seconds"}
  POST /control/revoke-tokens     tokens end early (42001)
  POST /control/remove-robot      {"key"}: the group threw it out (93000)
`;

const OPTIONS = {
  listen: { type: 'string', default: '127.0.0.1:0' },
  robot: { type: 'string', multiple: true, default: ['robot-1'] },
  rate: { type: 'string', default: '20' },
  corp: { type: 'string', default: 'corp:secret:1000002' },
  users: { type: 'string', default: '' },
  'clock-file': { type: 'string' },
  tls: { type: 'boolean', default: false },
  'state-dir': { type: 'string' },
  help: { type: 'boolean', default: false },
};

/** @param {string[]} args */
export function parseOptions(args) {
  const { values } = parseArgs({ args, options: OPTIONS, allowPositionals: false });
  if (values.help) return { help: true };
  const [corpid, secret, agent] = values.corp.split(':');
  if (!/^\d+$/.test(agent ?? '')) throw new Error(`--corp ${values.corp}: ID:SECRET:AGENT is wanted`);
  if (!/^[1-9]\d*$/.test(values.rate)) throw new Error(`--rate ${values.rate}: a number is wanted`);
  return {
    listen: parseListen(values.listen),
    robots: values.robot,
    rate: Number(values.rate),
    corp: { corpid, secret, agentid: Number(agent) },
    users: values.users.split(',').filter(Boolean),
    clockFile: values['clock-file'],
    tls: values.tls,
    stateDir: values['state-dir'] ?? (values.tls ? fs.mkdtempSync(path.join(os.tmpdir(), 'wecomsim-')) : undefined),
  };
}
