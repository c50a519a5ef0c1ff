import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ClockFileWriter } from '../lib/clock-file.js';
import { fromSeconds } from '../lib/time.js';
import { parseOptions } from './options.js';
import { Wecomsim } from './wecomsim.js';

const HOUR = 3600;

/** A running stand-in, with short ways to what it offers. */
async function start(t, ...args) {
  const wecom = new Wecomsim(parseOptions(args));
  const { url } = await wecom.start();
  t.after(() => wecom.stop());
  const ask = async (where, body, options) => (await fetch(url + where, { method: 'POST', body, ...options })).json();
  const get = async (where) => (await fetch(url + where)).json();
  return {
    url,
    ask,
    get,
    robot: (value, key = 'robot-1') => ask(`/cgi-bin/webhook/send?key=${key}`, JSON.stringify(value)),
    text: (content) => ask('/cgi-bin/webhook/send?key=robot-1', JSON.stringify({ msgtype: 'text', text: { content } })),
    token: async () => (await get('/cgi-bin/gettoken?corpid=corp&corpsecret=secret')).access_token,
    app: (token, value) =>
      ask(`/cgi-bin/message/send?access_token=${token}`, JSON.stringify({ agentid: 1000002, ...value })),
    upload: (where, bytes, name = 'crash.log') => {
      const form = new FormData();
      form.append('media', new Blob([bytes]), name);
      return ask(where, form);
    },
    fault: (rule) => ask('/control/faults', JSON.stringify(rule)),
    messages: () => get('/control/messages'),
    state: () => get('/control/state'),
  };
}

/** The same with a clock that the test moves. */
async function startWithClock(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'wecomsim-test-'));
  const file = path.join(folder, 'clock');
  let now = fromSeconds(1_800_000_000);
  const clock = new ClockFileWriter(file, now);
  t.after(() => {
    clock.close();
    fs.rmSync(folder, { recursive: true });
  });
  const pass = (seconds) => {
    now += fromSeconds(seconds);
    clock.set(now);
  };
  return { pass, ...(await start(t, '--clock-file', file)) };
}

test('a robot takes text and markdown, in order, with its mentions', async (t) => {
  const { robot, messages } = await start(t);
  const text = { content: '容器崩溃', mentioned_list: ['li', '@all'], mentioned_mobile_list: ['13800001111'] };
  assert.deepEqual(await robot({ msgtype: 'text', text }), { errcode: 0, errmsg: 'ok' });
  assert.equal((await robot({ msgtype: 'markdown', markdown: { content: '# crash <@li>' } })).errcode, 0);
  const [first, second] = await messages();
  assert.deepEqual(
    [first.channel, first.text, first.mentions, first.mobiles],
    ['robot:robot-1', '容器崩溃', ['li', '@all'], ['13800001111']],
  );
  assert.deepEqual([second.msgtype, second.mentions, second.number], ['markdown', ['li'], 2]);
});

test('the twenty-first message in a minute is refused, and the next minute takes it', async (t) => {
  const { text, pass, messages } = await startWithClock(t);
  for (let index = 0; index < 20; index++) assert.equal((await text(`m${index}`)).errcode, 0);
  assert.equal((await text('m20')).errcode, 45009);
  pass(59);
  assert.equal((await text('m20')).errcode, 45009);
  pass(1);
  assert.equal((await text('m20')).errcode, 0);
  assert.equal((await messages()).length, 21);
});

test('lengths are bytes of UTF-8', async (t) => {
  const { text, robot } = await start(t);
  assert.equal((await text('x'.repeat(2048))).errcode, 0);
  assert.equal((await text('x'.repeat(2049))).errcode, 45002);
  assert.equal((await text('崩'.repeat(683))).errcode, 45002);
  const markdown = (content) => robot({ msgtype: 'markdown', markdown: { content } });
  assert.equal((await markdown('崩'.repeat(1365))).errcode, 0);
  assert.equal((await markdown('崩'.repeat(1366))).errcode, 40058);
});

test('what is empty, no UTF-8, no JSON, of no kind or for nobody is refused', async (t) => {
  const { text, robot, ask, messages } = await start(t);
  assert.equal((await text('')).errcode, 44004);
  assert.equal((await text(undefined)).errcode, 44004);
  assert.equal((await text('a\ud83d')).errcode, 40058);
  const send = (body) => ask('/cgi-bin/webhook/send?key=robot-1', body);
  const cut = Buffer.from('{"msgtype":"text","text":{"content":"崩"}}').subarray(0, -5);
  assert.equal((await send(Buffer.concat([cut, Buffer.from('"}}')]))).errcode, 40058);
  assert.equal((await send('{')).errcode, 47001);
  assert.equal((await robot({ msgtype: 'song' })).errcode, 40008);
  assert.equal((await robot({ msgtype: 'text', text: { content: 'x' } }, 'nobody')).errcode, 93000);
  assert.deepEqual(await messages(), []);
});

test('a file is uploaded, sent by its robot, and gone after three days', async (t) => {
  const { upload, robot, get, messages, pass } = await startWithClock(t);
  const where = '/cgi-bin/webhook/upload_media?key=robot-1&type=file';
  assert.equal((await upload(where, '1234')).errcode, 45001);
  assert.equal((await upload(where, '')).errcode, 44001);
  const { media_id: id, errcode } = await upload(where, 'FATAL: 数据库\n');
  assert.equal(errcode, 0);
  const send = () => robot({ msgtype: 'file', file: { media_id: id } });
  assert.equal((await send()).errcode, 0);
  const [{ file }] = await messages();
  assert.deepEqual([file.name, file.size], ['crash.log', Buffer.byteLength('FATAL: 数据库\n')]);
  assert.equal((await get(`/control/media?id=${id}`)).text, 'FATAL: 数据库\n');
  pass(72 * HOUR + 1);
  assert.equal((await send()).errcode, 40007);
  assert.equal((await robot({ msgtype: 'file', file: { media_id: 'other' } })).errcode, 40007);
});

test('a file of more than 20 MB is too big', async (t) => {
  const { upload } = await start(t);
  const where = '/cgi-bin/webhook/upload_media?key=robot-1&type=file';
  assert.equal((await upload(where, Buffer.alloc(20 * 1024 * 1024))).errcode, 0);
  assert.equal((await upload(where, Buffer.alloc(20 * 1024 * 1024 + 1))).errcode, 45001);
});

test('an application message needs a token that lives two hours and may end early', async (t) => {
  const { token, app, ask, get, pass, state } = await startWithClock(t);
  const message = { touser: 'li', msgtype: 'text', text: { content: 'crash' } };
  assert.equal((await app('', message)).errcode, 41001);
  assert.equal((await app('made-up', message)).errcode, 40014);
  const one = await token();
  assert.equal(await token(), one, 'the same until it ends');
  const sent = await app(one, message);
  assert.equal(sent.errcode, 0);
  assert.ok(sent.msgid);
  pass(2 * HOUR);
  assert.equal((await app(one, message)).errcode, 42001);
  const two = await token();
  await ask('/control/revoke-tokens');
  assert.equal((await app(two, message)).errcode, 42001);
  assert.equal((await app(await token(), message)).errcode, 0);
  assert.equal((await get('/cgi-bin/gettoken?corpid=corp&corpsecret=wrong')).errcode, 40001);
  assert.equal((await get('/cgi-bin/gettoken?corpid=wrong&corpsecret=secret')).errcode, 40013);
  const { badSecrets, tokensGiven } = await state();
  assert.deepEqual([badSecrets, tokensGiven], [2, 3]);
});

test('an application tells who does not exist, and drops silently what is too much for a member', async (t) => {
  const { token, app, messages } = await start(t, '--users', 'li,wang');
  const key = await token();
  const message = (touser, more) => app(key, { touser, msgtype: 'text', text: { content: 'crash' }, ...more });
  assert.equal((await message('li|nobody')).invaliduser, 'nobody');
  assert.equal((await message('nobody')).errcode, 81013);
  assert.equal((await message('')).errcode, 82001);
  assert.equal((await message('li', { agentid: 7 })).errcode, 40056);
  assert.equal((await message(Array(1001).fill('li').join('|'))).errcode, 40058);
  assert.equal((await message('li', { text: { content: 'x'.repeat(2049) } })).errcode, 45002);
  for (let index = 0; index < 30; index++) assert.equal((await message('li|wang')).errcode, 0);
  const last = (await messages()).at(-1);
  assert.deepEqual([last.users, last.lost], [['wang'], ['li']]);
});

test('duplicates are dropped where the sender asked for it', async (t) => {
  const { token, app, ask, messages, state } = await start(t);
  const key = await token();
  const message = { touser: 'li', msgtype: 'text', text: { content: 'crash' }, enable_duplicate_check: 1 };
  for (let index = 0; index < 2; index++) assert.equal((await app(key, message)).errcode, 0);
  const hook = (headers) => ask('/hook/ops', '{"incident":1}', { headers });
  for (let index = 0; index < 2; index++) assert.equal((await hook({ 'idempotency-key': 'one' })).errcode, 0);
  assert.deepEqual(
    (await messages()).map(({ channel }) => channel),
    ['app:1000002', 'hook:ops'],
  );
  assert.equal((await state()).duplicates, 2);
});

test('failures on demand', async (t) => {
  const { text, fault, url, messages, get } = await start(t);
  await fault({ action: 'errcode', errcode: 45033, times: 2, path: 'webhook/send' });
  assert.equal((await text('a')).errcode, 45033);
  assert.equal((await text('b')).errcode, 45033);
  await fault({ action: 'status', status: 502 });
  assert.equal((await fetch(`${url}/hook/x`, { method: 'POST', body: '{}' })).status, 502);
  await fault({ action: 'half-answer', accept: true });
  await assert.rejects(text('taken'), /terminated|fetch failed|JSON/);
  await fault({ action: 'close' });
  await assert.rejects(text('lost'), /fetch failed/);
  await fault({ action: 'garbage' });
  await assert.rejects(text('html'), SyntaxError);
  await fault({ action: 'slow', seconds: 0.05 });
  assert.equal((await text('late')).errcode, 0);
  assert.deepEqual(
    (await messages()).map((message) => message.text),
    ['taken', 'late'],
  );
  const attempts = await get('/control/attempts');
  assert.deepEqual(
    attempts.map(({ errcode }) => errcode),
    [45033, 45033, null, null, null, null, 0],
  );
  assert.match((await fault({ action: 'explode' })).error, /one of errcode/);
});

test('a message can be waited for', async (t) => {
  const { text, get } = await start(t);
  const waiting = get('/control/wait?until=messages:1&timeout=10');
  await text('there');
  assert.equal((await waiting).messages, 1);
  assert.match((await get('/control/wait?until=messages:9&timeout=0.05')).error, /did not happen/);
});
