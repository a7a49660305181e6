import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';
import { findChromium } from '../../support/choose-browser.ts';

const SCREENSHOTS = resolve(import.meta.dirname, '../../../.cache/test-output/ops');
const AXE = readFileSync(new URL(import.meta.resolve('axe-core/axe.min.js')), 'utf8');

export const openBrowser = (): Promise<Browser> =>
  chromium.launch({
    executablePath: findChromium(process.env)!,
    headless: true,
    // Chromium's sandbox refuses root; no name leads anywhere, whatever a page asks for.
    args: [...(process.getuid?.() === 0 ? ['--no-sandbox'] : []), '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1'],
  });

export interface View {
  readonly scheme?: 'light' | 'dark';
  readonly width?: number;
}

/** A tab, and what must not have happened in it. */
export interface Tab {
  readonly page: Page;
  /** Dialogs, errors, messages of the console, requests to elsewhere. */
  readonly complaints: readonly string[];
  close(): Promise<void>;
}

export async function openTab(browser: Browser, { scheme = 'light', width = 1_280 }: View = {}): Promise<Tab> {
  const context = await browser.newContext({ colorScheme: scheme, viewport: { width, height: 900 }, reducedMotion: 'reduce' });
  // A loaded machine is slow, not wrong.
  context.setDefaultTimeout(90_000);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('dialog', (dialog) => {
    complaints.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('pageerror', (error) => complaints.push(`error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(`console: ${message.text()}`);
  });
  page.on('request', (request) => {
    if (new URL(request.url()).hostname !== '127.0.0.1') complaints.push(`request: ${request.url()}`);
  });
  return { page, complaints, close: () => context.close() };
}

/** Kept beside the other output of the tests, for people. */
export async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

/** What axe finds that is serious or critical, with where. */
export async function seriousViolations(page: Page): Promise<readonly string[]> {
  // Evaluated by the debugger, which the page's policy does not bind.
  await page.evaluate(AXE);
  return page.evaluate(async () => {
    interface Violation {
      readonly id: string;
      readonly impact: string | null;
      readonly nodes: readonly { readonly target: readonly unknown[]; readonly failureSummary?: string }[];
    }
    const { axe } = globalThis as unknown as { axe: { run(): Promise<{ violations: readonly Violation[] }> } };
    const { violations } = await axe.run();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target.join(' ')} ${failureSummary ?? ''}`).join(' | ')}`,
      );
  });
}
