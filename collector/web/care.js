// What people say of an incident: that they look after it, whether it was worth telling, that it is to be silent. Only who may
// write is asked.

import { element, refill } from './elements.js';
import { get, mayWrite, NotFound, send } from './rest.js';
import { matchersOf } from './matchers.js';
import { localTime, text } from './words.js';

/** Who says so, as this browser remembers. */
export const author = {
  get: () => localStorage.getItem('author') ?? '',
  set: (name) => localStorage.setItem('author', name),
};

export const makeAuthor = () => element('input', { name: 'author', required: true, maxLength: 128, size: 14, autocomplete: 'nickname', value: author.get() });

/** @param {{fail: (error: Error) => void}} page */
export function makeCare(incidentId, page) {
  const path = (what) => `/api/v1/incidents/${incidentId}/${what}`;
  const said = element('p', { role: 'status', hidden: true });
  const thanks = element('span', { role: 'status', className: 'aside' });
  const name = makeAuthor();
  const acknowledge = element('button', { value: 'acknowledge' }, text('acknowledge'));
  const mark = (verdict, label) => element('button', { value: verdict }, text(label));
  const silence = element('a', {}, text('silenceThis'));
  const form = element('form', { className: 'choices', hidden: true },
    element('label', {}, text('yourName'), ' ', name), acknowledge, mark('useful', 'wasUseful'), mark('noise', 'wasNoise'), silence, thanks);

  function show({ by, at }) {
    said.textContent = text('acknowledged', by === 'link' ? text('byLink') : by, localTime(new Date(at)));
    said.hidden = false;
    acknowledge.hidden = true;
  }

  async function submit(what) {
    author.set(name.value.trim());
    if (what === 'acknowledge') {
      show(await send('POST', path('acknowledge'), { by: author.get() }));
      return;
    }
    const { verdict } = await send('POST', path('mark'), { by: author.get(), verdict: what });
    thanks.textContent = text('marked', verdict === 'useful');
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    submit(event.submitter.value).catch(page.fail);
  });

  async function load(incident) {
    const [acknowledgement, may] = await Promise.all([
      get(path('acknowledge')).catch((error) => {
        if (error instanceof NotFound) return null;
        throw error;
      }), mayWrite()]);
    form.hidden = !may;
    acknowledge.hidden = incident.state === 'resolved' || acknowledgement !== null;
    silence.href = `/silences?${new URLSearchParams({ matchers: matchersOf(incident) })}`;
    if (acknowledgement) show(acknowledgement);
  }
  const made = element('section');
  refill(made, said, form);
  return { made, load };
}
