import type { TimeCursor } from '../../store/mysql-ops-lists.ts';
import { RefusedRequest } from './read-form.ts';

/** Where a page begins, as an address carries it; `undefined` for the first. */
export const cursorOf = (fields: URLSearchParams): TimeCursor | undefined => {
  const at = fields.get('at');
  const id = fields.get('id');
  if (at === null && id === null) return undefined;
  if (at === null || id === null || !/^\d{1,14}$/.test(at) || id.length > 64) throw new RefusedRequest(400, 'This is no page of the list.');
  return { at: new Date(Number(at)), id };
};
