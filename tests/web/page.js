/** The page's modules as they are without a browser: in English, with nothing remembered. */
const storage = { getItem: () => null };
for (const [name, value] of Object.entries({
  location: { search: '' }, sessionStorage: storage, localStorage: storage, navigator: { languages: ['en'] } })) {
  Object.defineProperty(globalThis, name, { value, configurable: true });
}
export const WEB = new URL('../../collector/web/', import.meta.url);
