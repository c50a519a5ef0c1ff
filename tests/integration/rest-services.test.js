/**
 * REST over the recorded session, of services and of what people say about alerts: every answer, right or wrong, is what
 * openapi.json says; and what Prometheus is told of services agrees with it.
 */
import assert from 'node:assert/strict';
import { RECORDING } from '../lib/lab.js';
import { labTest } from '../lib/lab-test.js';
import { parseMetrics, promtool } from '../lib/prometheus.js';
import { violations } from '../lib/schema.js';

const RANGE = 'from=2026-11-21T09:13:00Z&to=2026-11-21T09:19:30Z';

labTest('services, rollouts, silences, acknowledgements, marks and rules are as described', {
  recording: RECORDING,
  speed: 60,
  collector: () => ({ sla: { objective: '99.9' } }),
}, async (lab) => {
  await lab.startAll();
  await lab.run();
  await lab.finish();
  const document = (await lab.api('/openapi.json')).json;

  /** Asks, and holds the answer against what is described of this path, method and status. */
  const call = async (template, where, { status = 200, method = 'GET', ...options } = {}) => {
    const answer = await lab.api(where, { method, ...options });
    assert.equal(answer.status, status, `${method} ${where}: ${answer.text.slice(0, 200)}`);
    const described = document.paths[template][method.toLowerCase()].responses[status];
    assert.ok(described, `${method} ${template} describes ${status}`);
    const [content] = Object.values((described.$ref ? document.components.responses.Problem : described).content);
    assert.deepEqual(violations(document, content.schema, answer.json), [], `${method} ${where}`);
    return answer.json;
  };
  const send = (template, where, body, options) =>
    call(template, where, { method: 'POST', body, headers: { 'content-type': 'application/json' }, ...options });

  // Services: all, one, over a time.
  const { items: services } = await call('/api/v1/services', '/api/v1/services');
  assert.ok(services.some(({ namespace, name }) => namespace === 'shop' && name === 'web-headless'));
  assert.ok(services.every(({ name }) => name !== 'web'), 'it was deleted');
  for (const query of ['namespace=shop', 'kind=Deployment', 'state=up&basis=serving', 'limit=1']) {
    await call('/api/v1/services', `/api/v1/services?${query}`);
  }
  const one = '/api/v1/services/{namespace}/{name}';
  const web = '/api/v1/services/shop/web';
  await call(one, `${web}?${RANGE}`);
  await call(one, `${web}?kind=Deployment&${RANGE}`);
  for (const basis of ['ready', 'serving']) {
    const { outages, total } = await call(`${one}/sla`, `${web}/sla?basis=${basis}&${RANGE}`);
    assert.ok(outages.length > 0);
    assert.equal(total.outageCount, outages.length);
    assert.deepEqual((await call(`${one}/outages`, `${web}/outages?basis=${basis}&${RANGE}`)).outages, outages);
    const seconds = outages.reduce((sum, outage) => sum + outage.seconds, 0);
    assert.ok(Math.abs(seconds - (total.observedSeconds - total.availableSeconds)) < 1e-6);
    assert.ok(Math.abs(total.mttrSeconds - seconds / outages.length) < 1e-6);
  }
  for (const by of ['day', 'week', 'month']) {
    for (const zone of ['', '&zone=%2B08:00', '&zone=UTC']) {
      const { periods, total } = await call(`${one}/sla`, `${web}/sla?by=${by}${zone}&${RANGE}`);
      assert.equal(periods.length, 1);
      assert.equal(periods[0].availability, total.availability);
    }
  }
  const { items: rollouts } = await call('/api/v1/rollouts', '/api/v1/rollouts?namespace=shop');
  assert.ok(rollouts.some(({ revision, failedAt }) => revision === '3' && failedAt !== null), JSON.stringify(rollouts));
  for (const { id } of rollouts) await call('/api/v1/rollouts/{id}', `/api/v1/rollouts/${id}`);

  // What people say.
  const [incident] = (await lab.api('/api/v1/incidents')).json.items;
  const acknowledge = '/api/v1/incidents/{id}/acknowledge';
  const mark = '/api/v1/incidents/{id}/mark';
  const path = (template, id = incident.id) => template.replace('{id}', id);
  await call(acknowledge, path(acknowledge), { status: 404 });
  await send(acknowledge, path(acknowledge), { by: 'li', note: 'on it' }, { status: 201 });
  assert.equal((await call(acknowledge, path(acknowledge))).by, 'li');
  await send(acknowledge, path(acknowledge), { by: 'wang' });
  assert.equal((await send(mark, path(mark), { verdict: 'noise', by: 'li' })).verdict, 'noise');
  await send(mark, path(mark), { verdict: 'perhaps', by: 'li' }, { status: 400 });
  await send(mark, path(mark, 999999), { verdict: 'noise', by: 'li' }, { status: 404 });
  await send(acknowledge, path(acknowledge, 999999), { by: 'li' }, { status: 404 });
  await send(acknowledge, path(acknowledge), {}, { status: 400 });
  await call(acknowledge, path(acknowledge), { method: 'POST', body: { by: 'li' }, headers: { 'content-type': 'text/plain' }, status: 415 });
  const { items: rules } = await call('/api/v1/rules', '/api/v1/rules');
  assert.equal(rules.reduce((sum, { noise }) => sum + noise, 0), 1);

  const silences = '/api/v1/silences';
  const matchers = [{ name: 'namespace', value: 'shop' }];
  const silence = { matchers, author: 'li', reason: 'moving', until: '2026-11-22T09:00:00Z' };
  const { id } = await send(silences, silences, silence, { status: 201 });
  assert.equal((await call(silences, silences)).items[0].id, id);
  await call(silences, `${silences}?state=active&limit=1`);
  assert.equal((await call(`${silences}/{id}`, `${silences}/${id}`)).state, 'active');
  assert.equal((await call(`${silences}/{id}`, `${silences}/${id}`, { method: 'DELETE' })).state, 'expired');
  await send(silences, silences, { ...silence, until: '2020-01-01T00:00:00Z' }, { status: 400 });
  await send(silences, silences, { ...silence, matchers: [] }, { status: 400 });
  await call(`${silences}/{id}`, `${silences}/999999`, { status: 404 });

  // What is wrong is said.
  const wrong = [
    ['/api/v1/services', '/api/v1/services?state=well', 400],
    ['/api/v1/services', '/api/v1/services?limit=0', 400],
    [one, `${web}?from=yesterday`, 400],
    [one, '/api/v1/services/shop/nobody', 404],
    [`${one}/sla`, `${web}/sla?by=hour`, 400],
    [`${one}/sla`, `${web}/sla?by=day&zone=Nowhere`, 400],
    [`${one}/sla`, '/api/v1/services/shop/nobody/sla', 404],
    [`${one}/outages`, `${web}/outages?basis=both`, 400],
    [`${one}/outages`, '/api/v1/services/shop/nobody/outages', 404],
    ['/api/v1/rollouts', '/api/v1/rollouts?outcome=well', 400],
    ['/api/v1/rollouts/{id}', '/api/v1/rollouts/999999', 404],
    [silences, `${silences}?state=loud`, 400],
  ];
  for (const [template, where, status] of wrong) await call(template, where, { status });

  // For Prometheus.
  const { text } = await lab.api('/metrics');
  const { status, stdout, stderr } = promtool(text);
  assert.equal(status, 0, `${stdout}${stderr}`);
  const samples = parseMetrics(text);
  assert.ok(!text.includes('service="web"'), 'nothing of what was deleted');
  const labels = 'namespace="shop",service="web-headless"';
  assert.equal(samples.get(`nightjar_service_up{${labels}}`), 1);
  assert.equal(samples.get(`nightjar_service_objective_ratio{${labels}}`), 0.999);
  const day = samples.get(`nightjar_service_availability_ratio{${labels},window="1d"}`);
  const { total } = await call(`${one}/sla`, '/api/v1/services/shop/web-headless/sla?basis=serving&from=1d');
  assert.ok(Math.abs(day - total.availabilityWithoutPlanned) < 0.01, `${day} is about ${total.availabilityWithoutPlanned}`);
  assert.ok(samples.get(`nightjar_service_error_budget_left_ratio{${labels}}`) < 1);
});
