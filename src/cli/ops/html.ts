import { escapeHtml } from '../reconciliation/html-page.ts';

/** Markup that is safe to send: made by `markup` alone, which escapes everything that is not markup itself. */
export class Markup {
  readonly text: string;

  private constructor(text: string) {
    this.text = text;
  }

  static join(strings: readonly string[], values: readonly Content[]): Markup {
    return new Markup(strings.reduce((all, string, nth) => `${all}${string}${nth < values.length ? markupOf(values[nth]) : ''}`, ''));
  }

  /** Text with its line ends and tabs, for a `<pre>`. */
  static lines(text: string): Markup {
    return new Markup(
      text
        .split(/(\r?\n|\t)/)
        .map((part, nth) => (nth % 2 === 1 ? part.replace('\r', '') : escapeHtml(part)))
        .join(''),
    );
  }
}

/** What may stand in a template: markup as it is, text escaped, nothing for what is not there. */
export type Content = Markup | string | number | bigint | undefined | false | readonly Content[];

function markupOf(content: Content): string {
  if (content === undefined || content === false) return '';
  if (content instanceof Markup) return content.text;
  if (typeof content === 'object') return content.map(markupOf).join('');
  return escapeHtml(String(content));
}

/**
 * Markup with values in it. Every value is escaped for text and for quoted attributes alike, so attributes are always
 * quoted; an address is made by `link`, never of what came from outside.
 */
export const markup = (strings: TemplateStringsArray, ...values: Content[]): Markup => Markup.join(strings, values);

/** For a `<pre>`: text of any origin with its lines. */
export const lines = (text: string): Markup => Markup.lines(text);

/** An address on this page; parameters that are undefined are left out. */
export const link = (path: `/${string}`, parameters: Readonly<Record<string, string | number | undefined>> = {}): string => {
  const given = Object.entries(parameters).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given as [string, string][]).toString()}`;
};
