import { render } from 'preact';
import { App } from './app.ts';
import { html } from './base/html.ts';

render(html`<${App} />`, document.body);
