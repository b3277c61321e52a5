import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keys } from './keys.ts';
import { projects } from './projects.ts';

const nobody = () => assert.fail('nothing is told');

test('what is wrong on the command line is said with its remedy, before any server is asked', async () => {
  const wrong: [typeof keys, string[], RegExp][] = [
    [projects, [], /^say projects list, show, create, rename, weight, models, limit, archive$/],
    [projects, ['create'], /^projects create takes NAME$/],
    [projects, ['create', ' '], /^the name: give a name$/],
    [projects, ['create', 'a', '--weight', '0'], /give a whole number from 1 to 100$/],
    [projects, ['weight', 'a', 'much'], /give a whole number from 1 to 100$/],
    [projects, ['create', 'a', '--id', 'proj_1'], /^--id: give the first 16 hex digits/],
    [projects, ['list', '--all'], /Unknown option '--all'/],
    [projects, ['models', 'p'], /takes one of --allow NAMES, --deny NAMES and --all/],
    [projects, ['models', 'p', '--allow', 'a', '--all'], /takes one of/],
    [keys, ['revok', 'key_1'], /^say keys list, show, create, update, rotate, revoke$/],
    [keys, ['list'], /^name a project, or say --admin for admin keys$/],
    [keys, ['create', '--admin', '--scopes', 'chat'], /^an admin key takes no --scopes$/],
    [keys, ['revoke', 'sk-abc'], /this is a key itself: give its id/],
    [keys, ['create', 'p', '--scopes', 'chat,cat'], /^--scopes: use chat, /],
    [keys, ['create', 'p', '--expires', '3 weeks'], /^--expires: use a time such as 90d/],
    [keys, ['create', 'p', '--expires', '4000d'], /^--expires: use ten years/],
    [keys, ['update', 'key_1'], /^say what is to be otherwise/],
  ];
  for (const [command, args, says] of wrong)
    await assert.rejects(
      async () => command(args, nobody),
      (err: Error) => err instanceof TypeError && says.test(err.message),
      args.join(' '),
    );
});
