/** The whole page: whoever is not logged in logs in, everybody else sees the region. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { html } from './html.ts';
import { LiveClient, type LiveView } from './live-client.ts';
import { Login } from './login.ts';
import { Now } from './now.ts';
import { readSession, type Session } from './session.ts';

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

function Shell({ session, onLoggedOut, onLeave }: ShellProps): VNode {
  const [live, setLive] = useState<LiveView>(NOTHING_YET);
  useEffect(() => {
    const client = new LiveClient(setLive, onLoggedOut);
    client.start();
    return () => client.stop();
  }, []);
  const { state, connection } = live;
  return html`
    <div class="shell">
      <a class="skip" href="#main">Skip to the content</a>
      <header>
        <span class="name">Penstock</span>
        ${state && html`<span class="region">${state.region}</span>`}
        <span class=${`link ${connection.kind}`} data-connection=${connection.kind}>${connectionWords(live)}</span>
        <span class="who">${session.role} <code>${session.who}</code></span>
        <button type="button" onClick=${onLeave}>Log out</button>
      </header>
      ${connection.kind === 'stale' && html`<p class="stale" role="alert">Stale for ${connection.seconds} s: the console does not answer. What you see is old.</p>`}
      <main id="main" tabindex="-1">
        ${state === null ? html`<p class="panel" role="status">Waiting for the console…</p>` : html`<${Now} state=${state} samples=${live.samples} />`}
      </main>
    </div>
  `;
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
