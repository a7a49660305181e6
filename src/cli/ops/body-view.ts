import { markup, lines, type Markup } from './html.ts';

/** What is shown of a body at most. */
export const MAX_SHOWN_BYTES = 65_536;
const HEX_BYTES = 2_048;

/** A body as text in a `<pre>`, and in hexadecimal when it is not text. Nothing of it is ever markup. */
export function bodyView(title: string, stored: Uint8Array, { storedBytes }: { readonly storedBytes: number }): Markup {
  const bytes = Buffer.from(stored.buffer, stored.byteOffset, Math.min(stored.byteLength, MAX_SHOWN_BYTES));
  if (storedBytes === 0) return markup`<p class="empty">${title}: empty.</p>`;
  const text = textOf(bytes, bytes.byteLength < storedBytes);
  const shown = text === undefined ? Math.min(bytes.byteLength, HEX_BYTES) : bytes.byteLength;
  return markup`<figure class="body">
    <figcaption>
      ${title}${text === undefined && ', no text, so in hexadecimal'}${
        shown < storedBytes && `: the first ${shown} of ${storedBytes} bytes`
      }
    </figcaption>
    <pre tabindex="0" aria-label="${title}">${lines(text ?? hex(bytes.subarray(0, HEX_BYTES)))}</pre>
  </figure>`;
}

/** `undefined` for what is not text. A character cut in two at the end is left out. */
function textOf(bytes: Uint8Array, isCut: boolean): string | undefined {
  for (let left = 0; left <= (isCut ? 3 : 0); left += 1) {
    try {
      const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, bytes.byteLength - left));
      // Control characters other than line ends and tabs are what binary data looks like.
      // oxlint-disable-next-line no-control-regex -- that is what is looked for
      return /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/.test(text) ? undefined : text;
    } catch {
      // Perhaps one byte less.
    }
  }
  return undefined;
}

/** Lines of 16 bytes: where they are, their digits, their characters. */
function hex(bytes: Uint8Array): string {
  const rows: string[] = [];
  for (let at = 0; at < bytes.byteLength; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const digits = row.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    const characters = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : '.')).join('');
    rows.push(`${at.toString(16).padStart(8, '0')}  ${digits.padEnd(47)}  ${characters}`);
  }
  return rows.join('\n');
}
