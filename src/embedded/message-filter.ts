import { Refusal } from './refusal.ts';

/** Which messages of a topic a receive asks for. */
export interface MessageFilter {
  matches(tag: string): boolean;
}

const EVERYTHING: MessageFilter = { matches: () => true };

/** `*`, a tag, or several joined by `||`. An empty expression is `*`, as `FilterAPI.build` has it. */
export function tagFilter(expression: string): MessageFilter {
  const text = expression.trim();
  if (text === '' || text === '*') return EVERYTHING;
  const tags = new Set(text.split('||').map((tag) => tag.trim()));
  tags.delete('');
  if (tags.size === 0) throw new Refusal('ILLEGAL_FILTER_EXPRESSION', `subString split error: ${JSON.stringify(expression)}`);
  return { matches: (tag) => tags.has(tag) };
}

/** RocketMQ evaluates SQL92 over the properties; this broker says that it does not. */
export function refuseSqlFilter(): never {
  throw new Refusal('ILLEGAL_FILTER_EXPRESSION', 'this broker filters by tag only; it does not evaluate SQL92');
}
