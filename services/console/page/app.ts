/** The whole page: whoever is not logged in logs in, everybody else sees the region. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { html } from './base/html.ts';
import { LiveClient, type LiveView } from './base/live-client.ts';
import { readSession, type Session } from './base/session.ts';
import { Login } from './login.ts';
import { Now } from './now/now.ts';
import { AuditPage } from './operations/audit-page.ts';
import { BatchesPage } from './operations/batches-page.ts';
import { LettersPage } from './operations/letters-page.ts';
import { RequestPage } from './operations/request-page.ts';
import { ScalerPage } from './operations/scaler-page.ts';
import { TenantsPage } from './operations/tenants-page.ts';
import { TrafficPage } from './operations/traffic-page.ts';
import { WebhooksPage } from './operations/webhooks-page.ts';
import { WorkersPage } from './operations/workers-page.ts';

const NOTHING_YET: LiveView = { state: null, samples: [], connection: { kind: 'connecting' } };

export function App(): VNode {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const look = async () => setSession((await readSession()) ?? null);
  useEffect(() => void look(), []);
  if (session === undefined) return html`<main class="login"><p role="status">Loading…</p></main>`;
  if (session === null) return html`<${Login} onLoggedIn=${look} />`;
  const leave = async () => {
    await fetch('/api/session', { method: 'DELETE' }).catch(() => null);
    setSession(null);
  };
  return html`<${Shell} session=${session} onLoggedOut=${() => setSession(null)} onLeave=${leave} />`;
}

interface ShellProps {
  readonly session: Session;
  readonly onLoggedOut: () => void;
  readonly onLeave: () => void;
}

/** By the part of the address behind `#`. */
const PAGES = {
  '/': 'Now',
  '/workers': 'Workers',
  '/requests': 'Requests',
  '/traffic': 'Traffic',
  '/scaler': 'Scaler',
  '/tenants': 'Tenants',
  '/batches': 'Batches',
  '/webhooks': 'Webhooks',
  '/letters': 'Dead letters',
  '/audit': 'Audit',
} as const;
type Path = keyof typeof PAGES;

/** The page, and what it is asked for: `#/requests/ID`. */
function readPath(): { readonly path: Path; readonly about: string } {
  const [, page = '', about = ''] = location.hash.slice(1).split('/');
  const path = `/${page}`;
  if (!Object.hasOwn(PAGES, path)) return { path: '/', about: '' };
  return { path: path as Path, about: decoded(about) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function usePath() {
  const [at, setAt] = useState(readPath);
  useEffect(() => {
    const listen = () => setAt(readPath());
    window.addEventListener('hashchange', listen);
    return () => window.removeEventListener('hashchange', listen);
  }, []);
  useEffect(() => {
    document.title = `${PAGES[at.path]} · Penstock`;
  }, [at.path]);
  return at;
}

function Shell({ session, onLoggedOut, onLeave }: ShellProps): VNode {
  const [live, setLive] = useState<LiveView>(NOTHING_YET);
  const [isActing, setActing] = useState(false);
  const { path, about } = usePath();
  useEffect(() => {
    const client = new LiveClient(setLive, onLoggedOut);
    client.start();
    return () => client.stop();
  }, []);
  const { state, connection } = live;
  return html`
    <div class="shell">
      <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
      <header>
        <span class="name">Penstock</span>
        ${state && html`<span class="region">${state.region}</span>`}
        <nav aria-label="Pages">
          ${Object.entries(PAGES).map(([to, name]) => html`<a key=${to} href=${`#${to}`} aria-current=${to === path ? 'page' : undefined}>${name}</a>`)}
        </nav>
        <span class=${`link ${connection.kind}`} data-connection=${connection.kind}>${connectionWords(live)}</span>
        <span class="who">${session.role} <code>${session.who}</code></span>
        ${session.role === 'admin' && html`<button type="button" aria-pressed=${isActing} onClick=${() => setActing(!isActing)}>${isActing ? 'Acting' : 'Read only'}</button>`}
        <button type="button" onClick=${onLeave}>Log out</button>
      </header>
      ${connection.kind === 'stale' && html`<p class="stale" role="alert">Stale for ${connection.seconds} s: the console does not answer. What you see is old.</p>`}
      <main id="main" tabindex="-1">
        ${pageAt(path, about, live, isActing)}
      </main>
    </div>
  `;
}

/** The address says which page is shown, so it cannot say where on it. */
function skip(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

function pageAt(path: Path, about: string, { state, samples }: LiveView, mayAct: boolean): VNode {
  if (state === null) return html`<p class="panel" role="status">Waiting for the console…</p>`;
  switch (path) {
    case '/':
      return html`<${Now} state=${state} samples=${samples} />`;
    case '/workers':
      return html`<${WorkersPage} state=${state} mayAct=${mayAct} />`;
    case '/requests':
      return html`<${RequestPage} id=${about} />`;
    case '/traffic':
      return html`<${TrafficPage} traffic=${state.traffic} />`;
    case '/scaler':
      return html`<${ScalerPage} />`;
    case '/tenants':
      return html`<${TenantsPage} />`;
    case '/batches':
      return html`<${BatchesPage} mayAct=${mayAct} />`;
    case '/webhooks':
      return html`<${WebhooksPage} of=${about} mayAct=${mayAct} />`;
    case '/letters':
      return html`<${LettersPage} mayAct=${mayAct} />`;
    case '/audit':
      return html`<${AuditPage} />`;
  }
}

function connectionWords({ connection }: LiveView): string {
  switch (connection.kind) {
    case 'live':
      return '● live';
    case 'connecting':
      return '◌ connecting';
    case 'paused':
      return '‖ paused';
    case 'stale':
      return `! stale for ${connection.seconds} s`;
  }
}
