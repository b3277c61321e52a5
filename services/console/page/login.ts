import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { html } from './base/html.ts';
import { readSession } from './base/session.ts';

/** Why the login did not work, in words; null when it did. */
async function logIn(key: string): Promise<string | null> {
  const answer = await fetch('/api/session', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ key }),
  }).catch(() => null);
  if (answer === null) return 'The console does not answer. Is it running?';
  if (!answer.ok) return ((await answer.json()) as { error: { message: string } }).error.message;
  // A browser silently drops a cookie that is meant for TLS.
  if ((await readSession()) !== null) return null;
  return 'The key is right, but your browser did not keep the login, because it came here without TLS. Put the console behind TLS, or set PENSTOCK_CONSOLE_PLAIN_HTTP=true.';
}

export function Login({ onLoggedIn }: { readonly onLoggedIn: () => void }): VNode {
  const [problem, setProblem] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);
  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const key = new FormData(event.target as HTMLFormElement).get('key');
    setBusy(true);
    const failed = await logIn(String(key));
    setBusy(false);
    setProblem(failed);
    if (failed === null) onLoggedIn();
  };
  return html`
    <main class="login">
      <form class="panel" onSubmit=${submit}>
        <h1>Penstock</h1>
        <p>Log in with a key of <code>PENSTOCK_ADMIN_KEYS</code> or <code>PENSTOCK_VIEWER_KEYS</code>.</p>
        <label for="key">Key</label>
        <input id="key" name="key" type="password" autocomplete="current-password" required autofocus
          aria-describedby=${problem === null ? undefined : 'problem'} aria-invalid=${problem !== null} />
        ${problem !== null && html`<p id="problem" class="problem" role="alert">${problem}</p>`}
        <button type="submit" disabled=${isBusy}>Log in</button>
      </form>
    </main>
  `;
}
